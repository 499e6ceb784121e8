package dev.larder.storage

import dev.larder.LarderException
import java.io.FileNotFoundException

/**
 * The app's secret storage: small values, which are license handles, under short keys of Larder's.
 *
 * Called on background threads, several at once, never under a lock of Larder's, and bounded by
 * `LarderConfig.delegateTimeoutSeconds`. It may block and may use the manager. Whatever it throws, `Error` included, makes the
 * call that needed it fail with [LarderException.Code.STORAGE_FAILED]; a registration then leaves nothing behind.
 */
public interface LocalDrmStorage {
    /** Stores a value, replacing an older one, and returns only when it is durable. It is read back and compared. */
    public fun save(key: String, value: ByteArray)

    /**
     * Gives a value back.
     *
     * @throws FileNotFoundException if there is none. `null` says the same.
     */
    @Throws(FileNotFoundException::class)
    public fun load(key: String): ByteArray?

    /** Removes a value. Removing one that is not there is no error. */
    public fun remove(key: String)
}
