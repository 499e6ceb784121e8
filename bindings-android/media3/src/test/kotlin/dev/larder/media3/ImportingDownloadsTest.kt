package dev.larder.media3

import android.net.Uri
import androidx.media3.common.MimeTypes
import androidx.media3.common.StreamKey
import androidx.media3.exoplayer.offline.Download
import androidx.media3.exoplayer.offline.DownloadCursor
import androidx.media3.exoplayer.offline.DownloadIndex
import androidx.media3.exoplayer.source.ProgressiveMediaSource
import dev.larder.DrmScheme
import dev.larder.KeyRequest
import dev.larder.LarderConfig
import dev.larder.LarderException
import dev.larder.LarderException.Code
import dev.larder.LarderSetup
import dev.larder.LicenseDuration
import dev.larder.LicenseGrant
import dev.larder.LicenseTimes
import dev.larder.LocalAssetsManager
import dev.larder.MediaFormat
import dev.larder.MediaSource
import dev.larder.PlayabilityReason
import dev.larder.ReleaseOutcome
import dev.larder.Remedy
import dev.larder.StorageRoot
import dev.larder.StoredLicense
import dev.larder.drm.DrmEngine
import dev.larder.drm.LicenseExchange
import dev.larder.internal.ManifestRewriter
import dev.larder.internal.media3.notWritten
import dev.larder.media3.support.FakeCdm
import dev.larder.media3.support.SAMPLES
import dev.larder.media3.support.ShadowCdm
import dev.larder.media3.support.TestDownloads
import dev.larder.media3.support.TestPlayer
import dev.larder.media3.support.film
import dev.larder.media3.support.lasting
import dev.larder.storage.MemoryDrmStorage
import dev.larder.support.Media
import kotlinx.coroutines.runBlocking
import org.junit.After
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config
import java.io.File
import java.io.IOException

/** Tests the import of downloads that an app has made with Media3: with a real index, a real cache and no network. */
@RunWith(RobolectricTestRunner::class)
@Config(shadows = [ShadowCdm::class])
class ImportingDownloadsTest {
    @get:Rule val folder = TemporaryFolder()
    private val downloads by lazy { TestDownloads(folder.newFolder("cache")) }
    private val imported by lazy { File(folder.root, "imported") }
    private val manager by lazy {
        val config = LarderConfig(
            dataDir = File(folder.root, "larder").path,
            roots = listOf(StorageRoot("imported", imported.path)),
        )
        LocalAssetsManager(LarderSetup(config, MemoryDrmStorage(), engines = listOf(HoldingEngine)))
    }

    @Before fun aNewDevice() = FakeCdm.reset()

    @After fun close() {
        manager.close()
        downloads.close()
        assertEquals(emptyList<String>(), FakeCdm.requests)
    }

    @Test
    fun `a protected download is registered with its key set id and plays`() {
        FakeCdm.held["key set 7"] = lasting(seconds = 3600)
        downloads.add("film-1", "https://cdn.example/film.mp4", film(folder.root).readBytes(), keySetId = "key set 7")
        import()
        val status = runBlocking { manager.status("film-1") }
        assertEquals(PlayabilityReason.PLAYABLE, status.why)
        assertArrayEquals("the app's own".encodeToByteArray(), manager.metadata("film-1"))
        val factory = ProgressiveMediaSource.Factory(DownloadIndexImport.cachedMedia(downloads.cache))
            .setDrmSessionManagerProvider(LarderDrmSessionManagerProvider(manager))
        TestPlayer(factory).use { player ->
            assertEquals(SAMPLES, player.play(manager.localMediaSource("film-1").toMediaItem()))
        }
        assertEquals(listOf("key set 7"), FakeCdm.restored)
    }

    @Test
    fun `a DASH download keeps its segments in the cache and gets a manifest with absolute URLs`() {
        FakeCdm.held["key set 7"] = lasting(seconds = 3600)
        val mpd = Media.folder.resolve("dash-cenc/manifest.mpd").readBytes()
        downloads.add("film-2", "https://cdn.example/a/film.mpd?token=1&b=2", mpd, MimeTypes.APPLICATION_MPD, "key set 7")
        import()
        val source = manager.localMediaSource("film-2")
        assertEquals(MediaFormat.DASH, source.format)
        assertEquals(1, source.licenses.size)
        val manifest = File(checkNotNull(Uri.parse(source.url).path)).readText()
        assertTrue("<BaseURL>https://cdn.example/a/film.mpd?token=1&amp;b=2</BaseURL>" in manifest)
        assertFalse("an id never becomes a path", "film-2" in source.url)
    }

