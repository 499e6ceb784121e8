package dev.larder.internal.media3

import android.os.Handler
import androidx.annotation.OptIn
import androidx.media3.common.MediaItem
import androidx.media3.common.Timeline
import androidx.media3.common.util.UnstableApi
import androidx.media3.common.util.Util
import androidx.media3.datasource.TransferListener
import androidx.media3.exoplayer.source.CompositeMediaSource
import androidx.media3.exoplayer.source.MediaPeriod
import androidx.media3.exoplayer.source.MediaSource
import androidx.media3.exoplayer.upstream.Allocator
import dev.larder.LarderException
import java.io.IOException
import java.util.concurrent.Executor
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.ThreadPoolExecutor
import java.util.concurrent.TimeUnit

/**
 * A source that is chosen again at each preparation. [choose] calls the app's provider, which may take long, so it runs on
 * [executor]. Everything else runs on the playback thread.
 */
@OptIn(UnstableApi::class)
internal class ChosenMediaSource(
    private val original: MediaItem,
    private val factory: MediaSource.Factory,
    private val executor: Executor,
    private val choose: () -> MediaItem,
) : CompositeMediaSource<Int>() {
    // Counts preparations: the result of an earlier preparation is dropped.
    private var preparation = 0

    @Volatile
    private var chosen: MediaSource? = null
    private var failure: IOException? = null

    override fun getMediaItem(): MediaItem = chosen?.mediaItem ?: original

    override fun prepareSourceInternal(mediaTransferListener: TransferListener?) {
        super.prepareSourceInternal(mediaTransferListener)
        val current = ++preparation
        val playbackThread: Handler = Util.createHandlerForCurrentLooper()
        executor.execute {
            val result = runCatching(choose)
            playbackThread.post { if (current == preparation) prepareWith(result) }
        }
    }

    private fun prepareWith(result: Result<MediaItem>) {
        try {
            val source = factory.createMediaSource(result.getOrThrow())
            chosen = source
            prepareChildSource(preparation, source)
        } catch (e: Exception) {
            failure = IOException("the source URL provider failed", asLarderException(e))
        }
    }

    // The app's provider may throw any exception, whose message may contain a URL.
    private fun asLarderException(cause: Exception): LarderException = cause as? LarderException ?: LarderException(
        LarderException.Code.DELEGATE_FAILED,
        "the source URL provider threw ${cause.javaClass.name}",
    )

    override fun maybeThrowSourceInfoRefreshError() {
        failure?.let { throw it }
        super.maybeThrowSourceInfoRefreshError()
    }

    override fun onChildSourceInfoRefreshed(childSourceId: Int, mediaSource: MediaSource, newTimeline: Timeline) {
        refreshSourceInfo(newTimeline)
    }

    override fun createPeriod(id: MediaSource.MediaPeriodId, allocator: Allocator, startPositionUs: Long): MediaPeriod =
        checkNotNull(chosen) { "createPeriod before the timeline" }.createPeriod(id, allocator, startPositionUs)

    override fun releasePeriod(mediaPeriod: MediaPeriod) {
        checkNotNull(chosen).releasePeriod(mediaPeriod)
    }

    override fun releaseSourceInternal() {
        super.releaseSourceInternal()
        preparation++
        chosen = null
        failure = null
    }
}

/** Runs the calls of source URL providers on two threads, which end when they are idle. */
internal object SourceUrlExecutor : Executor {
    private val threads = ThreadPoolExecutor(2, 2, 10, TimeUnit.SECONDS, LinkedBlockingQueue()) { work ->
        Thread(work, "larder-source-url").apply { isDaemon = true }
    }.apply { allowCoreThreadTimeOut(true) }

    override fun execute(command: Runnable): Unit = threads.execute(command)
}
