package dev.larder.internal.media3

import dev.larder.Expiry
import dev.larder.media3.support.widevine
import org.junit.Assert.assertEquals
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner

/** Tests the conversion of the key statuses that devices report. */
@RunWith(RobolectricTestRunner::class)
class KeyStatusTest {
    private val noEnd = Long.MAX_VALUE.toString()

    @Test
    fun `each known key status has one meaning`() {
        val later = Expiry.At(Long.MAX_VALUE)
        val cases = listOf(
            Case("a usual license", "3600", "3600", later, "3600"),
            Case("no end, as it should be said", noEnd, noEnd, Expiry.Never, noEnd),
            Case("no end, said as zero", "0", "00", Expiry.Never, noEnd),
            Case("zero, and it has an end", "0", "0", later, "0"),
            Case("zero, its end is unknown, but it may be played", "0", "0", Expiry.Unknown, noEnd, mayPlay = "True"),
            Case("zero, its end is unknown, and it may not be played", "0", "0", Expiry.Unknown, "0", mayPlay = "False"),
            Case("below zero", "-5", "-5", later, "0"),
            Case("no number", "n/a", "unlimited", later, noEnd),
            Case("nothing at all", null, null, later, noEnd),
        )
        for (case in cases) {
            val said = buildMap {
                case.license?.let { put("LicenseDurationRemaining", it) }
                case.playback?.let { put("PlaybackDurationRemaining", it) }
                case.mayPlay?.let { put("PlayAllowed", it) }
            }
            val told = normalizedKeyStatus(said, widevine("1", byteArrayOf(1), expires = case.expires))
            assertEquals(case.what, case.told, told["LicenseDurationRemaining"])
            assertEquals(case.what, case.told, told["PlaybackDurationRemaining"])
        }
    }

    @Test
    fun `a playback window that is over ends an unexpired license`() {
        val told = normalizedKeyStatus(
            mapOf("LicenseDurationRemaining" to "3600", "PlaybackDurationRemaining" to "0"),
            widevine("1", byteArrayOf(1), expires = Expiry.At(Long.MAX_VALUE)),
        )
        assertEquals("0", told["PlaybackDurationRemaining"])
    }

    private class Case(
        val what: String,
        val license: String?,
        val playback: String?,
        val expires: Expiry,
        val told: String,
        val mayPlay: String? = null,
    )
}
