package dev.larder.internal.drm

import android.media.MediaDrm
import android.os.Build
import dev.larder.DrmScheme
import dev.larder.ExchangeKind
import dev.larder.ExchangeMessage
import dev.larder.LarderException
import dev.larder.ReleaseOutcome
import dev.larder.SecurityLevel
import dev.larder.StoredLicense
import dev.larder.drm.LicenseExchange
import dev.larder.drm.MediaDrmEngine
import java.util.UUID
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.locks.ReentrantLock
import kotlin.concurrent.withLock

/** One `MediaDrm`, opened for one operation. Converts every failure into a [LarderException]. */
internal class Cdm private constructor(
    private val drm: MediaDrm,
    private val scheme: DrmScheme,
    private val uuid: UUID,
    private val busyPausesMs: List<Long>,
) : AutoCloseable {

    /** Runs [work] in a session of its own. Without an exchange it cannot provision the device. */
    fun <T> inSession(exchange: LicenseExchange?, work: (CdmSession) -> T): T =
        provisioned(exchange) { openSession().use(work) }

    /** The security level of this object's sessions, as Widevine names it; `null` for a CDM without levels. */
    val level: String? by lazy {
        if (scheme != DrmScheme.WIDEVINE) return@lazy null
        try {
            cdmCall(CdmStep.OPENING) { drm.getPropertyString(SECURITY_LEVEL) }.takeIf(String::isNotEmpty)
        } catch (_: LarderException) {
            null
        }
    }

    /** Loads a stored license into a session. A failure gets the most precise code that the CDM permits. */
    fun restore(session: CdmSession, held: StoredLicense) {
        try {
            session.restore(held.handle)
        } catch (e: LarderException) {
            if (e.code != LarderException.Code.CDM_FAILED && e.code != LarderException.Code.LICENSE_VANISHED) throw e
            throw if (isOfAnotherLevel(held)) levelChanged(held) else restoreError(held.handle, e)
        }
    }

    /** Returns true if the CDM has this license. Below API 29 it tries to restore the license. */
    fun knows(id: ByteArray): Boolean {
        keySetIds()?.let { listed -> return listed.any { it.contentEquals(id) } }
        return try {
            openSession().use { it.restore(id) }
            true
        } catch (e: LarderException) {
            if (e.code != LarderException.Code.CDM_FAILED) throw e
            false
        }
    }

    /** Returns the key set ids, `null` where a CDM cannot list them: below API 29, or with an older plugin of the vendor. */
    fun keySetIds(): List<ByteArray>? {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.Q) return null
        return try {
            cdmCall(CdmStep.LISTING) {
                try {
                    drm.offlineLicenseKeySetIds
                } catch (_: UnsupportedOperationException) {
                    null
                }
            }
        } catch (_: DeviceNotProvisioned) {
            emptyList()
        }
    }

    /** See [MediaDrmEngine.release]. Needs no session: the key set id itself names the license. */
    fun release(held: StoredLicense, parameters: HashMap<String, String>, exchange: LicenseExchange): ReleaseOutcome {
        val id = held.handle
        val challenge = try {
            provisioned(exchange) {
                cdmCall(CdmStep.RELEASING) { drm.getKeyRequest(id, null, null, MediaDrm.KEY_TYPE_RELEASE, parameters).data }
            }
        } catch (_: ReleaseImpossible) {
            return removedWithoutServer(id)
        } catch (e: LarderException) {
            if (e.code != LarderException.Code.CDM_FAILED) throw e
            if (!knows(id)) return ReleaseOutcome.FORGOTTEN
            // The license never opens again, so no release message for it can be made.
            if (isOfAnotherLevel(held)) return removedWithoutServer(id)
            throw e
        }
        val answer = try {
            exchange.ask(ExchangeKind.RELEASE, challenge)
        } catch (e: LarderException) {
            if (e.httpStatus !in RELEASE_UNSUPPORTED_STATUSES) throw e
            return removedWithoutServer(id)
        }
        try {
            if (answer.isNotEmpty()) cdmCall(CdmStep.RELEASING) { drm.provideKeyResponse(id, answer) }
        } catch (_: ReleaseImpossible) {
            return removedWithoutServer(id)
        }
        // Some servers answer a release with an empty body. Remove the license here, or the CDM keeps listing its key set id.
        remove(id)
        return ReleaseOutcome.RELEASED
    }

    /** Removes a license. Impossible below API 29, where a license with a release request at least no longer plays. */
    fun remove(id: ByteArray) {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.Q || !knows(id)) return
        cdmCall(CdmStep.RELEASING) { drm.removeOfflineLicense(id) }
    }

    override fun close() {
        // close() exists from API 28 on. The function that it replaced does the same on every level.
        @Suppress("DEPRECATION")
        drm.release()
    }

    private fun isOfAnotherLevel(held: StoredLicense): Boolean {
        val acquired = held.acquiredLevel ?: return false
        return level != null && level != acquired
    }

    private fun levelChanged(held: StoredLicense) = LarderException(
        LarderException.Code.CDM_LEVEL_CHANGED,
        "the license was acquired at level ${held.acquiredLevel}, and the device is at $level now: register again",
    )

    private fun restoreError(id: ByteArray, error: LarderException): LarderException {
        val listed = keySetIds() ?: return vanished()
        if (listed.none { it.contentEquals(id) }) return vanished()
        return if (isBeingReleased(
                id,
            )
        ) {
            LarderException(LarderException.Code.CDM_FAILED, "the license is being released")
        } else {
            error
        }
    }

    private fun isBeingReleased(id: ByteArray): Boolean = Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q &&
        cdmCall(CdmStep.LISTING) { drm.getOfflineLicenseState(id) } == MediaDrm.OFFLINE_LICENSE_STATE_RELEASED

    private fun removedWithoutServer(id: ByteArray): ReleaseOutcome {
        remove(id)
        return ReleaseOutcome.NOT_SUPPORTED
    }

    private fun openSession(): CdmSession {
        for (pauseMs in busyPausesMs) {
            try {
                return CdmSession.open(drm, scheme, uuid)
            } catch (e: LarderException) {
                if (e.code != LarderException.Code.CDM_BUSY) throw e
            }
            Thread.sleep(pauseMs)
        }
        return CdmSession.open(drm, scheme, uuid)
    }

    /** Runs [attempt], and runs it again if the device had to be provisioned first. */
    private fun <T> provisioned(exchange: LicenseExchange?, attempt: () -> T): T {
        val provisioning = provisionings.getOrPut(uuid, ::Provisioning)
        val before = provisioning.count
        try {
            return attempt()
        } catch (_: DeviceNotProvisioned) {
            if (exchange ==
                null
            ) {
                throw notProvisioned("the device is not provisioned: register or refresh an asset while online")
            }
        }
        // One thread at a time: a second request invalidates the response to the first one.
        provisioning.lock.withLock {
            if (provisioning.count == before) {
                provision(exchange)
                provisioning.count++
            }
        }
        return try {
            attempt()
        } catch (_: DeviceNotProvisioned) {
            throw notProvisioned("the device is not provisioned although provisioning has just succeeded")
        }
    }

    private fun provision(exchange: LicenseExchange) {
        try {
            val request = cdmCall(CdmStep.PROVISIONING) { drm.provisionRequest }
            val answer = exchange.ask(ExchangeKind.PROVISIONING, request.data, request.defaultUrl)
            cdmCall(CdmStep.PROVISIONING) { drm.provideProvisionResponse(answer) }
        } catch (_: DeviceNotProvisioned) {
            throw notProvisioned("the device rejects the provisioning response")
        }
    }

    private class Provisioning {
        val lock = ReentrantLock()

        // Written under the lock, read before an attempt without it.
        @Volatile
        var count = 0
    }

    companion object {
        /** A CDM frees a session when a playback ends or when it reclaims a leaked one. The sum is 6 seconds. */
        val BUSY_PAUSES_MS = listOf(100L, 200L, 400L, 800L, 1500L, 3000L)

        /** Widevine's software level. */
        const val L3 = "L3"

        private const val SECURITY_LEVEL = "securityLevel"

        /** The statuses of servers that support no releases, or do not know the license. */
        private val RELEASE_UNSUPPORTED_STATUSES = setOf(404, 405, 410, 501)

        private val provisionings = ConcurrentHashMap<UUID, Provisioning>()

        fun open(scheme: DrmScheme, uuid: UUID, level: SecurityLevel, busyPausesMs: List<Long>): Cdm {
            val drm = cdmCall(CdmStep.OPENING) { MediaDrm(SystemId.forMediaDrm(uuid)) }
            val cdm = Cdm(drm, scheme, uuid, busyPausesMs)
            try {
                // A property of Widevine only. It must be set before the first session.
                if (level == SecurityLevel.L3 && scheme == DrmScheme.WIDEVINE) {
                    cdmCall(CdmStep.OPENING) { drm.setPropertyString(SECURITY_LEVEL, L3) }
                }
            } catch (e: Throwable) {
                cdm.close()
                throw e
            }
            return cdm
        }
    }
}

private fun vanished() =
    LarderException(LarderException.Code.LICENSE_VANISHED, "the CDM no longer has this license: register again")

private fun notProvisioned(message: String) = LarderException(LarderException.Code.PROVISIONING_FAILED, message)

/** Sends a message, and returns the body of the response. */
internal fun LicenseExchange.ask(kind: ExchangeKind, challenge: ByteArray, url: String? = null): ByteArray =
    send(ExchangeMessage(kind, challenge, url)).body
