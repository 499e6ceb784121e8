package dev.larder.internal.ffi

import dev.larder.LarderException
import dev.larder.storage.LocalDrmStorage
import java.io.FileNotFoundException

/** The app's storage as the core sees it. */
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
            // It is not there, as wanted.
        }
    }

    private inline fun <T> guarded(call: () -> T): T =
        guarding("the secret storage", LarderException.Code.STORAGE_FAILED, call)
}
