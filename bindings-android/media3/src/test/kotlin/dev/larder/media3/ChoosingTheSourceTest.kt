package dev.larder.media3

import androidx.media3.common.MediaItem
import androidx.media3.datasource.FileDataSource
import androidx.media3.exoplayer.source.ProgressiveMediaSource
import dev.larder.LarderException
import dev.larder.LarderException.Code
import dev.larder.Remedy
import dev.larder.SourceURLProvider
import dev.larder.internal.media3.SourceUrlExecutor
import dev.larder.media3.support.Cdm
import dev.larder.media3.support.SAMPLES
import dev.larder.media3.support.ShadowCdm
import dev.larder.media3.support.Shelf
import dev.larder.media3.support.Theatre
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

/** A source URL provider before Media3's own sources: asked at every preparation, never cached. */
@RunWith(RobolectricTestRunner::class)
@Config(shadows = [ShadowCdm::class])
class ChoosingTheSourceTest {
    @get:Rule val folder = TemporaryFolder()
    private val shelf = Shelf()
    private val questions = CopyOnWriteArrayList<Pair<String, String?>>()
    private var theatre: Theatre? = null

    @Before fun aNewDevice() = Cdm.reset()

    @After fun close() {
        theatre?.close()
        assertEquals(emptyList<String>(), Cdm.requests)
    }

    @Test
    fun `a remote item plays the registered asset, with its licenses and the app's own title`() {
        Cdm.held["key set 1"] = lasting(seconds = 3600)
        val local = shelf.put("film", film(folder.root), widevine("1", widevineBox) to "key set 1".encodeToByteArray())
        val player = theatre { local.url }.player
        assertEquals(SAMPLES, checkNotNull(theatre).play(remote("entry-of-film")))
        assertEquals(listOf<Pair<String, String?>>("entry-of-film" to REMOTE), questions)
        val played = checkNotNull(player.currentMediaItem)
        assertEquals("entry-of-film", played.mediaId)
        assertEquals("A title", played.mediaMetadata.title)
        assertEquals("the app's tag", played.localConfiguration?.tag)
        assertEquals("film", played.larderAssetId)
        assertEquals(local.url, played.localConfiguration?.uri.toString())
    }

    @Test
    fun `the provider is asked again at every preparation, and its new answer is played`() {
        val first = film(folder.newFolder(), "cmaf-clear/video-108")
        val second = film(folder.newFolder(), "cmaf-clear/video-234")
        val answers = ArrayDeque(listOf(first, second).map { it.toURI().toString() })
        val theatre = theatre { answers.removeFirst() }
        theatre.play(remote("film"))
        val firstHeight = theatre.screen.height
        theatre.player.stop()
        theatre.player.seekTo(0)
        theatre.play()
        assertNotEquals(firstHeight, theatre.screen.height)
        assertEquals(2, questions.size)
    }

    @Test
    fun `null keeps the current URL`() {
        val current = film(folder.root, "cmaf-clear/video-108").toURI().toString()
        val theatre = theatre { null }
        theatre.play(MediaItem.Builder().setMediaId("film").setUri(current).build())
        assertEquals(current, theatre.player.currentMediaItem?.localConfiguration?.uri.toString())
        assertNull(theatre.player.currentMediaItem?.larderAssetId)
    }

    @Test
    fun `an item that is local already is played as it is`() {
        val local = shelf.put("film", film(folder.root, "cmaf-clear/video-108"))
        theatre { throw AssertionError("asked") }.play(local.toMediaItem())
        assertEquals(0, questions.size)
    }

    @Test
    fun `a provider's typed failure reaches the app`() {
        val failure = LarderException(Code.CLOSED, "the manager was closed", Remedy.FIX_INPUT)
        assertEquals(Code.CLOSED, theatre { throw failure }.failure(remote("film")).code)
    }

    @Test
    fun `whatever else a provider throws is told by its class alone`() {
        val reason = theatre { throw IllegalStateException("token=secret") }.failure(remote("film"))
        assertEquals(Code.DELEGATE_FAILED, reason.code)
        assertFalse("secret" in "$reason ${reason.cause}")
    }

    @Test
    fun `a player that is released while the provider thinks takes no answer`() {
        val mayAnswer = java.util.concurrent.CountDownLatch(1)
        val theatre = theatre {
            mayAnswer.await()
            File(folder.root, "none").toURI().toString()
        }
        theatre.player.setMediaItem(remote("film"))
        theatre.player.prepare()
        dev.larder.media3.support.until("the provider is asked") { questions.isNotEmpty() }
        theatre.close()
        mayAnswer.countDown()
        this.theatre = null
    }

    private fun theatre(answer: () -> String?): Theatre {
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
            shelf,
            shelf,
            LarderDrmSessionManagerProvider(shelf),
            provider,
            SourceUrlExecutor,
        )
        return Theatre(factory).also { theatre = it }
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
