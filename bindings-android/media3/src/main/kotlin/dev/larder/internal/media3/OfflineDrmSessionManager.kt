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
import dev.larder.media3.format
import java.util.UUID

/**
 * The sessions of one registered asset: one of Media3's own managers for each of its licenses, made when a format first
 * needs it. Everything but the constructor is called on the playback thread.
 */
@OptIn(UnstableApi::class)
internal class OfflineDrmSessionManager(
    private val assetId: String,
    private val playback: LocalPlayback,
    private val mediaDrm: ExoMediaDrm.Provider,
) : DrmSessionManager {
    private var prepared = 0
    private var player: Pair<Looper, PlayerId>? = null

    // Asked anew at each preparation: a renewal may have brought other licenses meanwhile.
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
            // Larder's own ClearKey engine keeps the keys themselves, which a CDM takes as the answer to a request.
            builder.build(LocalMediaDrmCallback(handle))
        } else {
            // Query mode restores the license and never makes a request; playback mode would for the last minute.
            builder.build(NoNetwork).apply { setMode(DefaultDrmSessionManager.MODE_QUERY, handle) }
        }
        manager.setPlayer(looper, playerId)
        manager.prepare()
        return manager
    }

    // A license comes back only at the level that it was acquired at, also if that is not what the device gives unasked.
    private fun cdm(scheme: UUID, license: LocalLicense): ExoMediaDrm = mediaDrm.acquireExoMediaDrm(scheme).apply {
        val isOfL3 = license.securityLevel == SecurityLevel.L3 || license.acquiredLevel == L3
        if (isOfL3 && license.scheme == DrmScheme.WIDEVINE) setPropertyString(SECURITY_LEVEL, L3)
    }

    // A key set id of a CDM is short and no JSON.
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
