package dev.larder

import java.util.concurrent.atomic.AtomicBoolean

/** The generated manager behind the hand-written API: one place where its calls are made and its errors translated. */
internal class Core(private val manager: FfiManager) {
    private val isClosed = AtomicBoolean()

    /** A call that answers from memory, on the caller's thread. */
    inline fun <T> call(call: (FfiManager) -> T): T = translating { call(manager) }

    /** An operation. Cancelling the coroutine stops it between two steps; it undoes what it began. */
    suspend inline fun <T> await(crossinline call: suspend (FfiManager) -> T): T = translating { call(manager) }

    /** An operation that the contract gives a cancellation of its own: dropping its future raises that, too. */
    suspend inline fun <T> awaitCancellable(crossinline call: suspend (FfiManager, FfiCancellation) -> T): T =
        translating { FfiCancellation().use { call(manager, it) } }

    /** Closing twice is closing once. */
    fun close() {
        if (isClosed.getAndSet(true)) return
        // First the end, which the manager's other holders see, then the handle, for calls under way until they return.
        translating { manager.shutDown() }
        manager.close()
    }

    companion object {
        fun open(context: LarderContext): Core =
            translating { Core(FfiManager(context.config, context.delegates())) }
    }
}
