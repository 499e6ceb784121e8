package dev.larder.internal.media3

import dev.larder.Expiry
import dev.larder.LocalLicense
import java.util.Locale

/**
 * What a CDM says of a license, with its remaining times in the form that Media3 understands: seconds, and no end as
 * [Long.MAX_VALUE]. Media3 takes a missing time, or one that is no number, for the end; and there are devices that say 0 or
 * "00" of a license that has no end (google/ExoPlayer#3150), where only the registry knows better.
 *
 * A license that is let through here and has ended all the same is refused by the CDM when it is to decrypt.
 */
internal fun normalizedKeyStatus(status: Map<String, String>, license: LocalLicense): Map<String, String> {
    val mayPlay = status["PlayAllowed"]?.lowercase(Locale.ROOT) == "true"
    return status + remainingTimes.associateWith { remaining(status[it], license.expires, mayPlay).toString() }
}

private fun remaining(said: String?, expires: Expiry, mayPlay: Boolean): Long {
    val seconds = said?.trim()?.toLongOrNull() ?: return Long.MAX_VALUE
    if (seconds > 0) return seconds
    return when (expires) {
        Expiry.Never -> Long.MAX_VALUE

        Expiry.Unknown -> if (mayPlay) Long.MAX_VALUE else 0

        // It does have an end, so this is it; or the playback window's, which comes earlier.
        is Expiry.At -> 0
    }
}

private val remainingTimes = listOf("LicenseDurationRemaining", "PlaybackDurationRemaining")
