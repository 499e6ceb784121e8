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
import dev.larder.DrmScheme
import dev.larder.Expiry
import dev.larder.ImportedAsset
import dev.larder.ImportedLicense
import dev.larder.MediaFormat
import dev.larder.MediaSource
import dev.larder.Registration
import java.io.File
import java.io.IOException

/**
 * Reads what an app has downloaded with Media3 by itself, to register it with the licences that it has. No network is used
 * and nothing of Media3's is changed: the segments stay in its cache and its index stays as it is.
 *
 * ```
 * val import = DownloadIndexImport(downloadManager.downloadIndex, cache, File(filesDir, "imported"))
 * manager.importAssets(import.read())
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
     * Every download that is complete, ready for `LocalAssetsManager.importAssets`. Its id is the asset's; what the app
     * stored with it is the asset's metadata.
     *
     * @throws IOException if the index or the cache cannot be read, or the folder not written.
     */
    @WorkerThread
    @Throws(IOException::class)
    public fun read(): List<ImportedAsset> = index.getDownloads(Download.STATE_COMPLETED).use { downloads ->
        buildList {
            while (downloads.moveToNext()) add(importOf(downloads.download.request))
        }
    }

    private fun importOf(request: DownloadRequest): ImportedAsset {
        val format = request.format
        val path = CachedMediaExport(cache, folder).export(request, format).path
        val source = describe.describe(request).let { if (it.format == null) it.copy(format = format) else it }
        val metadata = request.data.takeIf { it.isNotEmpty() }
        return ImportedAsset(
            Registration(request.id, path, source, metadata = metadata),
            // Media3 does not keep what the licence was asked for with; the media says it.
            listOfNotNull(request.keySetId).map { ImportedLicense(scheme, it, initData = null, expires = Expiry.Unknown) },
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
        else -> MediaFormat.MP4
    }
