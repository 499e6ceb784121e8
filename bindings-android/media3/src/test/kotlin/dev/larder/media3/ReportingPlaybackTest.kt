package dev.larder.media3

import androidx.media3.datasource.FileDataSource
import androidx.media3.exoplayer.source.ProgressiveMediaSource
import dev.larder.LarderException
import dev.larder.Remedy
import dev.larder.media3.support.Shelf
import dev.larder.media3.support.Theatre
import dev.larder.media3.support.film
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner

/** The start of a playback starts a license's playback window, so the manager is told of it. */
@RunWith(RobolectricTestRunner::class)
class ReportingPlaybackTest {
    @get:Rule val folder = TemporaryFolder()
    private val shelf = Shelf()
    private val theatre by lazy { Theatre(ProgressiveMediaSource.Factory(FileDataSource.Factory())) }
    private val reports by lazy { theatre.player.reportPlaybackTo(shelf) { it.run() } }

    @After fun close() = theatre.close()

    @Test
    fun `a playback is reported once`() {
        reports
        theatre.play(item())
        assertEquals(listOf("film"), shelf.played)
    }

    @Test
    fun `a replay after a stop is another playback`() {
        reports
        theatre.play(item())
        theatre.player.stop()
        theatre.player.seekTo(0)
        theatre.play()
        assertEquals(listOf("film", "film"), shelf.played)
    }

    @Test
    fun `a prepared player that does not play yet is not reported`() {
        reports
        theatre.player.setMediaItem(item())
        theatre.player.prepare()
        dev.larder.media3.support.until("it is ready") {
            theatre.player.playbackState ==
                androidx.media3.common.Player.STATE_READY
        }
        assertEquals(emptyList<String>(), shelf.played)
    }

    @Test
    fun `what could not be noted is tried again while it plays`() {
        reports
        shelf.reportFailure = LarderException(LarderException.Code.DISK_FULL, "full", Remedy.FREE_SPACE)
        theatre.play(item())
        theatre.player.seekTo(0)
        theatre.play()
        assertEquals("film", shelf.played.first())
        assertNull(shelf.reportFailure)
    }

    @Test
    fun `after closing nothing is reported`() {
        reports.close()
        theatre.play(item())
        assertEquals(emptyList<String>(), shelf.played)
    }

    private fun item() = shelf.put("film", film(folder.root, "cmaf-clear/video-108")).toMediaItem()
}
