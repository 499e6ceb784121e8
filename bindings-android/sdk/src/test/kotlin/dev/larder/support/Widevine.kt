package dev.larder.support

import dev.larder.DrmParams
import dev.larder.DrmScheme
import dev.larder.KeyRequest
import dev.larder.MediaSource
import dev.larder.RenewalPolicy
import dev.larder.SecurityLevel
import dev.larder.StoredLicense
import java.nio.ByteBuffer
import java.util.UUID

/** Makes Larder's request to an engine for a Widevine title with these keys. */
fun widevineRequest(
    kids: List<String> = listOf(KID_A),
    level: SecurityLevel = SecurityLevel.DEFAULT,
    initData: ByteArray = psshBox(WIDEVINE_SYSTEM, kids),
) = KeyRequest(DrmScheme.WIDEVINE, initData, kids, "video/mp4", null, level)

fun stored(handle: ByteArray, request: KeyRequest = widevineRequest()) =
    StoredLicense("license", request.scheme, handle, request)

/** Makes a box, which lists its key ids in version 1. */
fun psshBox(system: String, kids: List<String>, version: Int = 1, data: ByteArray = ByteArray(0)): ByteArray {
    val id = UUID.fromString(system)
    val size = 28 + (if (version == 1) 4 + 16 * kids.size else 0) + 4 + data.size
    val box = ByteBuffer.allocate(size).putInt(size).put("pssh".toByteArray()).putInt(version shl 24)
    box.putLong(id.mostSignificantBits).putLong(id.leastSignificantBits)
    if (version == 1) {
        box.putInt(kids.size)
        for (kid in kids) box.put(VirtualWire.bytes(kid))
    }
    return box.putInt(data.size).put(data).array()
}

const val WIDEVINE_SYSTEM = "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"
const val PLAY_READY_SYSTEM = "9a04f079-9840-4286-ab92-e65be0885f95"
const val COMMON_SYSTEM = "1077efec-c0b2-4d02-ace3-3c1e52e2fb4b"
const val KID_A = "6f651ae1dbe44434bcb4690d1564c41c"
const val KID_B = "0294b9599d755de2bbf0fdca3fa5eab7"

/** Makes the source of a Widevine title on the test servers; [query] sets its license terms. */
fun widevineSource(servers: TestServers, query: String = "", renewal: RenewalPolicy = RenewalPolicy.ACQUIRE_THEN_RELEASE) =
    MediaSource(
        id = "dash",
        url = servers.url("/media/dash-cenc/manifest.mpd"),
        drm = listOf(DrmParams(DrmScheme.WIDEVINE, servers.url("/widevine/license$query"), renewal = renewal)),
    )
