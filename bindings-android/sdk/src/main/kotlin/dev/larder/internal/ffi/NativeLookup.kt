package dev.larder.internal.ffi

import dev.larder.internal.Core

/**
 * The one call that goes to the native library by JNI and not through UniFFI: a player asks it at the start of every
 * playback, on its main thread, and a call through JNA costs thirty times as much.
 */
internal class NativeLookup(private val core: Core) {
    /** Asked once: a manager keeps its number for life. */
    private val lookupId: Long by lazy { core.call { it.lookupId() } }

    /** @throws LarderException as the contract's `source_url` does. */
    fun sourceUrl(entryId: String, currentUrl: String?): String? {
        if (NativeLibrary.isLinked) {
            try {
                return sourceUrl(lookupId, entryId, currentUrl)
            } catch (_: IllegalStateException) {
                // It has no error type of its own; the way below tells what is wrong.
            }
        }
        return core.call { it.sourceUrl(entryId, currentUrl) }
    }

    private companion object {
        /** Null keeps the current URL. Fails with an `IllegalStateException` that says nothing. */
        @JvmStatic
        external fun sourceUrl(lookupId: Long, entryId: String, currentUrl: String?): String?
    }
}
