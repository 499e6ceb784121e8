package dev.larder.media3.support

import android.net.Uri
import androidx.media3.common.StreamKey
import androidx.media3.database.StandaloneDatabaseProvider
import androidx.media3.datasource.ByteArrayDataSource
import androidx.media3.datasource.DataSpec
import androidx.media3.datasource.cache.CacheDataSource
import androidx.media3.datasource.cache.CacheWriter
import androidx.media3.datasource.cache.ContentMetadataMutations
import androidx.media3.datasource.cache.NoOpCacheEvictor
import androidx.media3.datasource.cache.SimpleCache
import androidx.media3.exoplayer.offline.DefaultDownloadIndex
import androidx.media3.exoplayer.offline.Download
import androidx.media3.exoplayer.offline.DownloadRequest
import org.robolectric.RuntimeEnvironment
import java.io.File

/** Downloads that an app has made with Media3, in a real index and a real cache. */
class TestDownloads(folder: File) : AutoCloseable {
    private val database = StandaloneDatabaseProvider(RuntimeEnvironment.getApplication())
    val cache = SimpleCache(folder, NoOpCacheEvictor(), database)
    val index = DefaultDownloadIndex(database)

    fun add(
        id: String,
        url: String,
        bytes: ByteArray,
        mimeType: String? = null,
        keySetId: String? = null,
        state: Int = Download.STATE_COMPLETED,
        keys: List<StreamKey> = emptyList(),
    ) {
        fill(url, bytes)
        val request = request(id, url, mimeType).setKeySetId(keySetId?.encodeToByteArray()).setStreamKeys(keys)
        put(request.build(), state)
    }

    /** Adds a download that only the index calls complete. */
    fun addWithoutMedia(id: String, url: String, mimeType: String? = null): Unit =
        put(request(id, url, mimeType).build(), Download.STATE_COMPLETED)

    /** Cuts the cached media of a download, as a cache that has lost the rest. */
    fun cut(url: String, bytes: ByteArray, left: Long) {
        cache.getCachedSpans(url).forEach(cache::removeSpan)
        fill(url, bytes, DataSpec.Builder().setPosition(0).setLength(left))
    }

    /** Lets the cache know that [url] was answered by [by]. */
    fun redirect(url: String, by: String) {
        val mutations = ContentMetadataMutations()
        ContentMetadataMutations.setRedirectedUri(mutations, Uri.parse(by))
        cache.applyContentMetadataMutations(url, mutations)
    }

    private fun fill(url: String, bytes: ByteArray, which: DataSpec.Builder = DataSpec.Builder()) {
        val sink = CacheDataSource.Factory().setCache(cache).setUpstreamDataSourceFactory { ByteArrayDataSource(bytes) }
        CacheWriter(sink.createDataSource(), which.setUri(url).build(), null, null).cache()
    }

    private fun request(id: String, url: String, mimeType: String?) = DownloadRequest.Builder(id, Uri.parse(url))
        .setMimeType(mimeType)
        .setData("the app's own".encodeToByteArray())

    private fun put(request: DownloadRequest, state: Int) {
        val stopReason = if (state == Download.STATE_STOPPED) 1 else 0
        index.putDownload(Download(request, state, 0, 0, 1, stopReason, 0))
    }

    override fun close() {
        cache.release()
        database.close()
    }
}