    @Test
    fun `importing is idempotent`() {
        FakeCdm.held["key set 7"] = lasting(seconds = 3600)
        downloads.add("film-1", "https://cdn.example/film.mp4", film(folder.root).readBytes(), keySetId = "key set 7")
        import()
        val before = manager.assets()
        import()
        assertEquals(before, manager.assets())
        assertEquals(1, runBlocking { manager.status("film-1") }.licenses.size)
    }

    @Test
    fun `a download with a lost license is LICENSE_VANISHED and does not stop the others`() {
        downloads.add("clear", "https://cdn.example/clear.mp4", film(folder.root, "cmaf-clear/video-108").readBytes())
        downloads.add("gone", "https://cdn.example/film.mp4", film(folder.root).readBytes(), keySetId = "unknown to the CDM")
        val answers = runBlocking { manager.importAssets(readable()) }.associateBy { it.assetId }
        assertTrue(checkNotNull(answers["clear"]).isImported)
        assertEquals(Code.LICENSE_VANISHED, checkNotNull(answers["gone"]).errorCode)
    }

    @Test
    fun `an unfinished download is not read`() {
        val bytes = film(folder.root, "cmaf-clear/video-108").readBytes()
        downloads.add("half", "https://cdn.example/half.mp4", bytes, state = Download.STATE_STOPPED)
        assertEquals(emptyList<Any>(), reader().read())
    }

    @Test
    fun `unreadable downloads have code and remedy and do not stop the others`() {
        val bytes = film(folder.root, "cmaf-clear/video-108").readBytes()
        downloads.add("clear", "https://cdn.example/clear.mp4", bytes)
        downloads.addWithoutMedia("gone", "https://cdn.example/gone.mp4")
        downloads.add("cut", "https://cdn.example/cut.mp4", bytes)
        downloads.cut("https://cdn.example/cut.mp4", bytes, left = 1000)
        downloads.add("page", "https://cdn.example/film.mpd", "<html>".encodeToByteArray(), MimeTypes.APPLICATION_MPD)
        downloads.addWithoutMedia("smooth", "https://cdn.example/film.ism/Manifest", MimeTypes.APPLICATION_SS)
        downloads.add("last", "https://cdn.example/last.mp4", bytes)

        val read = reader().read().associateBy { it.assetId }
        assertEquals(setOf("clear", "last"), read.filterValues { it.asset != null && it.error == null }.keys)
        val errors = read.mapValues { (_, answer) -> answer.error?.let { it.code to it.remedy } }.filterValues {
            it !=
                null
        }
        assertEquals(
            mapOf(
                "gone" to (Code.MEDIA_NOT_FOUND to Remedy.REPAIR),
                "cut" to (Code.MEDIA_NOT_FOUND to Remedy.REPAIR),
                "page" to (Code.MANIFEST_INVALID to Remedy.REPAIR),
                "smooth" to (Code.FORMAT_UNSUPPORTED to Remedy.FIX_INPUT),
            ),
            errors,
        )
        val answers = runBlocking { manager.importAssets(readable()) }
        assertEquals(setOf("clear", "last"), answers.filter { it.isImported }.map { it.assetId }.toSet())
    }

    @Test
    fun `a description that throws fails its own download only, without its message`() {
        val bytes = film(folder.root, "cmaf-clear/video-108").readBytes()
        downloads.add("one", "https://cdn.example/one.mp4", bytes)
        downloads.add("two", "https://cdn.example/two.mp4", bytes)
        val import = DownloadIndexImport(downloads.index, downloads.cache, imported) {
            check(it.id != "one") { "no token in ${it.uri}" }
            MediaSource(it.id, it.uri.toString())
        }
        val (one, two) = import.read().sortedBy { it.assetId }
        assertEquals(Code.DELEGATE_FAILED, one.error?.code)
        assertFalse("token" in checkNotNull(one.error).message)
        assertEquals("two", two.asset?.registration?.assetId)
    }

    @Test
    fun `a folder that cannot be written is MEDIA_UNREADABLE and a full disk is DISK_FULL`() {
        downloads.add("one", "https://cdn.example/one.mp4", film(folder.root, "cmaf-clear/video-108").readBytes())
        imported.writeText("a file where the folder should be")
        assertEquals(Code.MEDIA_UNREADABLE, reader().read().single().error?.code)
        val full = notWritten(IOException("write failed: ENOSPC (No space left on device)"))
        assertEquals(Code.DISK_FULL to Remedy.FREE_SPACE, full.code to full.remedy)
    }

