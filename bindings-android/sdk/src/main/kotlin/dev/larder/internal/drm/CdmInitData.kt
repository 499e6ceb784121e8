package dev.larder.internal.drm

import android.os.Build
import dev.larder.DrmScheme
import dev.larder.KeyRequest
import dev.larder.LarderException
import java.nio.ByteBuffer
import java.util.UUID

/** The UUIDs of the CDMs, which are also the system ids in PSSH boxes. */
internal object SystemId {
    val WIDEVINE: UUID = UUID.fromString("edef8ba9-79d6-4ace-a3c8-27dcd51d21ed")
    val PLAY_READY: UUID = UUID.fromString("9a04f079-9840-4286-ab92-e65be0885f95")
    val CLEAR_KEY: UUID = UUID.fromString("e2719d58-a985-b3c9-781a-b030af78d30e")

    /** The system id of the W3C's common PSSH box, which lists key ids for every key system. */
    val COMMON: UUID = UUID.fromString("1077efec-c0b2-4d02-ace3-3c1e52e2fb4b")

    fun of(scheme: DrmScheme): UUID = when (scheme) {
        DrmScheme.WIDEVINE -> WIDEVINE

        DrmScheme.PLAY_READY -> PLAY_READY

        DrmScheme.CLEAR_KEY -> CLEAR_KEY

        DrmScheme.FAIR_PLAY ->
            throw LarderException(LarderException.Code.DRM_UNSUPPORTED, "no Android device has a CDM for FairPlay")
    }

    /** Returns the UUID to open a `MediaDrm` with. Below API 27 the framework knows ClearKey by the common box's id only. */
    fun forMediaDrm(uuid: UUID, sdkInt: Int = Build.VERSION.SDK_INT): UUID =
        if (uuid == CLEAR_KEY && sdkInt < Build.VERSION_CODES.O_MR1) COMMON else uuid
}

/** Makes the init data and its type for a CDM. Both differ between Android's versions. */
internal object CdmInitData {
    fun of(request: KeyRequest, uuid: UUID, sdkInt: Int): Pair<ByteArray, String> =
        if (request.scheme == DrmScheme.CLEAR_KEY) {
            // Larder's request has key ids. The framework's ClearKey needs a common PSSH box for every media format.
            commonBox(request.keyIds) to
                (if (sdkInt < Build.VERSION_CODES.O && request.mime.endsWith("/mp4")) "cenc" else request.mime)
        } else {
            boxesFor(uuid, request.initData, sdkInt) to request.mime
        }

    /**
     * Returns the boxes of this system: all of them from API 28 on, one box below, of version 1 if there is one. Data without
     * a box of this system is passed unchanged: a vendor's CDM may understand it.
     */
    private fun boxesFor(uuid: UUID, initData: ByteArray, sdkInt: Int): ByteArray {
        val ours = pssh(initData).orEmpty().filter { it.systemId == uuid }
        return when {
            ours.isEmpty() -> initData
            sdkInt >= Build.VERSION_CODES.P -> ours.map { it.bytes }.reduce(ByteArray::plus)
            else -> (ours.firstOrNull { it.version == 1 } ?: ours.first()).bytes
        }
    }

    private class Pssh(val version: Int, val systemId: UUID, val bytes: ByteArray)

    /** Parses boxes by ISO/IEC 23001-7, 8.1: size, `pssh`, version and flags, system id. `null` for other data. */
    private fun pssh(initData: ByteArray): List<Pssh>? {
        val found = mutableListOf<Pssh>()
        var at = 0
        while (at < initData.size) {
            if (initData.size - at < PSSH_HEADER_BYTES) return null
            val box = ByteBuffer.wrap(initData, at, PSSH_HEADER_BYTES)
            val size = box.int
            if (size < PSSH_HEADER_BYTES || size > initData.size - at || box.int != PSSH_TYPE) return null
            val version = box.int ushr 24
            found += Pssh(version, UUID(box.long, box.long), initData.copyOfRange(at, at + size))
            at += size
        }
        return found
    }

    private fun commonBox(keyIds: List<String>): ByteArray {
        val size = PSSH_HEADER_BYTES + 4 + 16 * keyIds.size + 4
        val box = ByteBuffer.allocate(size).putInt(size).putInt(PSSH_TYPE).putInt(1 shl 24)
        box.putLong(SystemId.COMMON.mostSignificantBits).putLong(SystemId.COMMON.leastSignificantBits)
        box.putInt(keyIds.size)
        for (keyId in keyIds) {
            box.putLong(keyId.take(16).toULong(16).toLong())
            box.putLong(keyId.drop(16).toULong(16).toLong())
        }
        return box.putInt(0).array()
    }

    private const val PSSH_HEADER_BYTES = 28
    private const val PSSH_TYPE = 0x70737368
}
