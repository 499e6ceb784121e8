package dev.larder.internal.media3

import androidx.annotation.OptIn
import androidx.media3.common.C
import androidx.media3.common.DrmInitData
import androidx.media3.common.util.UnstableApi
import androidx.media3.extractor.mp4.PsshAtomUtil
import dev.larder.DrmScheme
import dev.larder.LarderException
import dev.larder.LocalLicense
import dev.larder.Remedy
import java.util.UUID

/**
 * The license for a format: the one that was asked for with the same init data, else the one that was asked for the same
 * keys, else the only one of a scheme that the format has.
 *
 * @throws LarderException `LICENSE_MISSING`, `LICENSE_KEYS_MISSING` or `DRM_UNSUPPORTED`.
 */
@OptIn(UnstableApi::class)
internal fun chooseLicense(licenses: List<LocalLicense>, initData: DrmInitData): LocalLicense {
    if (licenses.isEmpty()) {
        throw LarderException(
            LarderException.Code.LICENSE_MISSING,
            "the media is protected and the asset was registered without a license",
            Remedy.REREGISTER,
        )
    }
    val wanted = List(initData.schemeDataCount, initData::get)
    val candidates = licenses.filter { license -> wanted.any { it.isFor(license.scheme) } }
    if (candidates.isEmpty()) {
        throw LarderException(
            LarderException.Code.DRM_UNSUPPORTED,
            "the media has no init data for the scheme of its licenses",
            Remedy.FIX_INPUT,
        )
    }
    return candidates.firstOrNull { license -> wanted.any { license.wasAskedForWith(it) } }
        ?: candidates.firstOrNull { license -> wanted.any { license.hasKeysOf(it) } }
        // The media was packed again with other boxes, or its boxes name no keys.
        ?: candidates.singleOrNull()
        ?: throw LarderException(
            LarderException.Code.LICENSE_KEYS_MISSING,
            "none of the asset's ${candidates.size} licenses was asked for with this track's init data",
            Remedy.REREGISTER,
        )
}

@OptIn(UnstableApi::class)
private fun LocalLicense.wasAskedForWith(data: DrmInitData.SchemeData): Boolean =
    data.isFor(scheme) && data.data?.let { initData.contains(it) } == true

@OptIn(UnstableApi::class)
private fun LocalLicense.hasKeysOf(data: DrmInitData.SchemeData): Boolean {
    if (!data.isFor(scheme)) return false
    val wanted = data.data?.let { PsshAtomUtil.parsePsshAtom(it) }?.keyIds ?: return false
    return wanted.isNotEmpty() && keyIds.containsAll(wanted.map(UUID::toKeyId))
}

// ClearKey is asked for with the box that all systems share.
@OptIn(UnstableApi::class)
private fun DrmInitData.SchemeData.isFor(scheme: DrmScheme): Boolean =
    matches(scheme.uuid) || (scheme == DrmScheme.CLEAR_KEY && matches(C.COMMON_PSSH_UUID))

private fun UUID.toKeyId(): String = toString().replace("-", "")

/** Init data may be several boxes one after the other, of which a format has one. */
private fun ByteArray.contains(other: ByteArray): Boolean {
    if (other.isEmpty() || other.size > size) return false
    return (0..size - other.size).any { start -> other.indices.all { this[start + it] == other[it] } }
}
