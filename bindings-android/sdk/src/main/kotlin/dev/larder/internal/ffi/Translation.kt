package dev.larder.internal.ffi

import dev.larder.LarderException
import dev.larder.Remedy
import kotlin.coroutines.cancellation.CancellationException

/** Runs a call into the native library, and converts its exceptions into a [LarderException]. */
internal inline fun <T> translating(call: () -> T): T = try {
    call()
} catch (e: CancellationException) {
    // Ends the coroutine. It is an IllegalStateException as well, so this branch comes first.
    throw e
} catch (e: FfiException) {
    throw e.toLarder()
} catch (e: LarderException) {
    throw e
} catch (e: IllegalStateException) {
    // A generated object throws it once it is closed.
    throw LarderException(LarderException.Code.CLOSED, "the manager is closed: make a new one")
} catch (e: Exception) {
    // UniFFI throws it for a panic in the core. Its message may quote anything, so it is left out.
    throw LarderException(
        LarderException.Code.INTERNAL,
        "the native library failed unexpectedly (${e.javaClass.name})",
    )
}

/**
 * Runs code of the app for the native library, and converts everything that it throws into the contract's error.
 *
 * That includes `Error`: JNA would swallow it, and the native side would see success with a zero result. Anything but a
 * [LarderException] becomes [fallback] with the name of its class: its message may contain secrets.
 */
internal inline fun <T> guarding(delegate: String, fallback: String, call: () -> T): T = try {
    call()
} catch (e: Throwable) {
    throw e.toFfi(delegate, fallback)
}

internal fun FfiException.toLarder(): LarderException = when (this) {
    is FfiException.Failed -> LarderException(code, reason, remedy, isRetryable, httpStatus?.toInt())
}

internal fun Throwable.toFfi(delegate: String, fallback: String): FfiException = when (this) {
    is FfiException -> this

    is LarderException -> FfiException.Failed(code, message, remedy, isRetryable, httpStatus?.toUShort())

    is CancellationException, is InterruptedException -> {
        // Keep the flag: the next code on this thread must see the interruption, too.
        if (this is InterruptedException) Thread.currentThread().interrupt()
        failed(LarderException.Code.CANCELLED, "$delegate was cancelled")
    }

    else -> failed(fallback, "$delegate threw ${javaClass.name}")
}

private fun failed(code: String, reason: String) =
    FfiException.Failed(code, reason, LarderException.Code.remedyOf(code), LarderException.Code.isRetryable(code), null)
