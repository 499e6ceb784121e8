package dev.larder.internal.ffi

import dev.larder.LarderException
import dev.larder.Remedy
import kotlin.coroutines.cancellation.CancellationException

/** Runs a call into the native library, and turns what it throws into a [LarderException]. */
internal inline fun <T> translating(call: () -> T): T = try {
    call()
} catch (e: CancellationException) {
    // The coroutine's own; it is an IllegalStateException too, so it comes first.
    throw e
} catch (e: FfiException) {
    throw e.toLarder()
} catch (e: LarderException) {
    throw e
} catch (e: IllegalStateException) {
    // What a generated object says once it was closed.
    throw LarderException(LarderException.Code.CLOSED, "the manager was closed", Remedy.FIX_INPUT)
} catch (e: Exception) {
    // UniFFI's own: a panic in the core, which it catches. What it says may quote anything, so it stays out.
    throw LarderException(
        LarderException.Code.INTERNAL,
        "the native library failed unexpectedly (${e.javaClass.name})",
        Remedy.CONTACT_SUPPORT,
    )
}

/**
 * Runs code of the app for the native library, and turns whatever it throws into the contract's error.
 *
 * An `Error` as well: JNA would swallow it, and the native side would take it for success with a zero result.
 * [fallback] stands for what is no [LarderException]; of that only the class is told, for its message may hold anything.
 */
internal inline fun <T> guarding(what: String, fallback: String, call: () -> T): T = try {
    call()
} catch (e: Throwable) {
    throw e.toFfi(what, fallback)
}

internal fun FfiException.toLarder(): LarderException = when (this) {
    is FfiException.Failed -> LarderException(code, reason, remedy, isRetryable, httpStatus?.toInt())
}

internal fun Throwable.toFfi(what: String, fallback: String): FfiException = when (this) {
    is FfiException -> this

    is LarderException -> FfiException.Failed(code, message, remedy, isRetryable, httpStatus?.toUShort())

    is CancellationException, is InterruptedException -> {
        // Whoever interrupted this thread of ours wants to be heard by what runs on it next.
        if (this is InterruptedException) Thread.currentThread().interrupt()
        FfiException.Failed(LarderException.Code.CANCELLED, "$what was cancelled", Remedy.NOTHING, true, null)
    }

    else -> FfiException.Failed(fallback, "$what threw ${javaClass.name}", Remedy.FIX_INPUT, false, null)
}
