package dev.larder.internal

import dev.larder.LarderException
import dev.larder.LarderSetup
import dev.larder.NetworkState
import dev.larder.internal.ffi.FfiCancellation
import dev.larder.internal.ffi.FfiManager
import dev.larder.internal.ffi.NativeLibrary
import dev.larder.internal.ffi.translating
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.async
import kotlinx.coroutines.runBlocking
import java.util.concurrent.atomic.AtomicBoolean

/**
 * The generated manager behind the hand-written API: one place where it is made, where its calls are made and where its
 * errors are translated.
 *
 * It is made in the background, because that loads the native library and asks the platform for folders, and whoever
 * constructs a manager may be on the main thread.
 */
internal class Core(setup: LarderSetup) {
    private val isClosed = AtomicBoolean()
    private val isEnded = AtomicBoolean()

    /** Set once it is there: what every call but the first few looks at. */
    @Volatile
    private var made: FfiManager? = null

    /** Both set before [made]. */
    private lateinit var conditions: Conditions
    private lateinit var watch: AutoCloseable

    /** Last, for it begins at once and sets what is above. */
    private val making: Deferred<Result<FfiManager>> = scope.async { runCatching { translating { make(setup) } } }

    /** A call that answers from memory, on the caller's thread. Only while the manager is being made does it wait. */
    inline fun <T> call(call: (FfiManager) -> T): T = translating { call(manager()) }

    /** An operation. Cancelling the coroutine stops it between two steps; it undoes what it began. */
    suspend inline fun <T> await(crossinline call: suspend (FfiManager) -> T): T = translating { call(awaitManager()) }

    /** An operation that the contract gives a cancellation of its own: dropping its future raises that, too. */
    suspend inline fun <T> awaitCancellable(crossinline call: suspend (FfiManager, FfiCancellation) -> T): T = translating {
        val manager = awaitManager()
        FfiCancellation().use { call(manager, it) }
    }

    fun setNetworkState(state: NetworkState): Unit = translating {
        manager()
        conditions.said(state)
    }

    /** Closing twice is closing once. */
    fun close() {
        if (isClosed.getAndSet(true)) return
        made?.let(::end)
    }

    fun manager(): FfiManager = made ?: blocking { making.await() }.unwrap()

    suspend fun awaitManager(): FfiManager = made ?: making.await().unwrap()

    private fun make(setup: LarderSetup): FfiManager {
        NativeLibrary.load()
        val manager = FfiManager(setup.config, setup.delegates())
        conditions = Conditions(manager)
        watch = setup.platform.watch(
            report = { telling { conditions.observed(it) } },
            volumesChanged = { telling { manager.setRoots(setup.rootsNow()) } },
        )
        made = manager
        // Whoever closes either sees it here, or is seen here.
        if (isClosed.get()) end(manager)
        return manager
    }

    /** What the platform has seen while the store cannot be opened, or after the end, is told to nobody. */
    private inline fun telling(tell: () -> Unit) {
        try {
            translating(tell)
        } catch (_: LarderException) {
            // The next call of the app's meets the same and is told.
        }
    }

    private fun end(manager: FfiManager) {
        if (isEnded.getAndSet(true)) return
        watch.close()
        // First the end, which the manager's other holders see, then the handle, for calls under way until they return.
        translating { manager.shutDown() }
        manager.close()
    }

    private fun Result<FfiManager>.unwrap(): FfiManager = getOrElse { failure ->
        // One of its own for each caller: an exception is no value to share between threads.
        throw if (failure is LarderException) failure.again() else failure
    }

    private fun LarderException.again() =
        LarderException(code, message, remedy, isRetryable, httpStatus).also { it.initCause(this) }

    private fun <T> blocking(wait: suspend () -> T): T = try {
        runBlocking { wait() }
    } catch (_: InterruptedException) {
        Thread.currentThread().interrupt()
        throw LarderException(
            LarderException.Code.CANCELLED,
            "the thread was interrupted while the manager was being made",
            isRetryable = true,
        )
    }

    companion object {
        private val scope = CoroutineScope(SupervisorJob() + Dispatchers.IO)
    }
}
