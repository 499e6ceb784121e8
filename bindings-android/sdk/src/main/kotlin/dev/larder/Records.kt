@file:JvmName("Records")

package dev.larder

// Java has no default arguments: these functions make the records that an app needs, with defaults. Kotlin uses the
// constructors of the records.

/** Makes a remote source. [drm] is empty for clear media; Larder detects a [format] of `null` from the media. */
@JvmOverloads
public fun mediaSource(
    id: String,
    url: String,
    drm: List<DrmParams> = emptyList(),
    format: MediaFormat? = null,
): MediaSource = MediaSource(id, url, format, drm)

/** Makes the parameters for licenses of one key system. */
@JvmOverloads
public fun drmParams(
    scheme: DrmScheme,
    licenseUrl: String,
    renewal: RenewalPolicy = RenewalPolicy.ACQUIRE_THEN_RELEASE,
    wire: LicenseWire = LicenseWire.STANDARD,
): DrmParams = DrmParams(scheme, licenseUrl, wire = wire, renewal = renewal)

/** Makes a registration for [LocalAssetsManager.registerAsset]. */
@JvmOverloads
public fun registration(
    assetId: String,
    path: String,
    source: MediaSource,
    entryId: String? = null,
    metadata: ByteArray? = null,
): AssetRegistration = AssetRegistration(assetId, path, source, entryId, metadata)
