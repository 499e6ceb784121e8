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
 * Creates the generated manager behind the hand-written API, makes its calls and translates its errors.
 *
 * Creates it in the background: that loads the native library and reads the platform's folders, and an app may construct
 * [dev.larder.LocalAssetsManager] on the main thread.
 */
internal class Core(setup: LarderSetup) {
    private val isClosed = AtomicBoolean()
    private val isEnded = AtomicBoolean()

    /** Set when the manager exists. All calls but the first few read only this. */
    @Volatile
    private var created: FfiManager? = null

    /** Both set before [created]. */
    private lateinit var conditions: Conditions
    private lateinit var watch: AutoCloseable

    /** The last property: it starts at once and sets the properties above. */
    private val creating: Deferred<Result<FfiManager>> = scope.async { runCatching { translating { create(setup) } } }

    /** Runs a call that answers from memory, on the caller's thread. Waits only while the manager is being created. */
    inline fun <T> call(call: (FfiManager) -> T): T = translating { call(manager()) }

    /** Runs an operation. A cancelled coroutine stops it between two of its steps, and it rolls back its changes. */
    suspend inline fun <T> await(crossinline call: suspend (FfiManager) -> T): T = translating { call(awaitManager()) }

    /** Runs an operation that takes a cancellation object. A cancelled coroutine raises that cancellation, too. */
    suspend inline fun <T> awaitCancellable(crossinline call: suspend (FfiManager, FfiCancellation) -> T): T = translating {
        val manager = awaitManager()
        FfiCancellation().use { call(manager, it) }
    }

    fun setNetworkState(state: NetworkState): Unit = translating {
        manager()
        conditions.overrideNetwork(state)
    }

    /** Idempotent. */
    fun close() {
        if (isClosed.getAndSet(true)) return
        created?.let(::end)
    }

    fun manager(): FfiManager = created ?: blocking { creating.await() }.unwrap()

    suspend fun awaitManager(): FfiManager = created ?: creating.await().unwrap()

    private fun create(setup: LarderSetup): FfiManager {
        NativeLibrary.load()
        val manager = FfiManager(setup.config, setup.delegates())
        conditions = Conditions(manager)
        watch = setup.platform.watch(
            report = { ignoringErrors { conditions.observed(it) } },
            volumesChanged = { ignoringErrors { manager.setRoots(setup.rootsNow()) } },
        )
        created = manager
        // A concurrent close() either finds the manager, or has set the flag that is checked here.
        if (isClosed.get()) end(manager)
        return manager
    }

    /** Drops a report of the platform while the store cannot be opened, or after the end. */
    private inline fun ignoringErrors(report: () -> Unit) {
        try {
            translating(report)
        } catch (_: LarderException) {
            // The app's next call fails for the same reason and reports it.
        }
    }

    private fun end(manager: FfiManager) {
        if (isEnded.getAndSet(true)) return
        watch.close()
        // First shut down, which every holder of the manager sees, then free the handle, which running calls still use.
        translating { manager.shutDown() }
        manager.close()
    }

    private fun Result<FfiManager>.unwrap(): FfiManager = getOrElse { failure ->
        // Each caller gets an exception of its own: threads must not share one.
        throw if (failure is LarderException) failure.copy() else failure
    }

    private fun LarderException.copy() =
        LarderException(code, message, remedy, isRetryable, httpStatus).also { it.initCause(this) }

    private fun <T> blocking(wait: suspend () -> T): T = try {
        runBlocking { wait() }
    } catch (_: InterruptedException) {
        Thread.currentThread().interrupt()
        throw LarderException(
            LarderException.Code.CANCELLED,
            "the thread was interrupted while the manager was opening",
        )
    }

    companion object {
        private val scope = CoroutineScope(SupervisorJob() + Dispatchers.IO)
    }
}
