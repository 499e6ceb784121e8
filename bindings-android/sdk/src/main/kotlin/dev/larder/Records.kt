@file:JvmName("Records")

package dev.larder

// For Java, which has no default arguments: the records that an app makes, with what is usually said. Kotlin uses the
// records' own constructors.

/** A remote source. [drm] is empty for clear media; a format of `null` is found in the media. */
@JvmOverloads
public fun mediaSource(
    id: String,
    url: String,
    drm: List<DrmParams> = emptyList(),
    format: MediaFormat? = null,
): MediaSource = MediaSource(id, url, format, drm)

/** How to get licenses of one key system. */
@JvmOverloads
public fun drmParams(
    scheme: DrmScheme,
    licenseUrl: String,
    renewal: RenewalPolicy = RenewalPolicy.ACQUIRE_THEN_RELEASE,
    wire: LicenseWire = LicenseWire.STANDARD,
): DrmParams = DrmParams(scheme, licenseUrl, wire = wire, renewal = renewal)

/** What an app registers. See [LocalAssetsManager.registerAsset]. */
@JvmOverloads
public fun registration(
    assetId: String,
    path: String,
    source: MediaSource,
    entryId: String? = null,
    metadata: ByteArray? = null,
): AssetRegistration = AssetRegistration(assetId, path, source, entryId, metadata)
