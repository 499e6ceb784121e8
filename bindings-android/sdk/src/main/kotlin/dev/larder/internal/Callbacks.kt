package dev.larder.internal

import dev.larder.Cancellable
import dev.larder.LarderException
import dev.larder.Remedy
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.async
import java.util.concurrent.CancellationException
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.Executor
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.RejectedExecutionException
import java.util.concurrent.ThreadPoolExecutor
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicReference

/** Starts operations for listeners and delivers each outcome exactly once, in order, on the executor of choice. */
internal class Callbacks(executor: Executor?) {
    private val executor = executor ?: ownThread()
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)
    private val waiting: MutableSet<Waiting<*>> = ConcurrentHashMap.newKeySet()

    /** A listener until it is told or taken away, whichever is first. */
    private class Waiting<L : Any>(listener: L?) {
        private val listener = AtomicReference(listener)

        fun isFor(other: Any): Boolean = listener.get() === other

        fun take(): L? = listener.getAndSet(null)
    }

    fun <L : Any, T> start(
        on: Executor?,
        listener: L?,
        work: suspend () -> T,
        deliver: (L, Result<T>) -> Unit,
    ): Cancellable {
        val told = Waiting(listener)
        waiting += told
        val call = scope.async { work() }
        // Also called for one that is cancelled before it begins.
        call.invokeOnCompletion { cause ->
            val outcome = if (cause == null) Result.success(completed(call)) else Result.failure(asError(cause))
            val delivery = Runnable {
                waiting -= told
                told.take()?.let { deliver(it, outcome) }
            }
            try {
                (on ?: executor).execute(delivery)
            } catch (_: RejectedExecutionException) {
                // The app's executor is shut down; a call still completes.
                Dispatchers.Default.dispatch(scope.coroutineContext, delivery)
            }
        }
        return Cancellable { call.cancel() }
    }

    /** Forgets a listener: no call that it waits for will reach it, unless one just does on another thread. */
    fun forget(listener: Any) {
        for (told in waiting) {
            if (told.isFor(listener)) {
                told.take()
                waiting -= told
            }
        }
    }

    @OptIn(ExperimentalCoroutinesApi::class)
    private fun <T> completed(call: Deferred<T>): T = call.getCompleted()

    private fun asError(cause: Throwable): LarderException = when (cause) {
        is LarderException -> cause

        is CancellationException ->
            LarderException(LarderException.Code.CANCELLED, "the call was cancelled", isRetryable = true)

        else -> LarderException(
            LarderException.Code.INTERNAL,
            "the call failed unexpectedly",
            Remedy.CONTACT_SUPPORT,
        )
    }

    private companion object {
        /** One thread, so that callbacks come in order; it goes when there is nothing to do. */
        fun ownThread(): Executor = ThreadPoolExecutor(1, 1, 10, TimeUnit.SECONDS, LinkedBlockingQueue()) { work ->
            Thread(work, "larder-callbacks").apply { isDaemon = true }
        }.apply { allowCoreThreadTimeOut(true) }
    }
}
