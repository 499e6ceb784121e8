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
 * The code of a playback that failed inside the player, for example in a decoder or an audio device. The message has Media3's
 * error code. The remedy is to try again.
 */
public const val PLAYER_FAILED: String = "PLAYER_FAILED"

/**
 * Converts the failure of a playback into an error with Larder's code and remedy. Its message is safe to log: it contains no URL
 * and no path.
 *
 * ```
 * override fun onPlayerError(error: PlaybackException) {
 *     val reason = error.toLarderException()
 *     if (reason.remedy == Remedy.REREGISTER) offerToRegisterAgain() else show(reason.message)
 * }
 * ```
 * The status of an asset tells whether the asset itself is playable.
 */
public fun PlaybackException.toLarderException(): LarderException {
    val causes = generateSequence(cause) { it.cause }.take(DEEPEST_CAUSE).toList()
    causes.firstNotNullOfOrNull { it as? LarderException }?.let { return it }
    val reason = causes.firstNotNullOfOrNull(::reasonOf) ?: reasonOf(errorCode)
    return reason.toException("the player failed with $errorCodeName", this)
}

private const val DEEPEST_CAUSE = 20

private class Reason(val code: String, val httpStatus: Int? = null) {
    fun toException(message: String, cause: Throwable): LarderException {
        // The core does not know the one code that is Media3's.
        val error = if (code == PLAYER_FAILED) {
            LarderException(code, message, Remedy.RETRY, isRetryable = true)
        } else {
            LarderException(code, message, httpStatus = httpStatus)
        }
        return error.apply { initCause(cause) }
    }
}

@OptIn(UnstableApi::class)
private fun reasonOf(cause: Throwable): Reason? = when (cause) {
    is KeysExpiredException -> expired
    is MediaCodec.CryptoException -> reasonOfCrypto(cause.errorCode)
    is ResourceBusyException -> busy
    is NotProvisionedException -> Reason(Code.PROVISIONING_FAILED)
    is DeniedByServerException -> Reason(Code.LICENSE_DENIED)
    is UnsupportedDrmException -> Reason(Code.DRM_UNSUPPORTED)
    is HttpDataSource.InvalidResponseCodeException -> reasonOfStatus(cause.responseCode)
    is FileNotFoundException -> Reason(Code.MEDIA_NOT_FOUND)
    else -> null
}

@Suppress("DEPRECATION") // API 24 has no other constants
private fun reasonOfCrypto(error: Int): Reason? = when (error) {
    MediaCodec.CryptoException.ERROR_NO_KEY -> Reason(Code.LICENSE_KEYS_MISSING)

    MediaCodec.CryptoException.ERROR_KEY_EXPIRED -> expired

    MediaCodec.CryptoException.ERROR_RESOURCE_BUSY -> busy

    MediaCodec.CryptoException.ERROR_SESSION_NOT_OPENED,
    MediaCodec.CryptoException.ERROR_LOST_STATE,
    -> Reason(Code.CDM_FAILED)

    else -> null
}

private fun reasonOfStatus(status: Int): Reason = when (status) {
    401, 403 -> Reason(Code.UNAUTHORIZED, httpStatus = status)
    in 500..599 -> Reason(Code.SERVER_FAILED, httpStatus = status)
    else -> Reason(Code.SERVER_REJECTED, httpStatus = status)
}

private fun reasonOf(errorCode: Int): Reason = when (errorCode) {
    PlaybackException.ERROR_CODE_IO_FILE_NOT_FOUND -> Reason(Code.MEDIA_NOT_FOUND)

    PlaybackException.ERROR_CODE_IO_NO_PERMISSION -> Reason(Code.MEDIA_UNREADABLE)

    PlaybackException.ERROR_CODE_IO_NETWORK_CONNECTION_FAILED -> Reason(Code.OFFLINE)

    PlaybackException.ERROR_CODE_IO_NETWORK_CONNECTION_TIMEOUT -> Reason(Code.TIMEOUT)

    // The file is shorter than its boxes or playlists state.
    PlaybackException.ERROR_CODE_IO_READ_POSITION_OUT_OF_RANGE,
    PlaybackException.ERROR_CODE_PARSING_CONTAINER_MALFORMED,
    PlaybackException.ERROR_CODE_PARSING_MANIFEST_MALFORMED,
    -> Reason(Code.MANIFEST_INVALID)

    PlaybackException.ERROR_CODE_PARSING_CONTAINER_UNSUPPORTED,
    PlaybackException.ERROR_CODE_PARSING_MANIFEST_UNSUPPORTED,
    -> Reason(Code.FORMAT_UNSUPPORTED)

    PlaybackException.ERROR_CODE_DRM_SCHEME_UNSUPPORTED -> Reason(Code.DRM_UNSUPPORTED)

    PlaybackException.ERROR_CODE_DRM_LICENSE_EXPIRED -> expired

    PlaybackException.ERROR_CODE_DRM_LICENSE_ACQUISITION_FAILED -> Reason(Code.LICENSE_MISSING)

    PlaybackException.ERROR_CODE_DRM_CONTENT_ERROR -> Reason(Code.LICENSE_KEYS_MISSING)

    PlaybackException.ERROR_CODE_DRM_DEVICE_REVOKED -> Reason(Code.CDM_REVOKED)

    PlaybackException.ERROR_CODE_DRM_PROVISIONING_FAILED ->
        Reason(Code.PROVISIONING_FAILED)

    PlaybackException.ERROR_CODE_DRM_UNSPECIFIED,
    PlaybackException.ERROR_CODE_DRM_DISALLOWED_OPERATION,
    PlaybackException.ERROR_CODE_DRM_SYSTEM_ERROR,
    -> Reason(Code.CDM_FAILED)

    in PlaybackException.ERROR_CODE_IO_UNSPECIFIED until PlaybackException.ERROR_CODE_PARSING_CONTAINER_MALFORMED ->
        Reason(Code.NETWORK)

    else -> Reason(PLAYER_FAILED)
}

private val expired = Reason(Code.LICENSE_EXPIRED)
private val busy = Reason(Code.CDM_BUSY)
