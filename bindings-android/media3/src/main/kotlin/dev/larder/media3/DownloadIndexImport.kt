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
import dev.larder.internal.media3.CachedMediaExport
import java.io.File
import java.io.IOException

/**
 * Reads the downloads that an app has made with Media3, to register them with their licenses. Uses no network, and changes
 * neither Media3's cache nor its index.
 *
 * ```
 * val downloads = DownloadIndexImport(downloadManager.downloadIndex, cache, File(filesDir, "imported")).read()
 * val outcome = manager.importAssets(downloads.mapNotNull { it.asset })
 * downloads.forEach { download -> download.error?.let { log(download.assetId, it.code, it.remedy) } }
 * ```
 * Idempotent. After the import each asset has a status and plays through [cachedMedia]. Larder can renew it if [describe]
 * returned its DRM parameters.
 *
 * @param index the app's download index, for example `DownloadManager.getDownloadIndex()`.
 * @param cache the cache with the downloads.
 * @param folder the absolute path of a folder below one of the manager's roots. Created if it is missing. For each download it
 *   gets the manifest with absolute segment URLs, which are the keys of the segments in the cache. For a progressive download it
 *   gets the media itself, which the app may then remove from Media3.
 * @param scheme the DRM scheme of the downloads' key set ids.
 * @param describe returns the remote source of each download, with DRM parameters for a later renewal.
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
     * Reads every completed download, in the order of the index. A failure does not stop the rest: there is one result per
     * download. A readable download is ready for `LocalAssetsManager.importAssets`: its id is the asset id, and the data that
     * the app stored with it is the asset's metadata.
     *
     * @throws LarderException `STORE_UNAVAILABLE` if the index cannot be read: try again later.
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
            "Media3's download index cannot be read: try again later",
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
            // Media3 does not store the init data of a license. Larder finds it in the media.
            listOfNotNull(request.keySetId).map { LicenseImport(scheme, it, initData = null, expires = Expiry.Unknown) },
        )
    }

    // The app's code may throw any exception, whose message may contain a URL.
    private fun described(request: DownloadRequest): MediaSource = try {
        describe.describe(request)
    } catch (e: LarderException) {
        throw e
    } catch (e: Exception) {
        throw LarderException(
            LarderException.Code.DELEGATE_FAILED,
            "the description of a download threw ${e.javaClass.name}",
        )
    }

    public companion object {
        /** Returns a data source that reads imported manifests from their files and segments from Media3's cache, without network. */
        @JvmStatic
        public fun cachedMedia(cache: Cache): DataSource.Factory = CacheDataSource.Factory()
            .setCache(cache)
            .setCacheWriteDataSinkFactory(null)
            .setUpstreamDataSourceFactory(FileDataSource.Factory())
    }
}

/**
 * The result of reading one download: an [asset] or an [error].
 *
 * @property assetId the id of the download.
 * @property asset the asset to import; `null` if the download could not be read.
 * @property error the reason of a failure; `null` if the download was read. `MEDIA_NOT_FOUND`: the cache does not contain the
 *   whole download, so download it again. `MANIFEST_INVALID`, `FORMAT_UNSUPPORTED`: it is not DASH, HLS or MP4. `DISK_FULL`,
 *   `MEDIA_UNREADABLE`: the folder for the import cannot be written. `DELEGATE_FAILED`: the [DownloadDescription] failed.
 */
public class DownloadImport internal constructor(
    public val assetId: String,
    public val asset: AssetImport?,
    public val error: LarderException?,
)

/** Describes the remote source of a download. */
@OptIn(UnstableApi::class)
public fun interface DownloadDescription {
    /** Returns the remote source of a download, with DRM parameters if Larder shall renew its licenses. */
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
            "the download is neither DASH nor HLS nor a single file",
        )
    }
