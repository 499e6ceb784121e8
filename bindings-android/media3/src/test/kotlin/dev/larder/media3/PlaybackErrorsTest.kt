package dev.larder.media3

import android.media.DeniedByServerException
import android.media.MediaCodec
import android.media.ResourceBusyException
import androidx.media3.common.PlaybackException
import androidx.media3.exoplayer.drm.KeysExpiredException
import androidx.media3.exoplayer.drm.UnsupportedDrmException
import dev.larder.LarderException
import dev.larder.LarderException.Code
import dev.larder.Remedy
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertSame
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import java.io.FileNotFoundException
import java.io.IOException

/** Tests the conversion of Media3's exceptions into Larder's codes. */
@RunWith(RobolectricTestRunner::class)
class PlaybackErrorsTest {
    @Test
    fun `a LarderException is found at any depth of causes`() {
        val ours = LarderException(Code.LICENSE_VANISHED, "gone", Remedy.REREGISTER)
        assertSame(ours, failed(IOException(IllegalStateException(ours))).toLarderException())
    }

    @Test
    @Suppress("DEPRECATION") // API 24 has no other constants
    fun `a known cause decides before Media3's error code`() {
        val cases = mapOf(
            KeysExpiredException() to Code.LICENSE_EXPIRED,
            MediaCodec.CryptoException(MediaCodec.CryptoException.ERROR_NO_KEY, "") to Code.LICENSE_KEYS_MISSING,
            MediaCodec.CryptoException(MediaCodec.CryptoException.ERROR_KEY_EXPIRED, "") to Code.LICENSE_EXPIRED,
            ResourceBusyException("") to Code.CDM_BUSY,
            // Media3 has one code for a denied license and a revoked device.
            DeniedByServerException("") to Code.LICENSE_DENIED,
            UnsupportedDrmException(UnsupportedDrmException.REASON_UNSUPPORTED_SCHEME) to Code.DRM_UNSUPPORTED,
            FileNotFoundException("/a/secret/path") to Code.MEDIA_NOT_FOUND,
        )
        for ((cause, code) in cases) assertEquals("$cause", code, failed(cause).toLarderException().code)
    }

    @Test
    fun `every error code of Media3 has a Larder code and a remedy`() {
        val numbers = PlaybackException::class.java.fields.filter {
            it.name.startsWith("ERROR_CODE_") &&
                it.type == Int::class.java
        }
        assert(numbers.size > 30) { "only $numbers" }
        for (number in numbers) {
            val reason = PlaybackException("", null, number.getInt(null)).toLarderException()
            assertNotNull(reason.remedy)
            val isDrm = number.name.startsWith("ERROR_CODE_DRM_")
            assertFalse("${number.name}: ${reason.code}", isDrm && reason.code == PLAYER_FAILED)
        }
    }

    @Test
    fun `Media3's error codes without a cause have distinct codes`() {
        val cases = mapOf(
            PlaybackException.ERROR_CODE_IO_FILE_NOT_FOUND to Code.MEDIA_NOT_FOUND,
            PlaybackException.ERROR_CODE_IO_NETWORK_CONNECTION_FAILED to Code.OFFLINE,
            PlaybackException.ERROR_CODE_IO_READ_POSITION_OUT_OF_RANGE to Code.MANIFEST_INVALID,
            PlaybackException.ERROR_CODE_DRM_LICENSE_EXPIRED to Code.LICENSE_EXPIRED,
            PlaybackException.ERROR_CODE_DRM_DEVICE_REVOKED to Code.CDM_REVOKED,
            PlaybackException.ERROR_CODE_DRM_SYSTEM_ERROR to Code.CDM_FAILED,
            PlaybackException.ERROR_CODE_DECODING_FAILED to PLAYER_FAILED,
        )
        for ((number, code) in cases) assertEquals(code, PlaybackException("", null, number).toLarderException().code)
    }

    @Test
    fun `the message contains no path and no URL of a cause`() {
        val reason = failed(FileNotFoundException("/data/film?token=secret")).toLarderException()
        assertFalse("secret" in "$reason ${reason.message}")
    }

    private fun failed(cause: Throwable) = PlaybackException("failed", cause, PlaybackException.ERROR_CODE_UNSPECIFIED)
}
