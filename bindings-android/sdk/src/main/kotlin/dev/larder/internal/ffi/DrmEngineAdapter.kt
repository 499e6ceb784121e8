package dev.larder.internal.ffi

import dev.larder.DrmScheme
import dev.larder.ExchangeAnswer
import dev.larder.ExchangeMessage
import dev.larder.KeyRequest
import dev.larder.LarderException
import dev.larder.LicenseGrant
import dev.larder.LicenseTimes
import dev.larder.ReleaseOutcome
import dev.larder.Remedy
import dev.larder.StoredLicense
import dev.larder.drm.DrmEngine
import dev.larder.drm.LicenseExchange

/** Passes the core's calls to the app's engine, and converts its exceptions. */
internal class DrmEngineAdapter(private val engine: DrmEngine) : FfiDrmEngine {
    override fun scheme(): DrmScheme = guarded { engine.scheme }

    override fun acquire(request: KeyRequest, exchange: FfiExchange): LicenseGrant =
        lending(exchange) { engine.acquire(request, it) }

    override fun renew(held: StoredLicense, request: KeyRequest, exchange: FfiExchange): LicenseGrant =
        lending(exchange) { engine.renew(held, request, it) }

    override fun inspect(held: StoredLicense): LicenseTimes = guarded { engine.inspect(held) }

    override fun release(held: StoredLicense, exchange: FfiExchange): ReleaseOutcome =
        lending(exchange) { engine.release(held, it) }

    override fun remove(held: StoredLicense): Unit = guarded { engine.remove(held) }

    override fun held(): List<ByteArray>? = guarded { engine.held() }

    private inline fun <T> lending(exchange: FfiExchange, call: (LicenseExchange) -> T): T = guarded {
        exchange.use { call(LentExchange(it)) }
    }

    private inline fun <T> guarded(call: () -> T): T = guarding("the DRM engine", LarderException.Code.CDM_FAILED, call)
}

/** The exchange that an engine gets for one call. */
private class LentExchange(private val exchange: FfiExchange) : LicenseExchange {
    override fun send(message: ExchangeMessage): ExchangeAnswer = try {
        exchange.send(message)
    } catch (e: FfiException) {
        throw e.toLarder()
    } catch (_: IllegalStateException) {
        throw LarderException(
            LarderException.Code.CANCELLED,
            "the call that this exchange belongs to has ended",
        )
    }
}
