package dev.larder.media3

import androidx.media3.datasource.FileDataSource
import androidx.media3.exoplayer.source.ProgressiveMediaSource
import dev.larder.LarderException
import dev.larder.Remedy
import dev.larder.media3.support.FakeRegistry
import dev.larder.media3.support.TestPlayer
import dev.larder.media3.support.eventuallyOnPlayer
import dev.larder.media3.support.film
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner

/** Tests the reports of playbacks, which start the playback window of a license. */
@RunWith(RobolectricTestRunner::class)
class ReportingPlaybackTest {
    @get:Rule val folder = TemporaryFolder()
    private val registry = FakeRegistry()
    private val player by lazy { TestPlayer(ProgressiveMediaSource.Factory(FileDataSource.Factory())) }
    private val reports by lazy { player.exo.reportPlaybackTo(registry) { it.run() } }

    @After fun close() = player.close()

    @Test
    fun `a playback is reported once`() {
        reports
        player.play(item())
        assertEquals(listOf("film"), registry.played)
    }

    @Test
    fun `a replay after a stop is another playback`() {
        reports
        player.play(item())
        player.exo.stop()
        player.exo.seekTo(0)
        player.play()
        assertEquals(listOf("film", "film"), registry.played)
    }

    @Test
    fun `a prepared player that does not play is not reported`() {
        reports
        player.exo.setMediaItem(item())
        player.exo.prepare()
        eventuallyOnPlayer("it is ready") {
            player.exo.playbackState ==
                androidx.media3.common.Player.STATE_READY
        }
        assertEquals(emptyList<String>(), registry.played)
    }

    @Test
    fun `a failed report is repeated while the player plays`() {
        reports
        registry.reportFailure = LarderException(LarderException.Code.DISK_FULL, "full", Remedy.FREE_SPACE)
        player.play(item())
        player.exo.seekTo(0)
        player.play()
        assertEquals("film", registry.played.first())
        assertNull(registry.reportFailure)
    }

    @Test
    fun `a closed reporter reports nothing`() {
        reports.close()
        player.play(item())
        assertEquals(emptyList<String>(), registry.played)
    }

    private fun item() = registry.put("film", film(folder.root, "cmaf-clear/video-108")).toMediaItem()
}
