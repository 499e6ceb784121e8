@file:JvmName("PlaybackReports")

package dev.larder.media3

import androidx.media3.common.MediaItem
import androidx.media3.common.Player
import dev.larder.LarderException
import dev.larder.LocalPlayback
import java.util.concurrent.Executor

/**
 * Tells the manager when this player starts to play a registered asset: the first time starts the playback window of its
 * licenses. Call it on the player's thread, once per player; closing the result ends it.
 *
 * A playback counts once, however often it is paused; it counts again after the film has ended, the player was stopped, or
 * it went on to another item. What cannot be noted now (a full disk) is tried again when playing goes on.
 *
 * @param executor where the note is written: it goes to the disk, so not on the main thread. `null`: a thread of its own.
 */
@JvmOverloads
public fun Player.reportPlaybackTo(playback: LocalPlayback, executor: Executor? = null): AutoCloseable {
    val reporter = PlaybackReporter(playback, executor ?: Executor { Thread(it, "larder-playback").start() })
    addListener(reporter)
    reporter.look(this)
    return AutoCloseable { removeListener(reporter) }
}

private class PlaybackReporter(private val playback: LocalPlayback, private val executor: Executor) : Player.Listener {
    // The asset whose running playback is noted. Written by the executor, too: null again if noting has failed.
    @Volatile
    private var noted: String? = null

    override fun onPlaybackStateChanged(playbackState: Int) {
        if (playbackState == Player.STATE_IDLE || playbackState == Player.STATE_ENDED) noted = null
    }

    override fun onMediaItemTransition(mediaItem: MediaItem?, reason: Int) {
        noted = null
    }

    override fun onEvents(player: Player, events: Player.Events): Unit = look(player)

    fun look(player: Player) {
        if (!player.isPlaying) return
        val assetId = player.currentMediaItem?.larderAssetId ?: return
        if (noted == assetId) return
        noted = assetId
        val atMs = System.currentTimeMillis()
        executor.execute {
            try {
                playback.playbackStarted(assetId, atMs)
            } catch (_: LarderException) {
                noted = null
            }
        }
    }
}
