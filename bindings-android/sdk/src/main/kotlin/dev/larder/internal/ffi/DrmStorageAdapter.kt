package dev.larder.internal.ffi

import dev.larder.LarderException
import dev.larder.storage.LocalDrmStorage
import java.io.FileNotFoundException

/** Passes the core's calls to the app's secret storage, and converts its exceptions. */
internal class DrmStorageAdapter(private val storage: LocalDrmStorage) : FfiDrmStorage {
    override fun save(key: String, value: ByteArray) = guarded { storage.save(key, value) }

    override fun load(key: String): ByteArray? = guarded {
        try {
            storage.load(key)
        } catch (_: FileNotFoundException) {
            null
        }
    }

    override fun remove(key: String) = guarded {
        try {
            storage.remove(key)
        } catch (_: FileNotFoundException) {
            // The value is gone, which is the purpose of the call.
        }
    }

    private inline fun <T> guarded(call: () -> T): T =
        guarding("the secret storage", LarderException.Code.STORAGE_FAILED, call)
}
