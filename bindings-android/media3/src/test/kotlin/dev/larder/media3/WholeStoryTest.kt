package dev.larder.media3

import androidx.media3.common.MediaItem
import androidx.media3.datasource.FileDataSource
import androidx.media3.exoplayer.source.ProgressiveMediaSource
import dev.larder.DrmParams
import dev.larder.DrmScheme
import dev.larder.Expiry
import dev.larder.LarderConfig
import dev.larder.LarderException.Code
import dev.larder.LarderSetup
import dev.larder.LocalAssetsManager
import dev.larder.MediaSource
import dev.larder.PlayabilityReason
import dev.larder.SourceUrlMode
import dev.larder.StorageRoot
import dev.larder.drm.MediaDrmEngine
import dev.larder.media3.support.SAMPLES
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
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.ClassRule
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config
import java.io.File

/**
 * Registers through MediaDrm with the testkit's Widevine-like server and plays with Media3 while the servers are stopped. Both
 * use the same model of a CDM. No evidence about Widevine.
 */
@RunWith(RobolectricTestRunner::class)
@Config(shadows = [ShadowMediaDrm::class])
class WholeStoryTest {
    @get:Rule val folder = TemporaryFolder()
    private val manager by lazy {
        val config = LarderConfig(
            dataDir = File(folder.root, "larder").path,
            roots = listOf(StorageRoot("downloads", folder.root.path)),
        )
        LocalAssetsManager(LarderSetup(config, MemoryDrmStorage(), engines = listOf(MediaDrmEngine())))
    }

    @Before fun aNewDevice() {
        servers.reset()
        VirtualCdm.reset()
        VirtualCdm.provisioningUrl = servers.url("/widevine/provision")
    }

    @After fun close() {
        servers.resume()
        manager.close()
    }

    @Test
    fun `a film is registered, played offline, reported and its license released`() {
        register()
        manager.setSourceUrlMode(SourceUrlMode.LOCAL_ALWAYS)
        servers.stop()
        val challenges = VirtualCdm.asked.size
        player().use { player ->
            player.exo.reportPlaybackTo(manager).use {
                assertEquals(SAMPLES, player.play(remote()))
                eventuallyOnPlayer("the playback window has begun") {
                    runBlocking { manager.status("film") }.playbackExpires is Expiry.At
                }
            }
        }
        assertEquals("the CDM was asked for no challenge", challenges, VirtualCdm.asked.size)
        eventuallyOnPlayer("every session is closed") { VirtualCdm.openSessions == 0 }

        servers.resume()
        runBlocking { manager.unregisterAsset("film") }
        eventuallyOnPlayer("the license is released") {
            runBlocking { manager.reconcile() }.pending == 0 && servers.live == 0
        }
    }

    @Test
    fun `a lost license is LICENSE_VANISHED in the player and in the status`() {
        register()
        manager.setSourceUrlMode(SourceUrlMode.LOCAL_ALWAYS)
        VirtualCdm.ids.forEach(VirtualCdm::vanish)
        player().use { assertEquals(Code.LICENSE_VANISHED, it.failure(remote()).code) }
        assertEquals(PlayabilityReason.LICENSE_VANISHED, runBlocking { manager.verifyAsset("film") }.why)
    }

    private fun register() {
        val drm = listOf(DrmParams(DrmScheme.WIDEVINE, servers.url("/widevine/license")))
        val source = MediaSource("film", REMOTE, drm = drm)
        val status = runBlocking { manager.registerAsset(source, film(folder.root).path, "film", entryId = "entry") }
        assertEquals(PlayabilityReason.PLAYABLE, status.why)
        assertTrue(servers.live > 0)
    }

    private fun player() =
        TestPlayer(LarderMediaSourceFactory(ProgressiveMediaSource.Factory(FileDataSource.Factory()), manager))

    private fun remote() = MediaItem.Builder().setMediaId("entry").setUri(REMOTE).build()

    companion object {
        private const val REMOTE = "https://origin.example/film.mpd"

        @ClassRule @JvmField
        val servers = TestServersRule()
    }
}