    @Test
    fun `an index that cannot be read is STORE_UNAVAILABLE`() {
        val broken = object : DownloadIndex {
            override fun getDownload(id: String): Download? = throw IOException("broken")

            override fun getDownloads(vararg states: Int): DownloadCursor = throw IOException("broken")
        }
        val error =
            assertThrows(LarderException::class.java) { DownloadIndexImport(broken, downloads.cache, imported).read() }
        assertEquals(Code.STORE_UNAVAILABLE to Remedy.RETRY, error.code to error.remedy)
    }

    @Test
    fun `a playlist gets absolute URLs in lines and attributes`() {
        val playlist = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"en/a.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\n" +
            "v/1.m3u8?x=1\n\n/root.m3u8"
        assertEquals(
            "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"https://cdn.example/a/en/a.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\n" +
                "https://cdn.example/a/v/1.m3u8?x=1\n\nhttps://cdn.example/root.m3u8",
            absolute(playlist, MediaFormat.HLS, "https://cdn.example/a/master.m3u8"),
        )
    }

    @Test
    fun `an existing base URL of a manifest is made absolute`() {
        val uri = "https://cdn.example/a/film.mpd"
        val mpd = "<?xml version=\"1.0\"?><MPD type=\"static\"><BaseURL>media/</BaseURL><Period>" +
            "<BaseURL>inner/</BaseURL></Period></MPD>"
        assertEquals(
            mpd.replace("<BaseURL>media/", "<BaseURL>https://cdn.example/a/media/"),
            absolute(mpd, MediaFormat.DASH, uri),
        )
        assertThrows(LarderException::class.java) { absolute("<html>", MediaFormat.DASH, uri) }
    }

    @Test
    fun `a manifest lists only the tracks that were downloaded`() {
        val mpd = "<MPD><Period><AdaptationSet><Representation id=\"low\"/><Representation id=\"high\"/></AdaptationSet>" +
            "<AdaptationSet><Representation id=\"de\"/></AdaptationSet></Period></MPD>"
        val playlist = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"en\",URI=\"en.m3u8\"\n" +
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"de\",URI=\"de.m3u8\"\n" +
            "#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\nlow.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2,AUDIO=\"a\"\nhigh.m3u8\n"
        downloads.add(
            "dash",
            "https://cdn.example/film.mpd",
            mpd.encodeToByteArray(),
            MimeTypes.APPLICATION_MPD,
            keys = listOf(StreamKey(0, 0, 1)),
        )
        downloads.add(
            "hls",
            "https://cdn.example/film.m3u8",
            playlist.encodeToByteArray(),
            MimeTypes.APPLICATION_M3U8,
            keys = listOf(StreamKey(0, 0), StreamKey(1, 1)),
        )
        val files = reader().read().associate { it.assetId to File(checkNotNull(it.asset).registration.path).readText() }
        assertTrue("high" in files.getValue("dash") && "low" !in files.getValue("dash") && "de" !in files.getValue("dash"))
        assertEquals(
            "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"de\",URI=\"https://cdn.example/de.m3u8\"\n" +
                "#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\nhttps://cdn.example/low.m3u8\n",
            files.getValue("hls"),
        )
    }

    private fun absolute(manifest: String, format: MediaFormat, url: String): String =
        ManifestRewriter.makeAbsolute(manifest.encodeToByteArray(), format, url, null).decodeToString()

    private fun reader() = DownloadIndexImport(downloads.index, downloads.cache, imported)

    private fun readable() = reader().read().mapNotNull { it.asset }

    private fun import() {
        val answers = runBlocking { manager.importAssets(readable()) }
        assertTrue("$answers", answers.isNotEmpty() && answers.all { it.isImported })
    }

    /** An engine that knows the licenses in [FakeCdm]. */
    private object HoldingEngine : DrmEngine {
        override val scheme = DrmScheme.WIDEVINE

        override fun inspect(held: StoredLicense): LicenseTimes {
            if (held.handle.decodeToString() !in FakeCdm.held) {
                throw LarderException(Code.LICENSE_VANISHED, "unknown", Remedy.REREGISTER)
            }
            return LicenseTimes(license = LicenseDuration.Seconds(3600), playback = LicenseDuration.Unlimited)
        }

        override fun acquire(request: KeyRequest, exchange: LicenseExchange): LicenseGrant =
            throw AssertionError("no network")

        override fun release(held: StoredLicense, exchange: LicenseExchange): ReleaseOutcome =
            throw AssertionError("no network")
    }
}
