package dev.larder.internal.media3

import android.net.Uri
import androidx.annotation.OptIn
import androidx.media3.common.util.UnstableApi
import androidx.media3.common.util.UriUtil
import androidx.media3.datasource.DataSourceInputStream
import androidx.media3.datasource.DataSpec
import androidx.media3.datasource.cache.Cache
import androidx.media3.datasource.cache.CacheDataSource
import androidx.media3.exoplayer.offline.DownloadRequest
import dev.larder.LarderException
import dev.larder.MediaFormat
import dev.larder.Remedy
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
            MediaFormat.DASH -> write(file, absoluteMpd(text(request), request.uri).encodeToByteArray().inputStream())
            MediaFormat.HLS -> write(file, absolutePlaylist(text(request), request.uri).encodeToByteArray().inputStream())
            MediaFormat.MP4 -> if (!file.exists()) write(file, open(request))
        }
        return file
    }

    private fun text(request: DownloadRequest): String = open(request).use { it.readBytes().decodeToString() }

    private fun open(request: DownloadRequest): InputStream = CachedBytes(
        DataSourceInputStream(
            sources.createDataSource(),
            DataSpec.Builder().setUri(request.uri).setKey(request.customCacheKey).build(),
        ),
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

/** What the cache has. What it has not is told apart from a file that cannot be written. */
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

private fun notAnMpd() =
    LarderException(LarderException.Code.MANIFEST_INVALID, "the cached manifest is no MPD", Remedy.REPAIR)

private val MediaFormat.fileName: String
    get() = when (this) {
        MediaFormat.DASH -> "manifest.mpd"
        MediaFormat.HLS -> "master.m3u8"
        MediaFormat.MP4 -> "media.mp4"
    }

/** The same MPD with an absolute base, which everything relative in it hangs on (ISO 23009-1, 5.6.4). */
@OptIn(UnstableApi::class)
internal fun absoluteMpd(mpd: String, uri: Uri): String {
    val start = MPD_START.find(mpd) ?: throw notAnMpd()
    val head = mpd.substring(start.range.last + 1).substringBefore("<Period")
    val base = BASE_URL.find(head)
    val at = start.range.last + 1
    if (base == null) return mpd.substring(0, at) + "<BaseURL>${escaped(uri.toString())}</BaseURL>" + mpd.substring(at)
    val url = checkNotNull(base.groups[1])
    val absolute = UriUtil.resolve(uri.toString(), unescaped(url.value.trim()))
    return mpd.replaceRange(at + url.range.first, at + url.range.last + 1, escaped(absolute))
}

/** The same playlist with absolute URLs. */
@OptIn(UnstableApi::class)
internal fun absolutePlaylist(playlist: String, uri: Uri): String = playlist.lineSequence().joinToString("\n") { line ->
    val base = uri.toString()
    when {
        line.isBlank() -> line
        line.startsWith("#") -> URI_ATTRIBUTE.replace(line) { "URI=\"${UriUtil.resolve(base, it.groupValues[1])}\"" }
        else -> UriUtil.resolve(base, line.trim())
    }
}

private val MPD_START = Regex("<MPD\\b[^>]*>")
private val BASE_URL = Regex("<BaseURL\\b[^>]*>([^<]*)</BaseURL>")
private val URI_ATTRIBUTE = Regex("\\bURI=\"([^\"]*)\"")

private fun escaped(text: String): String = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

private fun unescaped(text: String): String = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
