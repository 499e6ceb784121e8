package dev.larder.media3.support

import dev.larder.support.Media
import java.io.File

/** Joins one of the testkit's tracks to one file, which Media3 plays without a module for manifests. */
fun film(folder: File, track: String = "dash-cenc/video-234"): File {
    val parts = Media.folder.resolve(track)
    val film = folder.resolve(track.replace('/', '-') + ".mp4")
    film.outputStream().use { to ->
        listOf("init.mp4", "1.m4s", "2.m4s", "3.m4s").forEach { part ->
            parts.resolve(part).inputStream().use { it.copyTo(to) }
        }
    }
    return film
}

/** The Widevine box of [film]'s init segment, which requests a license. */
val widevineBox: ByteArray by lazy {
    val init = Media.folder.resolve("dash-cenc/video-234/init.mp4").readBytes()
    val systemId = byteArrayOf(-19, -17, -117, -87, 121, -42, 74, -50, -93, -56, 39, -36, -43, 29, 33, -19)
    val at = init.indices.first { start -> systemId.indices.all { init[start + it] == systemId[it] } } - 12
    init.copyOfRange(at, at + java.nio.ByteBuffer.wrap(init, at, 4).int)
}

/** Returns the key status of a license with this remaining time. */
fun lasting(seconds: Long): Map<String, String> = mapOf(
    "LicenseType" to "Offline",
    "PlayAllowed" to if (seconds > 0) "True" else "False",
    "LicenseDurationRemaining" to "$seconds",
    "PlaybackDurationRemaining" to "$seconds",
)

/** The number of samples of [film]: 12 seconds with 24 samples each. */
const val SAMPLES = 288
