package dev.larder.media3

import androidx.media3.common.MimeTypes
import androidx.media3.common.StreamKey
import dev.larder.media3.support.TestDownloads
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import java.io.File

/** The manifests that imported downloads play: from Media3's cache, written by the core. */
@RunWith(RobolectricTestRunner::class)
class ImportedManifestsTest {
    @get:Rule val folder = TemporaryFolder()
    private val downloads by lazy { TestDownloads(folder.newFolder("cache")) }

    @After fun close() = downloads.close()

    @Test
    fun `references are relative to the URL that answered after a redirect`() {
        val url = "https://portal.example/film.m3u8"
        val playlist = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n"
        add(url, playlist, MimeTypes.APPLICATION_M3U8)
        downloads.redirect(url, by = "https://cdn.example/a/film.m3u8?t=1")
        assertEquals("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttps://cdn.example/a/low.m3u8\n", imported())
    }

    @Test
    fun `a variant is counted once for each reference, as Media3 counts it, and subtitles that were not downloaded go`() {
        val playlist = "#EXTM3U\n" +
            "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"en\",URI=\"en.m3u8\"\n" +
            "#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID=\"v\",NAME=\"b\",URI=\"angle.m3u8\"\n" +
            "#EXT-X-STREAM-INF:BANDWIDTH=1,SUBTITLES=\"s\",VIDEO=\"v\"\nlow.m3u8\n" +
            "#EXT-X-STREAM-INF:BANDWIDTH=2,SUBTITLES=\"s\"\n./low.m3u8\n" +
            "#EXT-X-STREAM-INF:BANDWIDTH=3,SUBTITLES=\"s\"\nhigh.m3u8\n"
        add("https://cdn.example/film.m3u8", playlist, MimeTypes.APPLICATION_M3U8, StreamKey(0, 1))
        assertEquals("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=3\nhttps://cdn.example/high.m3u8\n", imported())
    }

    @Test
    fun `periods after one that was not downloaded start earlier`() {
        val period = "<AdaptationSet><Representation id=\"r\"/></AdaptationSet></Period>"
        val mpd = "<MPD mediaPresentationDuration=\"PT30S\"><BaseURL>https://cdn.example/</BaseURL>" +
            "<Period id=\"ad\" duration=\"PT10S\">$period<Period id=\"film\" start=\"PT10S\">$period</MPD>"
        add("https://cdn.example/film.mpd", mpd, MimeTypes.APPLICATION_MPD, StreamKey(1, 0, 0))
        assertEquals(
            "<MPD mediaPresentationDuration=\"PT20S\"><BaseURL>https://cdn.example/</BaseURL>" +
                "<Period id=\"film\" start=\"PT0S\">$period</MPD>",
            imported(),
        )
    }

    private fun add(url: String, manifest: String, mimeType: String, vararg keys: StreamKey): Unit =
        downloads.add("film", url, manifest.encodeToByteArray(), mimeType, keys = keys.toList())

    private fun imported(): String {
        val import = DownloadIndexImport(downloads.index, downloads.cache, File(folder.root, "imported"))
        return File(checkNotNull(import.read().single().asset).registration.path).readText()
    }
}
