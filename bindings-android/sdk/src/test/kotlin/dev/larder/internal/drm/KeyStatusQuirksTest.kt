package dev.larder.internal.drm

import dev.larder.LicenseDuration
import dev.larder.LicenseDuration.Seconds
import dev.larder.LicenseDuration.Unknown
import dev.larder.LicenseDuration.Unlimited
import dev.larder.LicenseTimes
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory

/** Tests the meaning of reported results of `queryKeyStatus`. */
class KeyStatusQuirksTest {
    private class Trace(
        val device: String,
        val said: Map<String, String?>,
        val occasion: QueryOccasion,
        val keys: KeyUsability,
        val license: LicenseDuration,
        val playback: LicenseDuration,
    )

    private val traces = listOf(
        trace(
            "a device that says what it means",
            "2592000",
            "172800",
            QueryOccasion.GRANT,
            KeyUsability.UNKNOWN,
            Seconds(2_592_000),
            Seconds(172_800),
        ),
        trace(
            "the same, played since",
            "2400000",
            "3600",
            QueryOccasion.INSPECTION,
            KeyUsability.UNKNOWN,
            Seconds(2_400_000),
            Seconds(3_600),
        ),
        trace(
            "no end at all",
            "9223372036854775807",
            "9223372036854775807",
            QueryOccasion.GRANT,
            KeyUsability.UNKNOWN,
            Unlimited,
            Unlimited,
        ),
        trace(
            "no end, as the largest i32 and u32",
            "2147483647",
            "4294967295",
            QueryOccasion.GRANT,
            KeyUsability.UNKNOWN,
            Unlimited,
            Unlimited,
        ),
        trace(
            "no end but a playback window",
            "9223372036854775807",
            "172800",
            QueryOccasion.GRANT,
            KeyUsability.UNKNOWN,
            Unlimited,
            Seconds(172_800),
        ),
        trace("over, and its keys say so", "0", "0", QueryOccasion.INSPECTION, KeyUsability.EXPIRED, Seconds(0), Seconds(0)),
        trace(
            "a test server's license of no time at all",
            "0",
            "0",
            QueryOccasion.GRANT,
            KeyUsability.EXPIRED,
            Seconds(0),
            Seconds(0),
        ),
        trace("below zero", "-5", "-1", QueryOccasion.INSPECTION, KeyUsability.EXPIRED, Seconds(0), Seconds(0)),
        trace(
            "Samsung GT-N7105 (google/ExoPlayer#3150), just granted",
            "0",
            "0",
            QueryOccasion.GRANT,
            KeyUsability.UNKNOWN,
            Unlimited,
            Unlimited,
        ),
        trace(
            "the same, in two digits, as reported",
            "00",
            "00",
            QueryOccasion.GRANT,
            KeyUsability.UNKNOWN,
            Unlimited,
            Unlimited,
        ),
        trace(
            "the same later, its keys being usable",
            "00",
            "00",
            QueryOccasion.INSPECTION,
            KeyUsability.USABLE,
            Unlimited,
            Unlimited,
        ),
        trace(
            "the same later, from a CDM that tells nothing of its keys",
            "0",
            "0",
            QueryOccasion.INSPECTION,
            KeyUsability.UNKNOWN,
            Unknown,
            Unknown,
        ),
        trace(
            "no playback window, as 0",
            "2592000",
            "0",
            QueryOccasion.GRANT,
            KeyUsability.USABLE,
            Seconds(2_592_000),
            Unlimited,
        ),
        trace(
            "the license's end is gone once it was played (google/ExoPlayer#9493)",
            "9223372036854775807",
            "172000",
            QueryOccasion.INSPECTION,
            KeyUsability.UNKNOWN,
            Unknown,
            Seconds(172_000),
        ),
        trace("keys that are missing", null, null, QueryOccasion.GRANT, KeyUsability.UNKNOWN, Unknown, Unknown),
        trace("only one of them", null, "172800", QueryOccasion.INSPECTION, KeyUsability.UNKNOWN, Unknown, Seconds(172_800)),
        trace("no numbers", "unlimited", "", QueryOccasion.GRANT, KeyUsability.UNKNOWN, Unknown, Unknown),
        trace(
            "a number that no number holds",
            "18446744073709551616",
            "1e9",
            QueryOccasion.GRANT,
            KeyUsability.UNKNOWN,
            Unknown,
            Unknown,
        ),
        trace(
            "blanks around it",
            " 3600 ",
            "\t60\n",
            QueryOccasion.INSPECTION,
            KeyUsability.UNKNOWN,
            Seconds(3_600),
            Seconds(60),
        ),
    )

    @TestFactory
    fun `every recorded key status is read with its meaning`(): List<DynamicTest> = traces.map {
        dynamicTest(it.device) {
            assertEquals(LicenseTimes(it.license, it.playback), KeyStatusReading(it.said).times(it.occasion, it.keys))
        }
    }

    @Test
    fun `every quirk corrects a recorded key status`() {
        for (quirk in keyStatusQuirks) {
            assertTrue(traces.any { quirk.changes(it) }) { quirk.description }
            assertTrue(quirk.evidence.isNotBlank())
        }
    }

    @Test
    fun `renewal and storage are forbidden only if the license says false`() {
        assertTrue(KeyStatusReading(mapOf("RenewAllowed" to "False")).isRenewalForbidden)
        assertTrue(KeyStatusReading(mapOf("PersistAllowed" to "false")).isStorageForbidden)
        assertFalse(KeyStatusReading(mapOf("RenewAllowed" to "True")).isRenewalForbidden)
        assertFalse(KeyStatusReading(emptyMap()).isRenewalForbidden)
        assertFalse(KeyStatusReading(emptyMap()).isStorageForbidden)
    }

    private fun KeyStatusQuirk.changes(trace: Trace): Boolean {
        // The times after the corrections of the earlier quirks.
        val before = keyStatusQuirks.takeWhile { it !== this }
            .fold(plain(trace)) { times, quirk -> quirk.corrected(times, trace.occasion, trace.keys) }
        return corrected(before, trace.occasion, trace.keys) != before
    }

    /** Returns the uncorrected times: no quirk applies to this occasion and these keys. */
    private fun plain(trace: Trace): LicenseTimes =
        KeyStatusReading(trace.said).times(QueryOccasion.GRANT, KeyUsability.EXPIRED)

    private fun trace(
        device: String,
        license: String?,
        playback: String?,
        occasion: QueryOccasion,
        keys: KeyUsability,
        meansLicense: LicenseDuration,
        meansPlayback: LicenseDuration,
    ): Trace {
        val said = buildMap {
            put("LicenseType", "Offline")
            license?.let { put("LicenseDurationRemaining", it) }
            playback?.let { put("PlaybackDurationRemaining", it) }
        }
        return Trace(device, said, occasion, keys, meansLicense, meansPlayback)
    }
}
