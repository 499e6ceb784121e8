package dev.larder.drm

import dev.larder.ExchangeAnswer
import dev.larder.ExchangeMessage

/** Larder's side of one conversation between a CDM and its servers, lent to an engine for one call. */
public fun interface LicenseExchange {
    /**
     * Sends the CDM's message and returns the server's answer, unpacked. Blocks; call it from any thread.
     *
     * @throws LarderException a network or server code, which the engine passes on; `CANCELLED` once the call it was lent
     *   to has ended.
     */
    public fun send(message: ExchangeMessage): ExchangeAnswer
}
