package dev.larder.support

import dev.larder.DrmScheme
import dev.larder.ExchangeKind
import dev.larder.ExchangeMessage
import dev.larder.GrantedHandle
import dev.larder.KeyRequest
import dev.larder.LicenseDuration
import dev.larder.LicenseGrant
import dev.larder.LicenseTimes
import dev.larder.ReleaseOutcome
import dev.larder.StoredLicense
import dev.larder.drm.DrmEngine
import dev.larder.drm.LicenseExchange
import java.util.concurrent.Callable
import java.util.concurrent.ExecutionException
import java.util.concurrent.Executors

/**
 * A CDM for ClearKey as an app writes it. Runs its exchange on its own queue.
 *
 * [step] is called with the name of each step, and may throw, hang or call the manager.
 */
class KotlinClearKeyEngine(private val step: (String) -> Unit = {}) : DrmEngine {
    override val scheme: DrmScheme
        get() = DrmScheme.CLEAR_KEY

    override fun acquire(request: KeyRequest, exchange: LicenseExchange): LicenseGrant {
        step("acquire")
        val asked = request.initData.decodeToString().trim().removeSuffix("}") + ""","type":"persistent-license"}"""
        val license = ask(ExchangeKind.LICENSE, asked, exchange)
        step("granted")
        return LicenseGrant(GrantedHandle.New(license), times)
    }

    override fun inspect(held: StoredLicense): LicenseTimes {
        step("inspect")
        return times
    }

    override fun release(held: StoredLicense, exchange: LicenseExchange): ReleaseOutcome {
        step("release")
        val license = held.handle.decodeToString()
        val kids = Regex("\"kid\"\\s*:\\s*(\"[^\"]+\")").findAll(license).joinToString(",") { it.groupValues[1] }
        val id = checkNotNull(Regex("\"license_id\"\\s*:\\s*(\"[^\"]+\")").find(license)).groupValues[1]
        ask(ExchangeKind.RELEASE, """{"kids":[$kids],"license_id":$id}""", exchange)
        return ReleaseOutcome.RELEASED
    }

    private fun ask(kind: ExchangeKind, body: String, exchange: LicenseExchange): ByteArray {
        step("before send")
        val answer = try {
            queue.submit(Callable { exchange.send(ExchangeMessage(kind, body.encodeToByteArray())) }).get()
        } catch (e: ExecutionException) {
            step("send failed")
            throw e.cause ?: e
        }
        step("after send")
        return answer.body
    }

    private companion object {
        val times = LicenseTimes(license = LicenseDuration.Seconds(3600), playback = LicenseDuration.Unlimited)
        val queue = Executors.newCachedThreadPool { work -> Thread(work, "cdm").apply { isDaemon = true } }
    }
}
