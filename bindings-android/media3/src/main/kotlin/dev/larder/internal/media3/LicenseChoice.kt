package dev.larder.internal.media3

import androidx.annotation.OptIn
import androidx.media3.common.C
import androidx.media3.common.DrmInitData
import androidx.media3.common.util.UnstableApi
import androidx.media3.extractor.mp4.PsshAtomUtil
import dev.larder.DrmScheme
import dev.larder.LarderException
import dev.larder.LocalLicense
import java.util.UUID

/**
 * Returns the license for a format: the one that was requested with the same init data, else the one that has the same keys,
 * else the only one of a scheme of the format.
 *
 * @throws LarderException `LICENSE_MISSING` if no license fits: register the asset again. `DRM_UNSUPPORTED` if the format has no
 *   init data for the scheme of the licenses.
 */
@OptIn(UnstableApi::class)
internal fun chooseLicense(licenses: List<LocalLicense>, initData: DrmInitData): LocalLicense {
    if (licenses.isEmpty()) {
        throw LarderException(
            LarderException.Code.LICENSE_MISSING,
            "the media is protected and the asset was registered without a license: register again",
        )
    }
    val wanted = List(initData.schemeDataCount, initData::get)
    val candidates = licenses.filter { license -> wanted.any { it.isFor(license.scheme) } }
    if (candidates.isEmpty()) {
        throw LarderException(
            LarderException.Code.DRM_UNSUPPORTED,
            "the media has no init data for the scheme of its licenses",
        )
    }
    return candidates.firstOrNull { license -> wanted.any { license.wasRequestedWith(it) } }
        ?: candidates.firstOrNull { license -> wanted.any { license.hasKeysOf(it) } }
        // The media was packaged again with other boxes, or its boxes list no key ids.
        ?: candidates.singleOrNull()
        ?: throw LarderException(
            LarderException.Code.LICENSE_MISSING,
            "none of the asset's ${candidates.size} licenses was requested with this track's init data: register again",
        )
}

@OptIn(UnstableApi::class)
private fun LocalLicense.wasRequestedWith(data: DrmInitData.SchemeData): Boolean =
    data.isFor(scheme) && data.data?.let { initData.contains(it) } == true

@OptIn(UnstableApi::class)
private fun LocalLicense.hasKeysOf(data: DrmInitData.SchemeData): Boolean {
    if (!data.isFor(scheme)) return false
    val wanted = data.data?.let { PsshAtomUtil.parsePsshAtom(it) }?.keyIds ?: return false
    return wanted.isNotEmpty() && keyIds.containsAll(wanted.map(UUID::toKeyId))
}

// Licenses of ClearKey are requested with the common box.
@OptIn(UnstableApi::class)
private fun DrmInitData.SchemeData.isFor(scheme: DrmScheme): Boolean =
    matches(scheme.uuid) || (scheme == DrmScheme.CLEAR_KEY && matches(C.COMMON_PSSH_UUID))

private fun UUID.toKeyId(): String = toString().replace("-", "")

/** Returns true if this contains [other]: init data may be a sequence of boxes, of which a format has one. */
private fun ByteArray.contains(other: ByteArray): Boolean {
    if (other.isEmpty() || other.size > size) return false
    return (0..size - other.size).any { start -> other.indices.all { this[start + it] == other[it] } }
}
