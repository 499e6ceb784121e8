package dev.larder.internal.media3

import android.os.Looper
import androidx.annotation.OptIn
import androidx.media3.common.C
import androidx.media3.common.Format
import androidx.media3.common.PlaybackException
import androidx.media3.common.util.UnstableApi
import androidx.media3.exoplayer.analytics.PlayerId
import androidx.media3.exoplayer.drm.DefaultDrmSessionManager
import androidx.media3.exoplayer.drm.DrmSession
import androidx.media3.exoplayer.drm.DrmSessionEventListener
import androidx.media3.exoplayer.drm.DrmSessionManager
import androidx.media3.exoplayer.drm.ErrorStateDrmSession
import androidx.media3.exoplayer.drm.ExoMediaDrm
import androidx.media3.exoplayer.drm.LocalMediaDrmCallback
import dev.larder.DrmScheme
import dev.larder.LarderException
import dev.larder.LocalLicense
import dev.larder.LocalPlayback
import dev.larder.SecurityLevel
import java.util.UUID

/**
 * Manages the DRM sessions of one registered asset, with one session manager of Media3 per license, created when a format first
 * needs it. Every function is called on the playback thread; the constructor may be called on any thread.
 */
@OptIn(UnstableApi::class)
internal class OfflineDrmSessionManager(
    private val assetId: String,
    private val playback: LocalPlayback,
    private val mediaDrm: ExoMediaDrm.Provider,
) : DrmSessionManager {
    private var prepared = 0
    private var player: Pair<Looper, PlayerId>? = null

    // Read again at each preparation: a renewal may have replaced the licenses.
    private var licenses: List<LocalLicense>? = null
    private val managers = HashMap<String, DrmSessionManager>()

    override fun setPlayer(playbackLooper: Looper, playerId: PlayerId) {
        player = playbackLooper to playerId
    }

    override fun prepare() {
        prepared++
    }

    override fun release() {
        if (--prepared > 0) return
        managers.values.forEach(DrmSessionManager::release)
        managers.clear()
        licenses = null
    }

    override fun getCryptoType(format: Format): Int =
        if (format.drmInitData == null) C.CRYPTO_TYPE_NONE else C.CRYPTO_TYPE_FRAMEWORK

    override fun acquireSession(eventDispatcher: DrmSessionEventListener.EventDispatcher?, format: Format): DrmSession? {
        val initData = format.drmInitData ?: return null
        return try {
            val licenses = licenses ?: playback.localMediaSource(assetId).licenses.also { licenses = it }
            val license = chooseLicense(licenses, initData)
            managers.getOrPut(license.licenseId) { open(license) }.acquireSession(eventDispatcher, format)
        } catch (e: LarderException) {
            eventDispatcher?.drmSessionManagerError(e)
            ErrorStateDrmSession(DrmSession.DrmSessionException(e, e.playbackErrorCode))
        }
    }

    private fun open(license: LocalLicense): DrmSessionManager {
        val (looper, playerId) = checkNotNull(player) { "acquireSession before setPlayer" }
        val handle = playback.licenseHandle(license.licenseId)
        val builder = DefaultDrmSessionManager.Builder()
            .setMultiSession(false)
            .setUuidAndExoMediaDrmProvider(license.scheme.uuid) { OfflineMediaDrm(cdm(it, license), license) }
        val manager = if (isKeySet(handle)) {
            // The handle of Larder's ClearKey engine is a JWK set, which a CDM accepts as the response to a key request.
            builder.build(LocalMediaDrmCallback(handle))
        } else {
            // Query mode restores the license without a request. Playback mode makes one in the last minute of a license.
            builder.build(NoNetwork).apply { setMode(DefaultDrmSessionManager.MODE_QUERY, handle) }
        }
        manager.setPlayer(looper, playerId)
        manager.prepare()
        return manager
    }

    // A license can only be restored at the level of its acquisition, which may differ from the device's default level.
    private fun cdm(scheme: UUID, license: LocalLicense): ExoMediaDrm = mediaDrm.acquireExoMediaDrm(scheme).apply {
        val isOfL3 = license.securityLevel == SecurityLevel.L3 || license.acquiredLevel == L3
        if (isOfL3 && license.scheme == DrmScheme.WIDEVINE) setPropertyString(SECURITY_LEVEL, L3)
    }

    // A key set id of a CDM is short and is not JSON.
    private fun isKeySet(handle: ByteArray): Boolean =
        handle.decodeToString().let { it.trimStart().startsWith("{") && it.contains("\"keys\"") }
}

private val LarderException.playbackErrorCode: Int
    get() = when (code) {
        LarderException.Code.LICENSE_EXPIRED -> PlaybackException.ERROR_CODE_DRM_LICENSE_EXPIRED
        LarderException.Code.DRM_UNSUPPORTED -> PlaybackException.ERROR_CODE_DRM_SCHEME_UNSUPPORTED
        LarderException.Code.LICENSE_KEYS_MISSING -> PlaybackException.ERROR_CODE_DRM_CONTENT_ERROR
        else -> PlaybackException.ERROR_CODE_DRM_LICENSE_ACQUISITION_FAILED
    }
