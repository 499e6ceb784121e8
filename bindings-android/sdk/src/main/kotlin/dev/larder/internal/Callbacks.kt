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

/** Starts calls for listeners, and delivers each result exactly once, in order, on the executor of the call. */
internal class Callbacks(executor: Executor?) {
    private val executor = executor ?: ownThread()
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)
    private val pending: MutableSet<PendingListener<*>> = ConcurrentHashMap.newKeySet()

    /** Holds a listener until its result is delivered or the listener is removed, whichever is first. */
    private class PendingListener<L : Any>(listener: L?) {
        private val listener = AtomicReference(listener)

        fun isFor(other: Any): Boolean = listener.get() === other

        fun take(): L? = listener.getAndSet(null)
    }

    fun <L : Any, T> start(
        callExecutor: Executor?,
        listener: L?,
        work: suspend () -> T,
        deliver: (L, Result<T>) -> Unit,
    ): Cancellable {
        val target = PendingListener(listener)
        pending += target
        val call = scope.async { work() }
        // Runs for a call that is cancelled before it starts, too.
        call.invokeOnCompletion { cause ->
            val outcome = if (cause == null) Result.success(completed(call)) else Result.failure(asError(cause))
            val delivery = Runnable {
                pending -= target
                target.take()?.let { deliver(it, outcome) }
            }
            try {
                (callExecutor ?: executor).execute(delivery)
            } catch (_: RejectedExecutionException) {
                // The app has shut its executor down. The call completes all the same.
                Dispatchers.Default.dispatch(scope.coroutineContext, delivery)
            }
        }
        return Cancellable { call.cancel() }
    }

    /** Removes a listener from its pending calls. A delivery that runs on another thread at this moment still reaches it. */
    fun forget(listener: Any) {
        for (target in pending) {
            if (target.isFor(listener)) {
                target.take()
                pending -= target
            }
        }
    }

    @OptIn(ExperimentalCoroutinesApi::class)
    private fun <T> completed(call: Deferred<T>): T = call.getCompleted()

    private fun asError(cause: Throwable): LarderException = when (cause) {
        is LarderException -> cause
        is CancellationException -> LarderException(LarderException.Code.CANCELLED, "the call was cancelled")
        else -> LarderException(LarderException.Code.INTERNAL, "the call failed unexpectedly (${cause.javaClass.name})")
    }

    private companion object {
        /** One thread, so that results arrive in order. The thread ends when it is idle. */
        fun ownThread(): Executor = ThreadPoolExecutor(1, 1, 10, TimeUnit.SECONDS, LinkedBlockingQueue()) { work ->
            Thread(work, "larder-callbacks").apply { isDaemon = true }
        }.apply { allowCoreThreadTimeOut(true) }
    }
}
