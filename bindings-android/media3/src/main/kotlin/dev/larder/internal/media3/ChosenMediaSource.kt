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
import dev.larder.Remedy
import java.io.IOException
import java.util.concurrent.Executor
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.ThreadPoolExecutor
import java.util.concurrent.TimeUnit

/**
 * A source that is chosen anew each time it is prepared. The question may take as long as the app's provider does, so it is
 * asked on [executor]; everything else happens on the playback thread.
 */
@OptIn(UnstableApi::class)
internal class ChosenMediaSource(
    private val asked: MediaItem,
    private val factory: MediaSource.Factory,
    private val executor: Executor,
    private val choose: () -> MediaItem,
) : CompositeMediaSource<Int>() {
    // Counts preparations: the answer to a question of an earlier one is not taken.
    private var round = 0

    @Volatile
    private var chosen: MediaSource? = null
    private var failure: IOException? = null

    override fun getMediaItem(): MediaItem = chosen?.mediaItem ?: asked

    override fun prepareSourceInternal(mediaTransferListener: TransferListener?) {
        super.prepareSourceInternal(mediaTransferListener)
        val thisRound = ++round
        val playbackThread: Handler = Util.createHandlerForCurrentLooper()
        executor.execute {
            val answer = runCatching(choose)
            playbackThread.post { if (thisRound == round) prepareWith(answer) }
        }
    }

    private fun prepareWith(answer: Result<MediaItem>) {
        try {
            val source = factory.createMediaSource(answer.getOrThrow())
            chosen = source
            prepareChildSource(round, source)
        } catch (e: Exception) {
            failure = IOException("the source URL was not chosen", asLarderException(e))
        }
    }

    // The app's own provider, asked directly, may throw anything; its message may hold a URL.
    private fun asLarderException(cause: Exception): LarderException = cause as? LarderException ?: LarderException(
        LarderException.Code.DELEGATE_FAILED,
        "the source URL provider threw ${cause.javaClass.name}",
        Remedy.FIX_INPUT,
    )

    override fun maybeThrowSourceInfoRefreshError() {
        failure?.let { throw it }
        super.maybeThrowSourceInfoRefreshError()
    }

    override fun onChildSourceInfoRefreshed(childSourceId: Int, mediaSource: MediaSource, newTimeline: Timeline) {
        refreshSourceInfo(newTimeline)
    }

    override fun createPeriod(id: MediaSource.MediaPeriodId, allocator: Allocator, startPositionUs: Long): MediaPeriod =
        checkNotNull(chosen) { "a period before the timeline" }.createPeriod(id, allocator, startPositionUs)

    override fun releasePeriod(mediaPeriod: MediaPeriod) {
        checkNotNull(chosen).releasePeriod(mediaPeriod)
    }

    override fun releaseSourceInternal() {
        super.releaseSourceInternal()
        round++
        chosen = null
        failure = null
    }
}

/** One thread for questions to providers, gone when there are none. */
internal object SourceQuestions : Executor {
    private val threads = ThreadPoolExecutor(2, 2, 10, TimeUnit.SECONDS, LinkedBlockingQueue()) { work ->
        Thread(work, "larder-source-url").apply { isDaemon = true }
    }.apply { allowCoreThreadTimeOut(true) }

    override fun execute(command: Runnable): Unit = threads.execute(command)
}
