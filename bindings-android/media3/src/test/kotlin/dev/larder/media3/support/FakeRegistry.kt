package dev.larder.media3.support

import dev.larder.AssetCatalog
import dev.larder.AssetInfo
import dev.larder.DrmScheme
import dev.larder.Expiry
import dev.larder.LarderException
import dev.larder.LicenseTimes
import dev.larder.LocalLicense
import dev.larder.LocalMediaSource
import dev.larder.LocalPlayback
import dev.larder.MediaFormat
import dev.larder.Remedy
import dev.larder.SecurityLevel
import dev.larder.SourceURLProvider
import dev.larder.SourceUrlMode
import dev.larder.SourceUrlOrder
import java.io.File
import java.util.concurrent.CopyOnWriteArrayList

/** A registry whose answers the test sets: for licenses that no server of the testkit grants. */
class FakeRegistry :
    LocalPlayback,
    AssetCatalog {
    private val sources = LinkedHashMap<String, LocalMediaSource>()
    private val handles = HashMap<String, ByteArray>()

    /** The assets with a reported playback. */
    val played = CopyOnWriteArrayList<String>()

    /** The result of [sourceUrl]. */
    @Volatile
    var url: String? = null

    /** The exception that [playbackStarted] throws once. */
    @Volatile
    var reportFailure: LarderException? = null

    fun put(assetId: String, media: File, vararg licenses: Pair<LocalLicense, ByteArray?>): LocalMediaSource {
        val source = LocalMediaSource(
            assetId,
            "entry-of-$assetId",
            media.toURI().toString(),
            MediaFormat.MP4,
            true,
            licenses.map { it.first },
        )
        licenses.forEach { (license, handle) -> if (handle != null) handles[license.licenseId] = handle }
        sources[assetId] = source
        return source
    }

    override fun localMediaSource(assetId: String, localAssetPath: String?): LocalMediaSource =
        sources[assetId] ?: throw LarderException(LarderException.Code.ASSET_NOT_FOUND, "unknown", Remedy.REREGISTER)

    override fun licenseHandle(licenseId: String): ByteArray =
        handles[licenseId] ?: throw LarderException(LarderException.Code.LICENSE_MISSING, "no handle", Remedy.REREGISTER)

    override fun playbackStarted(assetId: String, atMs: Long) {
        reportFailure?.let {
            reportFailure = null
            throw it
        }
        played += assetId
    }

    override fun sourceUrl(entryId: String, currentUrl: String?): String? = url

    override val sourceURLProvider: SourceURLProvider = SourceURLProvider { url }

    override fun assetsOfEntry(entryId: String): List<AssetInfo> = assets().filter { it.entryId == entryId }

    override fun assets(): List<AssetInfo> = sources.values.map {
        AssetInfo(it.assetId, it.entryId, it.url, null, it.format, it.licenses.isNotEmpty(), 0)
    }

    override fun asset(assetId: String) = assets().find { it.assetId == assetId }

    override fun assetAt(path: String) = throw UnsupportedOperationException()

    override fun metadata(assetId: String) = throw UnsupportedOperationException()

    override fun getLocalMediaSource(assetId: String, localAssetPath: String) = throw UnsupportedOperationException()

    override fun licenseHandleChanged(licenseId: String, handle: ByteArray, times: LicenseTimes) =
        throw UnsupportedOperationException()

    override fun setSourceUrlMode(mode: SourceUrlMode, order: SourceUrlOrder) = throw UnsupportedOperationException()
}

/** Makes a Widevine license for init data. */
fun widevine(
    id: String,
    initData: ByteArray,
    keyIds: List<String> = emptyList(),
    level: SecurityLevel = SecurityLevel.DEFAULT,
    expires: Expiry = Expiry.Unknown,
    acquiredLevel: String? = null,
) = LocalLicense(id, DrmScheme.WIDEVINE, keyIds, initData, level, expires, acquiredLevel)
