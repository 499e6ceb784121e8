package dev.larder.media3

import androidx.annotation.OptIn
import androidx.annotation.WorkerThread
import androidx.media3.common.C
import androidx.media3.common.util.UnstableApi
import androidx.media3.common.util.Util
import androidx.media3.datasource.DataSource
import androidx.media3.datasource.FileDataSource
import androidx.media3.datasource.cache.Cache
import androidx.media3.datasource.cache.CacheDataSource
import androidx.media3.exoplayer.offline.Download
import androidx.media3.exoplayer.offline.DownloadIndex
import androidx.media3.exoplayer.offline.DownloadRequest
import dev.larder.AssetImport
import dev.larder.AssetRegistration
import dev.larder.DrmScheme
import dev.larder.Expiry
import dev.larder.LarderException
import dev.larder.LicenseImport
import dev.larder.MediaFormat
import dev.larder.MediaSource
import dev.larder.Remedy
import dev.larder.internal.media3.CachedMediaExport
import java.io.File
import java.io.IOException

/**
 * Reads what an app has downloaded with Media3 by itself, to register it with the licenses that it has. No network is used
 * and nothing of Media3's is changed: the segments stay in its cache and its index stays as it is.
 *
 * ```
 * val downloads = DownloadIndexImport(downloadManager.downloadIndex, cache, File(filesDir, "imported")).read()
 * val outcome = manager.importAssets(downloads.mapNotNull { it.asset })
 * downloads.forEach { download -> download.error?.let { log(download.assetId, it.code, it.remedy) } }
 * ```
 * Doing it again changes nothing. Afterwards each asset has a status, can be renewed if [describe] gave its DRM parameters,
 * and plays through [cachedMedia].
 *
 * @param index the app's, for example `DownloadManager.getDownloadIndex()`.
 * @param cache where the downloads lie.
 * @param folder absolute, below one of the manager's roots; made when missing. It gets the manifest of each download, with
 *   the URLs of its segments made absolute, which is how they are found in the cache; of a progressive download it gets the
 *   media itself, which may then be removed from Media3.
 * @param scheme what the downloads' key set ids are for.
 * @param describe what each download is a copy of: its remote URL, and the DRM parameters for a later renewal.
 */
@OptIn(UnstableApi::class)
public class DownloadIndexImport @JvmOverloads constructor(
    private val index: DownloadIndex,
    private val cache: Cache,
    private val folder: File,
    private val scheme: DrmScheme = DrmScheme.WIDEVINE,
    private val describe: DownloadDescription = DownloadDescription { MediaSource(it.id, it.uri.toString()) },
) {
    /**
     * One answer per download that Media3 calls complete, in the index's order: a failure does not stop the rest. What could
     * be read is ready for `LocalAssetsManager.importAssets`: the download's id is the asset's, and what the app stored with
     * it is the asset's metadata.
     *
     * @throws LarderException `STORE_UNAVAILABLE` if the index cannot be read; then nothing was.
     */
    @WorkerThread
    public fun read(): List<DownloadImport> = try {
        index.getDownloads(Download.STATE_COMPLETED).use { downloads ->
            buildList {
                while (downloads.moveToNext()) add(read(downloads.download.request))
            }
        }
    } catch (e: IOException) {
        throw LarderException(
            LarderException.Code.STORE_UNAVAILABLE,
            "Media3's download index cannot be read",
            Remedy.RETRY,
            isRetryable = true,
        ).apply { initCause(e) }
    }

    private fun read(request: DownloadRequest): DownloadImport = try {
        DownloadImport(request.id, importOf(request), error = null)
    } catch (e: LarderException) {
        DownloadImport(request.id, asset = null, e)
    }

    private fun importOf(request: DownloadRequest): AssetImport {
        val format = request.format
        val path = CachedMediaExport(cache, folder).export(request, format).path
        val source = described(request).let { if (it.format == null) it.copy(format = format) else it }
        val metadata = request.data.takeIf { it.isNotEmpty() }
        return AssetImport(
            AssetRegistration(request.id, path, source, metadata = metadata),
            // Media3 does not keep what the license was asked for with; the media says it.
            listOfNotNull(request.keySetId).map { LicenseImport(scheme, it, initData = null, expires = Expiry.Unknown) },
        )
    }

    // The app's own code, which may throw anything; its message may hold a URL.
    private fun described(request: DownloadRequest): MediaSource = try {
        describe.describe(request)
    } catch (e: LarderException) {
        throw e
    } catch (e: Exception) {
        throw LarderException(
            LarderException.Code.DELEGATE_FAILED,
            "the description of a download threw ${e.javaClass.name}",
            Remedy.FIX_INPUT,
        )
    }

    public companion object {
        /** Reads imported manifests from their files, and their segments from Media3's cache; never the network. */
        @JvmStatic
        public fun cachedMedia(cache: Cache): DataSource.Factory = CacheDataSource.Factory()
            .setCache(cache)
            .setCacheWriteDataSinkFactory(null)
            .setUpstreamDataSourceFactory(FileDataSource.Factory())
    }
}

/**
 * What reading one download came to: an [asset] or an [error].
 *
 * @property assetId the download's id.
 * @property asset what can be imported; `null` if it could not be read.
 * @property error why not, `null` if it could. `MEDIA_NOT_FOUND`: the cache does not hold all of it, so download it again.
 *   `MANIFEST_INVALID`, `FORMAT_UNSUPPORTED`: it is no DASH, HLS or MP4. `DISK_FULL`, `MEDIA_UNREADABLE`: the folder for
 *   what is imported cannot be written. `DELEGATE_FAILED`: its [DownloadDescription] failed.
 */
public class DownloadImport internal constructor(
    public val assetId: String,
    public val asset: AssetImport?,
    public val error: LarderException?,
)

/** Says what a download is a copy of. */
@OptIn(UnstableApi::class)
public fun interface DownloadDescription {
    /** Its remote source, with DRM parameters if it is to be renewed. */
    public fun describe(request: DownloadRequest): MediaSource
}

@OptIn(UnstableApi::class)
private val DownloadRequest.format: MediaFormat
    get() = when (Util.inferContentTypeForUriAndMimeType(uri, mimeType)) {
        C.CONTENT_TYPE_DASH -> MediaFormat.DASH

        C.CONTENT_TYPE_HLS -> MediaFormat.HLS

        C.CONTENT_TYPE_OTHER -> MediaFormat.MP4

        else -> throw LarderException(
            LarderException.Code.FORMAT_UNSUPPORTED,
            "a download that is neither DASH nor HLS nor one file",
            Remedy.FIX_INPUT,
        )
    }
