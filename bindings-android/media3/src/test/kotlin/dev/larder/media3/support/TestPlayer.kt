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
import dev.larder.support.Condition
import dev.larder.support.eventually
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.shadows.ShadowSystemClock
import java.time.Duration

/**
 * A real ExoPlayer without a screen. Only the renderer is not Media3's own: it counts samples in place of a decoder.
 *
 * @param build builds the app's player.
 */
class TestPlayer(build: (ExoPlayer.Builder) -> ExoPlayer) : AutoCloseable {
    constructor(mediaSources: MediaSource.Factory) : this({ it.setMediaSourceFactory(mediaSources).build() })

    val screen = SampleCounter()
    val exo: ExoPlayer = build(
        ExoPlayer.Builder(RuntimeEnvironment.getApplication())
            .setRenderersFactory { _, _, _, _, _ -> arrayOf<Renderer>(screen) }
            .setTrackSelector(OneVideoTrack()),
    )

    /** Plays an item to its end. Returns the number of samples; throws the exception that the app gets. */
    fun play(item: MediaItem): Int {
        exo.setMediaItem(item)
        return play()
    }

    /** Plays the current item again. */
    fun play(): Int {
        screen.samples = 0
        exo.prepare()
        exo.play()
        return watch()
    }

    /** Waits for the end of the running playback. */
    fun watch(): Int {
        eventuallyOnPlayer("the end of the film") { exo.playbackState == Player.STATE_ENDED || exo.playerError != null }
        exo.playerError?.let { throw it }
        return screen.samples
    }

    /** Returns the error of an item that does not play. */
    fun failure(item: MediaItem): LarderException = try {
        play(item)
        throw AssertionError("it plays")
    } catch (e: PlaybackException) {
        e.toLarderException()
    }

    override fun close() {
        exo.release()
        shadowOf(Looper.getMainLooper()).idle()
    }
}

/** Selects the only video track. Media3's default selector needs an audio service that Robolectric's API 35 lacks. */
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

/** Waits until a condition holds, and advances the clock and the main looper meanwhile. */
fun eventuallyOnPlayer(what: String, condition: Condition) {
    val advance = {
        // Robolectric's clock stands still, and a player waits for it.
        ShadowSystemClock.advanceBy(Duration.ofMillis(200))
        shadowOf(Looper.getMainLooper()).idle()
        Thread.sleep(1)
    }
    eventually(what, advance, condition)
}

/** Reads a video track as a decoder does. Media3's sample queue returns a sample only if its session has keys. */
class SampleCounter : BaseRenderer(C.TRACK_TYPE_VIDEO) {
    @Volatile
    var samples = 0

    /** The height of the last video format. */
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
