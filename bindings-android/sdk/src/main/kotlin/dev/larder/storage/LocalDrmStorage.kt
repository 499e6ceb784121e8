package dev.larder.storage

import dev.larder.LarderException
import java.io.FileNotFoundException

/**
 * The app's secret storage: stores small values, which are license handles, under short keys.
 *
 * Called on background threads, several calls at once, never under a lock of Larder, for at most
 * `LarderConfig.delegateTimeoutSeconds`. It may block and may call the manager. If it throws, `Error` included, the call that
 * needs it fails with [LarderException.Code.STORAGE_FAILED]; a registration then rolls back its changes.
 */
public interface LocalDrmStorage {
    /** Stores a value, replaces an existing one, and returns when it is durable. Larder reads the value back to verify it. */
    public fun save(key: String, value: ByteArray)

    /**
     * Returns a value.
     *
     * @throws FileNotFoundException if there is no value for [key]. A result of `null` means the same.
     */
    @Throws(FileNotFoundException::class)
    public fun load(key: String): ByteArray?

    /** Removes a value. Idempotent. */
    public fun remove(key: String)
}
