package dev.larder.internal.media3

import androidx.media3.common.C
import androidx.media3.common.DrmInitData
import androidx.media3.common.DrmInitData.SchemeData
import androidx.media3.common.MimeTypes
import androidx.media3.extractor.mp4.PsshAtomUtil
import dev.larder.DrmScheme
import dev.larder.LarderException
import dev.larder.LarderException.Code
import dev.larder.LocalLicense
import dev.larder.media3.support.widevine
import dev.larder.media3.support.widevineBox
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import java.util.UUID

/** Tests the choice of a license for a track. */
@RunWith(RobolectricTestRunner::class)
class ChoosingLicensesTest {
    private val video = box("video")
    private val audio = box("audio")
    private val licenses = listOf(widevine("for audio", audio), widevine("for video", video))

    @Test
    fun `each track gets the license that was requested with its own box`() {
        assertEquals("for video", chosen(licenses, video))
        assertEquals("for audio", chosen(licenses, audio))
    }

    @Test
    fun `a license requested with several boxes serves each of them`() {
        val both = widevine("for both", audio + video)
        assertEquals("for both", chosen(listOf(widevine("other", box("other")), both), video))
    }

    @Test
    fun `a track with a repackaged box gets the license with the same keys`() {
        val key = UUID.fromString("6f651ae1-dbe4-4434-bcb4-690d1564c41c")
        val packedAgain = PsshAtomUtil.buildPsshAtom(C.WIDEVINE_UUID, arrayOf(key), "other data".encodeToByteArray())
        val byKey = widevine("for its keys", video, keyIds = listOf("6f651ae1dbe44434bcb4690d1564c41c"))
        assertEquals("for its keys", chosen(licenses + byKey, packedAgain))
    }

    @Test
    fun `the only license serves a track without a better match`() {
        assertEquals("for video", chosen(listOf(widevine("for video", video)), box("unknown")))
    }

    @Test
    fun `several licenses without a match are LICENSE_MISSING`() {
        assertEquals(Code.LICENSE_MISSING, refused(licenses, box("unknown")))
    }

    @Test
    fun `a license of another scheme is DRM_UNSUPPORTED`() {
        val clearKey = widevine("ck", video).copy(scheme = DrmScheme.CLEAR_KEY)
        assertEquals(Code.DRM_UNSUPPORTED, refused(listOf(clearKey), video))
    }

    @Test
    fun `an asset without licenses is LICENSE_MISSING`() {
        assertEquals(Code.LICENSE_MISSING, refused(emptyList(), widevineBox))
    }

    private fun chosen(licenses: List<LocalLicense>, box: ByteArray) = chooseLicense(licenses, initData(box)).licenseId

    private fun refused(licenses: List<LocalLicense>, box: ByteArray): String =
        assertThrows(LarderException::class.java) { chooseLicense(licenses, initData(box)) }.code

    private fun initData(box: ByteArray) = DrmInitData(
        SchemeData(C.WIDEVINE_UUID, MimeTypes.VIDEO_MP4, box),
        SchemeData(C.PLAYREADY_UUID, MimeTypes.VIDEO_MP4, box),
    )

    private fun box(what: String) = PsshAtomUtil.buildPsshAtom(C.WIDEVINE_UUID, what.encodeToByteArray())
}
