package dev.larder.media3

import android.content.Context
import androidx.media3.common.PlaybackException
import androidx.media3.common.Player
import androidx.media3.datasource.cache.Cache
import androidx.media3.exoplayer.ExoPlayer
import androidx.media3.exoplayer.offline.DownloadIndex
import androidx.media3.exoplayer.source.DefaultMediaSourceFactory
import dev.larder.AssetStatus
import dev.larder.DrmParams
import dev.larder.DrmScheme
import dev.larder.ImportResult
import dev.larder.LarderConfig
import dev.larder.LarderException
import dev.larder.LarderSetup
import dev.larder.LocalAssetsManager
import dev.larder.MediaSource
import dev.larder.PlayabilityReason
import dev.larder.Remedy
import dev.larder.StorageRoot
import dev.larder.drm.MediaDrmEngine
import dev.larder.media3.support.SAMPLES
import dev.larder.media3.support.TestDownloads
import dev.larder.media3.support.TestPlayer
import dev.larder.media3.support.eventuallyOnPlayer
import dev.larder.media3.support.film
import dev.larder.storage.MemoryDrmStorage
import dev.larder.support.ShadowMediaDrm
import dev.larder.support.TestServersRule
import dev.larder.support.VirtualCdm
import kotlinx.coroutines.runBlocking
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config
import java.io.File

/** Runs the guides' code for Media3, from a file on the disk to a film that plays without a network. */
@RunWith(RobolectricTestRunner::class)
@Config(shadows = [ShadowMediaDrm::class])
class GuidesTest {
    @get:Rule val folder = TemporaryFolder()
    private val context: Context = RuntimeEnvironment.getApplication()

    @get:Rule val servers = TestServersRule()
    private val manager by lazy {
        val config = LarderConfig(
            dataDir = File(folder.root, "larder").path,
            roots = listOf(StorageRoot("downloads", folder.root.path)),
        )
        LocalAssetsManager(LarderSetup(config, MemoryDrmStorage(), engines = listOf(MediaDrmEngine())))
    }

    @Before fun aNewDevice() {
        VirtualCdm.reset()
        VirtualCdm.provisioningUrl = servers.url("/widevine/provision")
    }

    @After fun close() {
        manager.close()
    }

    @Test
    fun `the guides show the lines below`() {
        val repository = File(System.getProperty("larder.repository"))
        val here = repository.resolve("bindings-android/media3/src/test/kotlin/dev/larder/media3/GuidesTest.kt").readText()
        for (page in listOf("integrating", "migrating")) {
            val below = here.substringAfter(
                "\n// What docs/guides/$page.md shows.\n\n",
            ).substringBefore("\n// What docs/").trim()
            val shown = repository.resolve("docs/guides/$page.md").readText()
                .substringAfter("```kotlin media3\n").substringBefore("```").trim()
            assertEquals(page, below, shown)
        }
    }

    @Test
    fun `the guide's film is registered, played offline and removed`() {
        val films = OfflineFilms(manager)
        val file = film(folder.root)
        val licenses = servers.url("/widevine/license")
        runBlocking { films.keep("film", file, "https://origin.example/film.mp4", licenses) }
        servers.stop()

        val errors = mutableListOf<LarderException>()
        TestPlayer { films.player(it, context, errors::add) }.use { player ->
            assertEquals(PlayabilityReason.PLAYABLE, runBlocking { films.play(player.exo, "film") }.why)
            assertEquals(SAMPLES, player.watch())
            VirtualCdm.ids.forEach(VirtualCdm::vanish)
            player.exo.stop()
            runBlocking { films.play(player.exo, "film") }
            eventuallyOnPlayer("the app is told why it does not play") { errors.isNotEmpty() }
        }
        assertEquals(LarderException.Code.LICENSE_VANISHED to Remedy.REREGISTER, errors.first().let { it.code to it.remedy })

        runBlocking { films.remove("film", file) }
        assertFalse(file.exists())
        assertEquals(PlayabilityReason.NOT_REGISTERED, runBlocking { manager.status("film") }.why)
    }

    @Test
    fun `a download of Media3 is imported and plays from its cache`() {
        TestDownloads(folder.newFolder("cache")).use { downloads ->
            val url = "https://origin.example/clear.mp4"
            downloads.add("film", url, film(folder.root, "cmaf-clear/video-234").readBytes())
            downloads.addWithoutMedia("gone", "https://origin.example/gone.mp4")
            val imported = runBlocking { takeOver(manager, downloads.index, downloads.cache, folder.newFolder("imported")) }
            assertEquals(listOf("film" to true), imported.map { it.assetId to it.isImported })
            TestPlayer(playerSources(manager, downloads.cache)).use { player ->
                assertEquals(SAMPLES, player.play(manager.localMediaSource("film").toMediaItem()))
            }
        }
    }
}

// What docs/guides/integrating.md shows.

class OfflineFilms(private val manager: LocalAssetsManager) {
    /** While online, when the download is complete. */
    suspend fun keep(id: String, media: File, url: String, licenseUrl: String): AssetStatus {
        val drm = listOf(DrmParams(DrmScheme.WIDEVINE, licenseUrl))
        return manager.registerAsset(MediaSource(id, url, drm = drm), media.path, id)
    }

    /** Once for each player; [builder] is `ExoPlayer.Builder(context)`, or one with what the app wants to say. */
    fun player(builder: ExoPlayer.Builder, context: Context, onError: (LarderException) -> Unit): ExoPlayer {
        val player = builder.setMediaSourceFactory(LarderMediaSourceFactory(context, manager)).build()
        player.reportPlaybackTo(manager)
        player.addListener(object : Player.Listener {
            override fun onPlayerError(error: PlaybackException) = onError(error.toLarderException())
        })
        return player
    }

    /** Also without a network. Tell the user what is wrong by the status's `why` and `remedy`. */
    suspend fun play(player: ExoPlayer, id: String): AssetStatus {
        val status = manager.status(id)
        if (status.isPlayable) {
            player.setMediaItem(manager.localMediaSource(id).toMediaItem())
            player.prepare()
            player.play()
        }
        return status
    }

    /** Also without a network: the license's release waits for one. */
    suspend fun remove(id: String, media: File) {
        manager.unregisterAsset(id)
        media.deleteRecursively()
    }
}

// What docs/guides/migrating.md shows.

suspend fun takeOver(manager: LocalAssetsManager, index: DownloadIndex, cache: Cache, folder: File): List<ImportResult> {
    val read = DownloadIndexImport(index, cache, folder).read()
    for (download in read) download.error?.let { println("${download.assetId}: ${it.code}, ${it.remedy}") }
    return manager.importAssets(read.mapNotNull { it.asset })
}

fun playerSources(manager: LocalAssetsManager, cache: Cache) =
    LarderMediaSourceFactory(DefaultMediaSourceFactory(DownloadIndexImport.cachedMedia(cache)), manager)
