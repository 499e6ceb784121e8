package dev.larder.internal.media3

import android.media.NotProvisionedException
import androidx.annotation.OptIn
import androidx.media3.common.util.UnstableApi
import androidx.media3.exoplayer.analytics.PlayerId
import androidx.media3.exoplayer.drm.DrmUtil
import androidx.media3.exoplayer.drm.ExoMediaDrm
import androidx.media3.exoplayer.drm.MediaDrmCallback
import dev.larder.LarderException
import dev.larder.LocalLicense
import java.util.UUID

/**
 * A CDM for stored licenses. Reports remaining times in the form that Media3 understands, and throws Larder's codes if a license
 * cannot be restored.
 */
@OptIn(UnstableApi::class)
internal class OfflineMediaDrm(private val cdm: ExoMediaDrm, private val license: LocalLicense) : ExoMediaDrm by cdm {

    override fun openSession(): ByteArray = try {
        cdm.openSession()
    } catch (_: NotProvisionedException) {
        throw notProvisioned()
    } catch (e: NoSuchMethodError) {
        // API 34 cannot construct some of its own exceptions (b/291440132).
        throw if (DrmUtil.isFailureToConstructNotProvisionedException(e)) notProvisioned() else e
    }

    override fun restoreKeys(sessionId: ByteArray, keySetId: ByteArray) {
        try {
            cdm.restoreKeys(sessionId, keySetId)
        } catch (e: IllegalArgumentException) {
            throw vanished(e)
        } catch (e: IllegalStateException) {
            // MediaDrmStateException is a subclass.
            throw vanished(e)
        }
    }

    override fun queryKeyStatus(sessionId: ByteArray): Map<String, String> =
        normalizedKeyStatus(cdm.queryKeyStatus(sessionId), license)

    // Kotlin's `by` does not delegate the default methods of a Java interface.

    override fun setPlayerIdForSession(sessionId: ByteArray, playerId: PlayerId): Unit =
        cdm.setPlayerIdForSession(sessionId, playerId)

    override fun removeOfflineLicense(keySetId: ByteArray): Unit = cdm.removeOfflineLicense(keySetId)

    override fun getOfflineLicenseKeySetIds(): List<ByteArray> = cdm.offlineLicenseKeySetIds

    private fun vanished(cause: Exception): LarderException {
        val acquired = license.acquiredLevel
        val now = level
        val error = if (acquired != null && now != null && acquired != now) {
            LarderException(
                LarderException.Code.CDM_LEVEL_CHANGED,
                "the license was acquired at level $acquired, and the device is at $now now: register again",
            )
        } else {
            LarderException(
                LarderException.Code.LICENSE_VANISHED,
                "the CDM cannot restore the license (${cause.javaClass.simpleName}): register again",
            )
        }
        return error.apply { initCause(cause) }
    }

    /** The security level of this object's sessions, as Widevine names it; `null` for a CDM without levels. */
    private val level: String?
        get() = try {
            cdm.getPropertyString(SECURITY_LEVEL).takeIf(String::isNotEmpty)
        } catch (_: RuntimeException) {
            null
        }

    // Provisioning needs a network, which a playback must not use, and the licenses are lost with the old provisioning:
    // a registration provisions the device and acquires new ones.
    private fun notProvisioned() = LarderException(
        LarderException.Code.LICENSE_VANISHED,
        "the CDM has lost its provisioning, and its licenses with it: register again",
    )
}

/** Widevine's property for the level of its sessions, and the name of its software level. */
internal const val SECURITY_LEVEL = "securityLevel"
internal const val L3 = "L3"

/** Refuses every request: the playback of a registered asset uses no network. */
@OptIn(UnstableApi::class)
internal object NoNetwork : MediaDrmCallback {
    override fun executeProvisionRequest(uuid: UUID, request: ExoMediaDrm.ProvisionRequest): Nothing = refuse()

    override fun executeKeyRequest(uuid: UUID, request: ExoMediaDrm.KeyRequest): Nothing = refuse()

    private fun refuse(): Nothing = throw LarderException(
        LarderException.Code.LICENSE_MISSING,
        "the CDM needs a new license, and the playback of a registered asset makes no request: register again",
    )
}
