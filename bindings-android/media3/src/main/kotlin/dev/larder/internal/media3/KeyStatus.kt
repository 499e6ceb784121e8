package dev.larder.internal.media3

import dev.larder.Expiry
import dev.larder.LocalLicense
import java.util.Locale

/**
 * Returns a CDM's key status with remaining times that Media3 understands: seconds, and [Long.MAX_VALUE] for no limit.
 *
 * Media3 takes a missing time, or one that is no number, for an expired license. Some devices report 0 or "00" for an unlimited
 * license (google/ExoPlayer#3150); the expiry in the registry decides there.
 *
 * If this function passes a license that has expired, the CDM refuses to decrypt with it.
 */
internal fun normalizedKeyStatus(status: Map<String, String>, license: LocalLicense): Map<String, String> {
    val mayPlay = status["PlayAllowed"]?.lowercase(Locale.ROOT) == "true"
    return status + remainingTimes.associateWith { remaining(status[it], license.expires, mayPlay).toString() }
}

private fun remaining(reported: String?, expires: Expiry, mayPlay: Boolean): Long {
    val seconds = reported?.trim()?.toLongOrNull() ?: return Long.MAX_VALUE
    if (seconds > 0) return seconds
    return when (expires) {
        Expiry.Never -> Long.MAX_VALUE

        Expiry.Unknown -> if (mayPlay) Long.MAX_VALUE else 0

        // The license is limited, so 0 means that it has expired, or that its playback window is over.
        is Expiry.At -> 0
    }
}

private val remainingTimes = listOf("LicenseDurationRemaining", "PlaybackDurationRemaining")
