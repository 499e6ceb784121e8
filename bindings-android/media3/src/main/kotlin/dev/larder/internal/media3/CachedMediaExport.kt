package dev.larder.internal.media3

import androidx.annotation.OptIn
import androidx.media3.common.util.UnstableApi
import androidx.media3.datasource.DataSource
import androidx.media3.datasource.DataSourceInputStream
import androidx.media3.datasource.DataSpec
import androidx.media3.datasource.cache.Cache
import androidx.media3.datasource.cache.CacheDataSource
import androidx.media3.exoplayer.offline.DownloadRequest
import dev.larder.LarderException
import dev.larder.MediaFormat
import dev.larder.Remedy
import dev.larder.internal.ManifestRewriter
import java.io.File
import java.io.FilterInputStream
import java.io.IOException
import java.io.InputStream
import java.security.MessageDigest

/** Writes what Media3's cache holds of a download's own URL into a file that can be registered. */
@OptIn(UnstableApi::class)
internal class CachedMediaExport(cache: Cache, private val folder: File) {
    // Without an upstream: what is not in the cache is an IOException.
    private val sources = CacheDataSource.Factory().setCache(cache)

    /** Throws [LarderException] alone. */
    fun export(request: DownloadRequest, format: MediaFormat): File = try {
        written(request, format)
    } catch (e: IOException) {
        throw notWritten(e)
    }

    private fun written(request: DownloadRequest, format: MediaFormat): File {
        // An id is data and never becomes a path.
        val file = File(File(folder, digest(request.id)), format.fileName)
        val parent = checkNotNull(file.parentFile)
        if (!parent.isDirectory && !parent.mkdirs() && !parent.isDirectory) throw IOException("the folder cannot be made")
        when (format) {
            MediaFormat.DASH, MediaFormat.HLS -> write(file, manifest(request, format).inputStream())
            MediaFormat.MP4 -> if (!file.exists()) write(file, open(sources.createDataSource(), request))
        }
        return file
    }

    // The cache has the segments of the chosen tracks alone, under the URLs that they were fetched from.
    private fun manifest(request: DownloadRequest, format: MediaFormat): ByteArray {
        val kept = request.streamKeys.map { Triple(it.periodIndex, it.groupIndex, it.streamIndex) }
        val source = sources.createDataSource()
        return open(source, request).use { cached ->
            val bytes = cached.readBytes()
            // References are relative to the URL that answered, which the cache remembers.
            val url = source.uri ?: request.uri
            ManifestRewriter.makeAbsolute(bytes, format, url.toString(), kept.ifEmpty { null })
        }
    }

    private fun open(source: DataSource, request: DownloadRequest): InputStream = CachedBytes(
        DataSourceInputStream(source, DataSpec.Builder().setUri(request.uri).setKey(request.customCacheKey).build()),
    )

    // Another name until it is complete: a file that is there is whole.
    private fun write(file: File, content: InputStream) {
        val unfinished = File(file.path + ".new")
        try {
            content.use { from ->
                unfinished.outputStream().use { to ->
                    from.copyTo(to)
                    to.fd.sync()
                }
            }
            if (!unfinished.renameTo(file)) throw IOException("the file cannot be put in place")
        } finally {
            unfinished.delete()
        }
    }

    private fun digest(id: String): String =
        MessageDigest.getInstance("SHA-256").digest(id.encodeToByteArray()).joinToString("") { "%02x".format(it) }
}

/** Copies the cached bytes. A gap in the cache and a file that cannot be written are different errors. */
private class CachedBytes(from: InputStream) : FilterInputStream(from) {
    override fun read(): Int = present { super.read() }

    override fun read(into: ByteArray, offset: Int, length: Int): Int = present { super.read(into, offset, length) }

    private inline fun <T> present(read: () -> T): T = try {
        read()
    } catch (e: IOException) {
        throw LarderException(
            LarderException.Code.MEDIA_NOT_FOUND,
            "the cache does not hold all of this download",
            Remedy.REPAIR,
        ).apply { initCause(e) }
    }
}

internal fun notWritten(cause: IOException): LarderException {
    val isFull = cause.message.orEmpty().let { "ENOSPC" in it || "No space left" in it }
    return if (isFull) {
        LarderException(
            LarderException.Code.DISK_FULL,
            "there is no space for what is imported",
            Remedy.FREE_SPACE,
            isRetryable = true,
        )
    } else {
        LarderException(
            LarderException.Code.MEDIA_UNREADABLE,
            "the folder for what is imported cannot be written",
            Remedy.FIX_INPUT,
        )
    }.apply { initCause(cause) }
}

private val MediaFormat.fileName: String
    get() = when (this) {
        MediaFormat.DASH -> "manifest.mpd"
        MediaFormat.HLS -> "master.m3u8"
        MediaFormat.MP4 -> "media.mp4"
    }
