package dev.larder.support

import android.media.MediaPlayer
import android.net.Uri
import dev.larder.MediaEntry
import org.robolectric.shadows.ShadowMediaPlayer
import org.robolectric.shadows.util.DataSource

/**
 * A player of an app: takes the local source of an entry, else the first source, and prepares it with Android's player. The state
 * machine is the framework's; Robolectric simulates decoding.
 */
class FrameworkPlayer {
    /** The prepared URL. */
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
