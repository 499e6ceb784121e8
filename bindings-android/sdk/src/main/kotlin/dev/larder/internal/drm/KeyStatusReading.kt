package dev.larder.internal.drm

import dev.larder.LicenseDuration
import dev.larder.LicenseTimes

/** The occasion of a query for a license's times. The same values mean different things on different occasions. */
internal enum class QueryOccasion {
    /** The license was granted or renewed just now, and has not been played since. */
    GRANT,

    /** The license was stored some time ago, and may have been played. */
    INSPECTION,
}

/** The usability of a session's keys, which the CDM reports separately from the times. */
internal enum class KeyUsability { UNKNOWN, USABLE, EXPIRED }

/** The result of `MediaDrm.queryKeyStatus`: texts whose names and values the vendor defines. */
internal class KeyStatusReading(private val values: Map<String, String?>) {
    private val license: LicenseDuration get() = remaining(LICENSE)
    private val playback: LicenseDuration get() = remaining(PLAYBACK)

    /** True if the license forbids renewal. */
    val isRenewalForbidden: Boolean get() = isFalse("RenewAllowed")

    /** True if the license forbids storage. */
    val isStorageForbidden: Boolean get() = isFalse("PersistAllowed")

    /** True if one of the times is 0, which means "expired" on some devices and "unlimited" on others. */
    val mayBeExpired: Boolean get() = license == ZERO || playback == ZERO

    /** Returns the times, corrected by [keyStatusQuirks]. The times of a license that has certainly expired are 0. */
    fun times(occasion: QueryOccasion, keys: KeyUsability): LicenseTimes {
        val plain = LicenseTimes(license, playback)
        return keyStatusQuirks.fold(plain) { times, quirk -> quirk.corrected(times, occasion, keys) }
    }

    /** Parses a time. A missing value, or one that is no number, is unknown. */
    private fun remaining(name: String): LicenseDuration {
        val seconds = values[name]?.trim()?.toLongOrNull() ?: return LicenseDuration.Unknown
        return when {
            // CDMs report "unlimited" as the largest i32, u32 or i64.
            seconds >= Int.MAX_VALUE -> LicenseDuration.Unlimited

            else -> LicenseDuration.Seconds(seconds.coerceAtLeast(0))
        }
    }

    private fun isFalse(name: String): Boolean = values[name]?.trim().equals("false", ignoreCase = true)

    /** Contains neither the names nor the values: the vendor defines both. */
    override fun toString(): String = "KeyStatusReading(${values.size} values)"

    private companion object {
        const val LICENSE = "LicenseDurationRemaining"
        const val PLAYBACK = "PlaybackDurationRemaining"
        val ZERO = LicenseDuration.Seconds(0)
    }
}

/** A wrong value that a device reports, and its correction. */
internal class KeyStatusQuirk(
    /** The reported value and its meaning. */
    val description: String,
    /** The report and the device. */
    val evidence: String,
    private val applies: (LicenseTimes, QueryOccasion, KeyUsability) -> Boolean,
    private val correct: (LicenseTimes) -> LicenseTimes,
) {
    fun corrected(times: LicenseTimes, occasion: QueryOccasion, keys: KeyUsability): LicenseTimes =
        if (applies(times, occasion, keys)) correct(times) else times
}

/** The known quirks, in the order of their corrections. The tests have a recorded value for each. */
internal val keyStatusQuirks: List<KeyStatusQuirk> = listOf(
    KeyStatusQuirk(
        description = "0 or 00 for an unlimited license, while its keys are usable or just after the grant",
        evidence = "Samsung GT-N7105, google/ExoPlayer#3150",
        applies = { times, occasion, keys ->
            times.license.isZero && keys != KeyUsability.EXPIRED &&
                (keys == KeyUsability.USABLE || occasion == QueryOccasion.GRANT)
        },
        correct = { it.copy(license = LicenseDuration.Unlimited) },
    ),
    KeyStatusQuirk(
        description = "0 or 00 for an unlimited playback, while its keys are usable or just after the grant",
        evidence = "Samsung GT-N7105, google/ExoPlayer#3150",
        applies = { times, occasion, keys ->
            times.playback.isZero && keys != KeyUsability.EXPIRED &&
                (keys == KeyUsability.USABLE || occasion == QueryOccasion.GRANT)
        },
        correct = { it.copy(playback = LicenseDuration.Unlimited) },
    ),
    KeyStatusQuirk(
        description = "0 later, from a CDM that reports no key statuses: expired or unlimited. Only the ledger knows",
        evidence = "the same, and google/ExoPlayer#4329 (Kyocera, Android 8.1)",
        applies = { times, occasion, keys ->
            occasion == QueryOccasion.INSPECTION && keys == KeyUsability.UNKNOWN &&
                (times.license.isZero || times.playback.isZero)
        },
        correct = { times ->
            LicenseTimes(
                license = if (times.license.isZero) LicenseDuration.Unknown else times.license,
                playback = if (times.playback.isZero) LicenseDuration.Unknown else times.playback,
            )
        },
    ),
    KeyStatusQuirk(
        description = "the largest number for a limited license after its first playback: its expiry has not changed",
        evidence = "google/ExoPlayer#9493",
        applies = { times, occasion, _ ->
            occasion == QueryOccasion.INSPECTION &&
                times.license == LicenseDuration.Unlimited &&
                times.playback is LicenseDuration.Seconds
        },
        correct = { it.copy(license = LicenseDuration.Unknown) },
    ),
)

private val LicenseDuration.isZero: Boolean get() = this is LicenseDuration.Seconds && seconds == 0L
