package dev.larder.internal.ffi

import dev.larder.LarderException
import dev.larder.internal.Core

/**
 * Calls `source_url` by JNI. A player makes this call at the start of every playback, on its main thread, and a call through
 * UniFFI and JNA takes thirty times as long. Every other call goes through UniFFI.
 */
internal class NativeLookup(private val core: Core) {
    /** The number of the manager in the native library. It never changes. */
    private val lookupId: Long by lazy { core.call { it.lookupId() } }

    /**
     * Returns the URL to play, `null` to keep [currentUrl].
     *
     * @throws LarderException as the contract's `source_url` does.
     */
    fun sourceUrl(entryId: String, currentUrl: String?): String? {
        if (NativeLibrary.isLinked) {
            try {
                return sourceUrl(lookupId, entryId, currentUrl)
            } catch (_: IllegalStateException) {
                // The JNI function has no typed error. The call below fails with one.
            }
        }
        return core.call { it.sourceUrl(entryId, currentUrl) }
    }

    private companion object {
        /** Returns `null` to keep the current URL. Throws an `IllegalStateException` without a reason. */
        @JvmStatic
        external fun sourceUrl(lookupId: Long, entryId: String, currentUrl: String?): String?
    }
}
