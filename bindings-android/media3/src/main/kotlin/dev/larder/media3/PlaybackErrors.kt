@file:JvmName("PlaybackErrors")

package dev.larder.media3

import android.media.DeniedByServerException
import android.media.MediaCodec
import android.media.NotProvisionedException
import android.media.ResourceBusyException
import androidx.annotation.OptIn
import androidx.media3.common.PlaybackException
import androidx.media3.common.util.UnstableApi
import androidx.media3.datasource.HttpDataSource
import androidx.media3.exoplayer.drm.KeysExpiredException
import androidx.media3.exoplayer.drm.UnsupportedDrmException
import dev.larder.LarderException
import dev.larder.LarderException.Code
import dev.larder.Remedy
import java.io.FileNotFoundException

/**
 * The code of a playback that failed for a reason that is the player's own: a decoder, an audio device. Media3's error code
 * is in the message.
 */
public const val PLAYER_FAILED: String = "PLAYER_FAILED"

/**
 * Why a playback failed, as Larder says it: a code, a remedy, a message that is safe to log (it holds no URL and no path).
 *
 * ```
 * override fun onPlayerError(error: PlaybackException) {
 *     val reason = error.toLarderException()
 *     if (reason.remedy == Remedy.REREGISTER) offerToRegisterAgain() else show(reason.message)
 * }
 * ```
 * For what stands in the way of an asset and not of one playback, ask for its status.
 */
public fun PlaybackException.toLarderException(): LarderException {
    val causes = generateSequence(cause) { it.cause }.take(DEEPEST_CAUSE).toList()
    causes.firstNotNullOfOrNull { it as? LarderException }?.let { return it }
    val reason = causes.firstNotNullOfOrNull(::reasonOf) ?: reasonOf(errorCode)
    return reason.toException("the player failed with $errorCodeName", this)
}

private const val DEEPEST_CAUSE = 20

private class Reason(val code: String, val remedy: Remedy, val isRetryable: Boolean = false, val httpStatus: Int? = null) {
    fun toException(message: String, cause: Throwable): LarderException =
        LarderException(code, message, remedy, isRetryable, httpStatus).apply { initCause(cause) }
}

@OptIn(UnstableApi::class)
private fun reasonOf(cause: Throwable): Reason? = when (cause) {
    is KeysExpiredException -> expired
    is MediaCodec.CryptoException -> reasonOfCrypto(cause.errorCode)
    is ResourceBusyException -> busy
    is NotProvisionedException -> Reason(Code.PROVISIONING_FAILED, Remedy.RETRY, isRetryable = true)
    is DeniedByServerException -> Reason(Code.LICENSE_DENIED, Remedy.CONTACT_SUPPORT)
    is UnsupportedDrmException -> Reason(Code.DRM_UNSUPPORTED, Remedy.FIX_INPUT)
    is HttpDataSource.InvalidResponseCodeException -> reasonOfStatus(cause.responseCode)
    is FileNotFoundException -> Reason(Code.MEDIA_NOT_FOUND, Remedy.REPAIR)
    else -> null
}

@Suppress("DEPRECATION") // API 24 has no other constants
private fun reasonOfCrypto(error: Int): Reason? = when (error) {
    MediaCodec.CryptoException.ERROR_NO_KEY -> Reason(Code.LICENSE_KEYS_MISSING, Remedy.CONTACT_SUPPORT)

    MediaCodec.CryptoException.ERROR_KEY_EXPIRED -> expired

    MediaCodec.CryptoException.ERROR_RESOURCE_BUSY -> busy

    MediaCodec.CryptoException.ERROR_SESSION_NOT_OPENED,
    MediaCodec.CryptoException.ERROR_LOST_STATE,
    -> Reason(Code.CDM_FAILED, Remedy.RETRY, isRetryable = true)

    else -> null
}

private fun reasonOfStatus(status: Int): Reason = when (status) {
    401, 403 -> Reason(Code.UNAUTHORIZED, Remedy.SIGN_IN, httpStatus = status)
    in 500..599 -> Reason(Code.SERVER_FAILED, Remedy.RETRY, isRetryable = true, httpStatus = status)
    else -> Reason(Code.SERVER_REJECTED, Remedy.CONTACT_SUPPORT, httpStatus = status)
}

private fun reasonOf(errorCode: Int): Reason = when (errorCode) {
    PlaybackException.ERROR_CODE_IO_FILE_NOT_FOUND -> Reason(Code.MEDIA_NOT_FOUND, Remedy.REPAIR)

    PlaybackException.ERROR_CODE_IO_NO_PERMISSION -> Reason(Code.MEDIA_UNREADABLE, Remedy.FIX_INPUT)

    PlaybackException.ERROR_CODE_IO_NETWORK_CONNECTION_FAILED -> Reason(Code.OFFLINE, Remedy.GO_ONLINE, isRetryable = true)

    PlaybackException.ERROR_CODE_IO_NETWORK_CONNECTION_TIMEOUT -> Reason(Code.TIMEOUT, Remedy.RETRY, isRetryable = true)

    // A file that is shorter than its own boxes or playlists say.
    PlaybackException.ERROR_CODE_IO_READ_POSITION_OUT_OF_RANGE,
    PlaybackException.ERROR_CODE_PARSING_CONTAINER_MALFORMED,
    PlaybackException.ERROR_CODE_PARSING_MANIFEST_MALFORMED,
    -> Reason(Code.MANIFEST_INVALID, Remedy.REPAIR)

    PlaybackException.ERROR_CODE_PARSING_CONTAINER_UNSUPPORTED,
    PlaybackException.ERROR_CODE_PARSING_MANIFEST_UNSUPPORTED,
    -> Reason(Code.FORMAT_UNSUPPORTED, Remedy.FIX_INPUT)

    PlaybackException.ERROR_CODE_DRM_SCHEME_UNSUPPORTED -> Reason(Code.DRM_UNSUPPORTED, Remedy.FIX_INPUT)

    PlaybackException.ERROR_CODE_DRM_LICENSE_EXPIRED -> expired

    PlaybackException.ERROR_CODE_DRM_LICENSE_ACQUISITION_FAILED -> Reason(Code.LICENSE_MISSING, Remedy.REREGISTER)

    PlaybackException.ERROR_CODE_DRM_CONTENT_ERROR -> Reason(Code.LICENSE_KEYS_MISSING, Remedy.CONTACT_SUPPORT)

    PlaybackException.ERROR_CODE_DRM_DEVICE_REVOKED -> Reason(Code.CDM_REVOKED, Remedy.CONTACT_SUPPORT)

    PlaybackException.ERROR_CODE_DRM_PROVISIONING_FAILED ->
        Reason(Code.PROVISIONING_FAILED, Remedy.RETRY, isRetryable = true)

    PlaybackException.ERROR_CODE_DRM_UNSPECIFIED,
    PlaybackException.ERROR_CODE_DRM_DISALLOWED_OPERATION,
    PlaybackException.ERROR_CODE_DRM_SYSTEM_ERROR,
    -> Reason(Code.CDM_FAILED, Remedy.RETRY, isRetryable = true)

    in PlaybackException.ERROR_CODE_IO_UNSPECIFIED until PlaybackException.ERROR_CODE_PARSING_CONTAINER_MALFORMED ->
        Reason(Code.NETWORK, Remedy.RETRY, isRetryable = true)

    else -> Reason(PLAYER_FAILED, Remedy.RETRY, isRetryable = true)
}

private val expired = Reason(Code.LICENSE_EXPIRED, Remedy.GO_ONLINE)
private val busy = Reason(Code.CDM_BUSY, Remedy.RETRY, isRetryable = true)
