package dev.larder.support

import android.media.MediaPlayer
import android.net.Uri
import dev.larder.MediaEntry
import org.robolectric.shadows.ShadowMediaPlayer
import org.robolectric.shadows.util.DataSource

/**
 * A player as an app has one: it takes an entry's source that lies on the device, else the first, and prepares it with
 * Android's own player. Decoding is Robolectric's stand-in; what it accepts and refuses is the framework's state machine.
 */
class FrameworkPlayer {
    /** The URL that was prepared. */
    var prepared: String? = null
        private set

    fun prepare(entry: MediaEntry) {
        val source = entry.sources.firstOrNull { it.isLocal } ?: entry.sources.first()
        val file = checkNotNull(Uri.parse(source.url).path)
        check(java.io.File(file).isFile) { "nothing to play at $file" }
        ShadowMediaPlayer.addMediaInfo(DataSource.toDataSource(file), ShadowMediaPlayer.MediaInfo(10_000, 0))
        val player = MediaPlayer()
        player.setDataSource(file)
        player.prepare()
        check(player.duration == 10_000)
        player.release()
        prepared = source.url
    }
}
