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
import dev.larder.Remedy
import java.util.UUID

/**
 * A CDM that plays what it holds: it reports remaining times in the one form that Media3 understands, and says in Larder's
 * codes why a license does not come back.
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
            // MediaDrmStateException is one.
            throw vanished(e)
        }
    }

    override fun queryKeyStatus(sessionId: ByteArray): Map<String, String> =
        normalizedKeyStatus(cdm.queryKeyStatus(sessionId), license)

    // Kotlin's `by` leaves the default methods of a Java interface out.

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
                "the license was acquired at $acquired; the device gives $now now",
                Remedy.REREGISTER,
            )
        } else {
            LarderException(
                LarderException.Code.LICENSE_VANISHED,
                "the CDM does not restore the license (${cause.javaClass.simpleName})",
                Remedy.REREGISTER,
            )
        }
        return error.apply { initCause(cause) }
    }

    /** Of this object's sessions, as Widevine names it; `null` for a CDM without levels. */
    private val level: String?
        get() = try {
            cdm.getPropertyString(SECURITY_LEVEL).takeIf(String::isNotEmpty)
        } catch (_: RuntimeException) {
            null
        }

    // To provision needs a network, and takes every stored license away: whoever registers again does it.
    private fun notProvisioned() = LarderException(
        LarderException.Code.PROVISIONING_FAILED,
        "the CDM has lost its provisioning, and its licenses with it",
        Remedy.REREGISTER,
    )
}

/** Widevine's property for the level of its sessions, and its level in software. */
internal const val SECURITY_LEVEL = "securityLevel"
internal const val L3 = "L3"

/** What the player's sessions may ask of a network: nothing. */
@OptIn(UnstableApi::class)
internal object NoNetwork : MediaDrmCallback {
    override fun executeProvisionRequest(uuid: UUID, request: ExoMediaDrm.ProvisionRequest): Nothing = refuse()

    override fun executeKeyRequest(uuid: UUID, request: ExoMediaDrm.KeyRequest): Nothing = refuse()

    private fun refuse(): Nothing = throw LarderException(
        LarderException.Code.LICENSE_MISSING,
        "the CDM wants a request to a server, and playing a registered asset makes none",
        Remedy.REREGISTER,
    )
}
