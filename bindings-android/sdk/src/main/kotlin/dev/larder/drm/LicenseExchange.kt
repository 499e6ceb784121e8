package dev.larder.drm

import dev.larder.ExchangeAnswer
import dev.larder.ExchangeMessage
import dev.larder.LarderException

/** Sends the messages of a CDM to its servers. An engine gets one for one call. */
public fun interface LicenseExchange {
    /**
     * Sends a message of the CDM and returns the unpacked response of the server. Blocks. May be called from any thread.
     *
     * @throws LarderException a network or server code, which the engine rethrows; `CANCELLED` after the end of the engine's
     *   call.
     */
    public fun send(message: ExchangeMessage): ExchangeAnswer
}
