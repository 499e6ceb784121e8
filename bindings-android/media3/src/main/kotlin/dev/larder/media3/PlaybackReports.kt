@file:JvmName("PlaybackReports")

package dev.larder.media3

import androidx.media3.common.MediaItem
import androidx.media3.common.Player
import dev.larder.LarderException
import dev.larder.LocalPlayback
import java.util.concurrent.Executor

/**
 * Reports to the manager when this player starts to play a registered asset. The first report starts the playback window of the
 * asset's licenses. Call it on the player's thread, once per player. Close the result to stop the reports.
 *
 * A playback counts once, however often the user pauses it. It counts again after the end of the media, a stop of the player, or a
 * transition to another item. A report that fails (a full disk) is repeated when the playback continues.
 *
 * @param executor runs the report, which writes to the disk and must not run on the main thread. `null` for a new thread.
 */
@JvmOverloads
public fun Player.reportPlaybackTo(playback: LocalPlayback, executor: Executor? = null): AutoCloseable {
    val reporter = PlaybackReporter(playback, executor ?: Executor { Thread(it, "larder-playback").start() })
    addListener(reporter)
    reporter.reportIfPlaying(this)
    return AutoCloseable { removeListener(reporter) }
}

private class PlaybackReporter(private val playback: LocalPlayback, private val executor: Executor) : Player.Listener {
    // The asset whose current playback is reported. The executor resets it after a failed report.
    @Volatile
    private var reported: String? = null

    override fun onPlaybackStateChanged(playbackState: Int) {
        if (playbackState == Player.STATE_IDLE || playbackState == Player.STATE_ENDED) reported = null
    }

    override fun onMediaItemTransition(mediaItem: MediaItem?, reason: Int) {
        reported = null
    }

    override fun onEvents(player: Player, events: Player.Events): Unit = reportIfPlaying(player)

    fun reportIfPlaying(player: Player) {
        if (!player.isPlaying) return
        val assetId = player.currentMediaItem?.larderAssetId ?: return
        if (reported == assetId) return
        reported = assetId
        val atMs = System.currentTimeMillis()
        executor.execute {
            try {
                playback.playbackStarted(assetId, atMs)
            } catch (_: LarderException) {
                reported = null
            }
        }
    }
}
