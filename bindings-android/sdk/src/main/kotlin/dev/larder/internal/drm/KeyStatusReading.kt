package dev.larder.internal.drm

import dev.larder.LicenseDuration
import dev.larder.LicenseTimes

/** When a CDM is asked for a license's times: they mean different things. */
internal enum class Moment {
    /** Just now granted or renewed, never played since. */
    GRANTED,

    /** Stored some time ago, perhaps played. */
    INSPECTED,
}

/** What the CDM says of a session's keys, beside the times. */
internal enum class KeysSay { NOTHING, USABLE, EXPIRED }

/** The answer of `MediaDrm.queryKeyStatus`: texts, whose names and values are the vendor's. */
internal class KeyStatusReading(private val said: Map<String, String?>) {
    private val license: LicenseDuration get() = remaining(LICENSE)
    private val playback: LicenseDuration get() = remaining(PLAYBACK)

    /** The license says that it may not be renewed. */
    val isRenewalForbidden: Boolean get() = isFalse("RenewAllowed")

    /** The license says that it may not be stored. */
    val isStorageForbidden: Boolean get() = isFalse("PersistAllowed")

    /** One of the times is 0, which means "over" on some devices and "without an end" on others. */
    val mayBeOver: Boolean get() = license == ZERO || playback == ZERO

    /** The times, put right by [keyStatusQuirks]. A license that is over for sure says 0. */
    fun times(moment: Moment, keys: KeysSay): LicenseTimes {
        val plain = LicenseTimes(license, playback)
        return keyStatusQuirks.fold(plain) { times, quirk -> quirk.corrected(times, moment, keys) }
    }

    /** What is no number, or not there, is not known. */
    private fun remaining(name: String): LicenseDuration {
        val seconds = said[name]?.trim()?.toLongOrNull() ?: return LicenseDuration.Unknown
        return when {
            // The largest i32, u32 or i64: how CDMs say "without an end".
            seconds >= Int.MAX_VALUE -> LicenseDuration.Unlimited

            else -> LicenseDuration.Seconds(seconds.coerceAtLeast(0))
        }
    }

    private fun isFalse(name: String): Boolean = said[name]?.trim().equals("false", ignoreCase = true)

    /** Neither what a vendor calls its values nor the values themselves. */
    override fun toString(): String = "KeyStatusReading(${said.size} values)"

    private companion object {
        const val LICENSE = "LicenseDurationRemaining"
        const val PLAYBACK = "PlaybackDurationRemaining"
        val ZERO = LicenseDuration.Seconds(0)
    }
}

/** Where a device says something else than it means. */
internal class KeyStatusQuirk(
    /** What it says, and what that means. */
    val what: String,
    /** Who reported it, and for which device. */
    val evidence: String,
    private val applies: (LicenseTimes, Moment, KeysSay) -> Boolean,
    private val meant: (LicenseTimes) -> LicenseTimes,
) {
    fun corrected(times: LicenseTimes, moment: Moment, keys: KeysSay): LicenseTimes =
        if (applies(times, moment, keys)) meant(times) else times
}

/** Every quirk that is known, in the order in which they are put right. Each has a recorded answer in the tests. */
internal val keyStatusQuirks: List<KeyStatusQuirk> = listOf(
    KeyStatusQuirk(
        what = "0 or 00 for a license without an end, while its keys are usable, or just granted",
        evidence = "Samsung GT-N7105, google/ExoPlayer#3150",
        applies = { times, moment, keys ->
            times.license.isZero && keys != KeysSay.EXPIRED && (keys == KeysSay.USABLE || moment == Moment.GRANTED)
        },
        meant = { it.copy(license = LicenseDuration.Unlimited) },
    ),
    KeyStatusQuirk(
        what = "0 or 00 for a playback without an end, while its keys are usable, or just granted",
        evidence = "Samsung GT-N7105, google/ExoPlayer#3150",
        applies = { times, moment, keys ->
            times.playback.isZero && keys != KeysSay.EXPIRED && (keys == KeysSay.USABLE || moment == Moment.GRANTED)
        },
        meant = { it.copy(playback = LicenseDuration.Unlimited) },
    ),
    KeyStatusQuirk(
        what = "0 later, from a CDM that says nothing of its keys: over, or without an end. The ledger knows",
        evidence = "the same, and google/ExoPlayer#4329 (Kyocera, Android 8.1)",
        applies = { times, moment, keys ->
            moment == Moment.INSPECTED && keys == KeysSay.NOTHING && (times.license.isZero || times.playback.isZero)
        },
        meant = { times ->
            LicenseTimes(
                license = if (times.license.isZero) LicenseDuration.Unknown else times.license,
                playback = if (times.playback.isZero) LicenseDuration.Unknown else times.playback,
            )
        },
    ),
    KeyStatusQuirk(
        what = "the largest number for a license with an end, once it has been played: its end is what it was",
        evidence = "google/ExoPlayer#9493",
        applies = { times, moment, _ ->
            moment == Moment.INSPECTED && times.license == LicenseDuration.Unlimited &&
                times.playback is LicenseDuration.Seconds
        },
        meant = { it.copy(license = LicenseDuration.Unknown) },
    ),
)

private val LicenseDuration.isZero: Boolean get() = this is LicenseDuration.Seconds && seconds == 0L
