package dev.larder.media3.support

import android.os.Looper
import android.util.Pair
import androidx.media3.common.C
import androidx.media3.common.Format
import androidx.media3.common.MediaItem
import androidx.media3.common.MimeTypes
import androidx.media3.common.PlaybackException
import androidx.media3.common.Player
import androidx.media3.common.Timeline
import androidx.media3.decoder.DecoderInputBuffer
import androidx.media3.exoplayer.BaseRenderer
import androidx.media3.exoplayer.ExoPlayer
import androidx.media3.exoplayer.Renderer
import androidx.media3.exoplayer.RendererCapabilities
import androidx.media3.exoplayer.RendererConfiguration
import androidx.media3.exoplayer.source.MediaSource
import androidx.media3.exoplayer.trackselection.ExoTrackSelection
import androidx.media3.exoplayer.trackselection.FixedTrackSelection
import androidx.media3.exoplayer.trackselection.MappingTrackSelector
import dev.larder.LarderException
import dev.larder.media3.toLarderException
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.shadows.ShadowSystemClock
import java.time.Duration

/**
 * A real ExoPlayer without a screen: everything is Media3's own but the renderer, which counts samples for a decoder.
 *
 * @param build what the app makes of a builder.
 */
class Theatre(build: (ExoPlayer.Builder) -> ExoPlayer) : AutoCloseable {
    constructor(mediaSources: MediaSource.Factory) : this({ it.setMediaSourceFactory(mediaSources).build() })

    val screen = SampleCounter()
    val player: ExoPlayer = build(
        ExoPlayer.Builder(RuntimeEnvironment.getApplication())
            .setRenderersFactory { _, _, _, _, _ -> arrayOf<Renderer>(screen) }
            .setTrackSelector(OneVideoTrack()),
    )

    /** Plays to the end, and says how many samples were seen. Throws what stands in the way, as the app sees it. */
    fun play(item: MediaItem): Int {
        player.setMediaItem(item)
        return play()
    }

    /** The same with what is there already. */
    fun play(): Int {
        screen.samples = 0
        player.prepare()
        player.play()
        return watch()
    }

    /** The same with what plays already. */
    fun watch(): Int {
        until("the end of the film") { player.playbackState == Player.STATE_ENDED || player.playerError != null }
        player.playerError?.let { throw it }
        return screen.samples
    }

    /** What the app is told when this item does not play. */
    fun failure(item: MediaItem): LarderException = try {
        play(item)
        throw AssertionError("it plays")
    } catch (e: PlaybackException) {
        e.toLarderException()
    }

    override fun close() {
        player.release()
        shadowOf(Looper.getMainLooper()).idle()
    }
}

/** Media3's default selector asks the audio service about loudspeakers, which Robolectric's API 35 does not have. */
private class OneVideoTrack : MappingTrackSelector() {
    override fun selectTracks(
        tracks: MappedTrackInfo,
        formatSupports: Array<Array<IntArray>>,
        mixedMimeTypeAdaptationSupports: IntArray,
        period: MediaSource.MediaPeriodId,
        timeline: Timeline,
    ): Pair<Array<RendererConfiguration?>, Array<ExoTrackSelection?>> {
        val groups = tracks.getTrackGroups(0)
        return Pair(arrayOf(RendererConfiguration.DEFAULT), arrayOf(FixedTrackSelection(groups[0], 0)))
    }
}

/** Runs the main looper and the device's clock until it is so. */
fun until(what: String, isSo: () -> Boolean) {
    val end = System.nanoTime() + 30_000_000_000
    while (!isSo()) {
        check(System.nanoTime() < end) { "never: $what" }
        // Time stands still under Robolectric, and a player waits.
        ShadowSystemClock.advanceBy(Duration.ofMillis(200))
        shadowOf(Looper.getMainLooper()).idle()
        Thread.sleep(1)
    }
}

/** Reads a video track as a decoder would. Media3's sample queue gives a sample only when its session has keys. */
class SampleCounter : BaseRenderer(C.TRACK_TYPE_VIDEO) {
    @Volatile
    var samples = 0

    /** Of the pictures seen last. */
    @Volatile
    var height = 0
    private val buffer = DecoderInputBuffer(DecoderInputBuffer.BUFFER_REPLACEMENT_MODE_NORMAL)
    private var isEnded = false
    private var hasRead = false

    override fun getName() = "SampleCounter"

    override fun supportsFormat(format: Format): Int = RendererCapabilities.create(
        if (MimeTypes.isVideo(format.sampleMimeType)) C.FORMAT_HANDLED else C.FORMAT_UNSUPPORTED_TYPE,
    )

    override fun render(positionUs: Long, elapsedRealtimeUs: Long) {
        while (!isEnded) {
            buffer.clear()
            val holder = formatHolder
            when (readSource(holder, buffer, 0)) {
                C.RESULT_FORMAT_READ -> height = checkNotNull(holder.format).height
                C.RESULT_BUFFER_READ -> read()
                C.RESULT_NOTHING_READ -> return
            }
        }
    }

    private fun read() {
        if (buffer.isEndOfStream) {
            isEnded = true
        } else {
            samples++
            hasRead = true
        }
    }

    override fun onPositionReset(positionUs: Long, joining: Boolean, sampleStreamIsResetToKeyFrame: Boolean) {
        isEnded = false
        hasRead = false
    }

    override fun isReady() = hasRead

    override fun isEnded() = isEnded
}
