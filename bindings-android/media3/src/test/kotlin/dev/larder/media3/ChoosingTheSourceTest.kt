package dev.larder.media3

import androidx.media3.common.MediaItem
import androidx.media3.datasource.FileDataSource
import androidx.media3.exoplayer.source.ProgressiveMediaSource
import dev.larder.LarderException
import dev.larder.LarderException.Code
import dev.larder.Remedy
import dev.larder.SourceURLProvider
import dev.larder.internal.media3.SourceUrlExecutor
import dev.larder.media3.support.FakeCdm
import dev.larder.media3.support.FakeRegistry
import dev.larder.media3.support.SAMPLES
import dev.larder.media3.support.ShadowCdm
import dev.larder.media3.support.TestPlayer
import dev.larder.media3.support.eventuallyOnPlayer
import dev.larder.media3.support.film
import dev.larder.media3.support.lasting
import dev.larder.media3.support.widevine
import dev.larder.media3.support.widevineBox
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotEquals
import org.junit.Assert.assertNull
import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config
import java.io.File
import java.util.concurrent.CopyOnWriteArrayList

/** Tests a source URL provider in front of Media3's own sources. */
@RunWith(RobolectricTestRunner::class)
@Config(shadows = [ShadowCdm::class])
class ChoosingTheSourceTest {
    @get:Rule val folder = TemporaryFolder()
    private val registry = FakeRegistry()
    private val questions = CopyOnWriteArrayList<Pair<String, String?>>()
    private var player: TestPlayer? = null

    @Before fun aNewDevice() = FakeCdm.reset()

    @After fun close() {
        player?.close()
        assertEquals(emptyList<String>(), FakeCdm.requests)
    }

    @Test
    fun `a remote item plays the registered asset with its licenses and keeps the app's values`() {
        FakeCdm.held["key set 1"] = lasting(seconds = 3600)
        val local = registry.put("film", film(folder.root), widevine("1", widevineBox) to "key set 1".encodeToByteArray())
        val exo = player { local.url }.exo
        assertEquals(SAMPLES, checkNotNull(player).play(remote("entry-of-film")))
        assertEquals(listOf<Pair<String, String?>>("entry-of-film" to REMOTE), questions)
        val played = checkNotNull(exo.currentMediaItem)
        assertEquals("entry-of-film", played.mediaId)
        assertEquals("A title", played.mediaMetadata.title)
        assertEquals("the app's tag", played.localConfiguration?.tag)
        assertEquals("film", played.larderAssetId)
        assertEquals(local.url, played.localConfiguration?.uri.toString())
    }

    @Test
    fun `the provider is called at every preparation and its new URL is played`() {
        val first = film(folder.newFolder(), "cmaf-clear/video-108")
        val second = film(folder.newFolder(), "cmaf-clear/video-234")
        val answers = ArrayDeque(listOf(first, second).map { it.toURI().toString() })
        val player = player { answers.removeFirst() }
        player.play(remote("film"))
        val firstHeight = player.screen.height
        player.exo.stop()
        player.exo.seekTo(0)
        player.play()
        assertNotEquals(firstHeight, player.screen.height)
        assertEquals(2, questions.size)
    }

    @Test
    fun `a result of null keeps the current URL`() {
        val current = film(folder.root, "cmaf-clear/video-108").toURI().toString()
        val player = player { null }
        player.play(MediaItem.Builder().setMediaId("film").setUri(current).build())
        assertEquals(current, player.exo.currentMediaItem?.localConfiguration?.uri.toString())
        assertNull(player.exo.currentMediaItem?.larderAssetId)
    }

    @Test
    fun `a local item is played unchanged without calling the provider`() {
        val local = registry.put("film", film(folder.root, "cmaf-clear/video-108"))
        player { throw AssertionError("asked") }.play(local.toMediaItem())
        assertEquals(0, questions.size)
    }

    @Test
    fun `a provider's LarderException reaches the app`() {
        val failure = LarderException(Code.CLOSED, "the manager was closed", Remedy.FIX_INPUT)
        assertEquals(Code.CLOSED, player { throw failure }.failure(remote("film")).code)
    }

    @Test
    fun `any other exception of a provider is DELEGATE_FAILED without its message`() {
        val reason = player { throw IllegalStateException("token=secret") }.failure(remote("film"))
        assertEquals(Code.DELEGATE_FAILED, reason.code)
        assertFalse("secret" in "$reason ${reason.cause}")
    }

    @Test
    fun `a player that is released during the provider's call ignores its result`() {
        val mayAnswer = java.util.concurrent.CountDownLatch(1)
        val player = player {
            mayAnswer.await()
            File(folder.root, "none").toURI().toString()
        }
        player.exo.setMediaItem(remote("film"))
        player.exo.prepare()
        eventuallyOnPlayer("the provider is asked") { questions.isNotEmpty() }
        player.close()
        mayAnswer.countDown()
        this.player = null
    }

    private fun player(answer: () -> String?): TestPlayer {
        val provider = object : SourceURLProvider {
            override fun getURL(entryId: String): String? = throw AssertionError("the longer form is asked")

            override fun getURL(entryId: String, currentURL: String?): String? {
                questions += entryId to currentURL
                return answer()
            }
        }
        val files = ProgressiveMediaSource.Factory(FileDataSource.Factory())
        val factory = LarderMediaSourceFactory(
            files,
            registry,
            registry,
            LarderDrmSessionManagerProvider(registry),
            provider,
            SourceUrlExecutor,
        )
        return TestPlayer(factory).also { player = it }
    }

    private fun remote(entryId: String) = MediaItem.Builder()
        .setMediaId(entryId)
        .setUri(REMOTE)
        .setTag("the app's tag")
        .setMediaMetadata(androidx.media3.common.MediaMetadata.Builder().setTitle("A title").build())
        .build()

    private companion object {
        const val REMOTE = "https://origin.example/film.mpd"
    }
}
