package dev.larder.storage

import android.content.Context
import android.os.ParcelFileDescriptor
import dev.larder.LarderException
import dev.larder.PlayabilityReason
import dev.larder.Remedy
import dev.larder.internal.storage.KeystoreKey
import java.io.File
import java.io.FileNotFoundException

/**
 * A secret storage whose values are sealed with a key that never leaves the Android Keystore: AES-GCM, with the value's
 * own name as associated data, so that one value cannot be put in another's place. For handles that are keys themselves,
 * such as ClearKey's.
 *
 * The values are files below `noBackupFilesDir`: on another device, without the Keystore's key, they would be worth
 * nothing. A Keystore can lose a key. Then [load] fails with `LICENSE_UNREADABLE`, the asset's status says
 * [PlayabilityReason.LICENSE_UNREADABLE] with the remedy to register again, and new values are sealed with a new key. A
 * Keystore that only fails to answer is `STORAGE_FAILED`, which a later call may get over. [state] tells which it is.
 *
 * One process at a time.
 *
 * @param name of the key and the folder; one of the app's own for each storage.
 */
public class SealedDrmStorage @JvmOverloads constructor(context: Context, private val name: String = "licenses") :
    LocalDrmStorage {
    private val context: Context = context.applicationContext ?: context
    private val key = KeystoreKey("dev.larder.sealed.$name")
    private val files = FileDrmStorage({ File(StorageFolders(this.context).data(), "sealed-$name") }, ::sync)

    /** How the key is. */
    public enum class State(
        /** What the app can do about it. */
        public val remedy: Remedy,
    ) {
        /** It is there, or the first value will make it. */
        READY(Remedy.NOTHING),

        /**
         * It is gone or void for ever, and there are values that it has sealed: after a restore, a reset of the
         * Keystore, or a change of the lock screen on some devices. Register the assets again while online, which seals
         * with a new key; [SealedDrmStorage.reset] forgets the old values.
         */
        KEY_LOST(Remedy.REREGISTER),

        /**
         * The Keystore does not answer: the device has not been unlocked since it started, or the Keystore is broken for
         * the moment. Nothing is lost; ask again later. If it stays so after a restart of the device,
         * [SealedDrmStorage.reset] makes the storage usable again.
         */
        UNAVAILABLE(Remedy.RETRY),
    }

    /** How the key is now. Asks the Keystore and the disk: off the main thread. */
    public fun state(): State = when (key.check()) {
        is KeystoreKey.Found.Usable -> State.READY
        is KeystoreKey.Found.None, is KeystoreKey.Found.Void -> if (files.count() == 0) State.READY else State.KEY_LOST
        is KeystoreKey.Found.Unavailable -> State.UNAVAILABLE
    }

    /**
     * Forgets the key and every value, for good: their assets' status is then [PlayabilityReason.LICENSE_UNREADABLE] until
     * they are registered again.
     */
    public fun reset() {
        files.clear()
        key.forget()
    }

    override fun save(key: String, value: ByteArray): Unit = files.save(key, this.key.seal(value, associated(key)))

    @Throws(FileNotFoundException::class)
    override fun load(key: String): ByteArray {
        val sealed = files.load(key)
        return this.key.open(sealed, associated(key)) ?: throw LarderException(
            LarderException.Code.LICENSE_UNREADABLE,
            "the Android Keystore no longer has the key that this value was sealed with, or the value is damaged",
            Remedy.REREGISTER,
        )
    }

    override fun remove(key: String): Unit = files.remove(key)

    private fun associated(key: String): ByteArray = "$name/$key".encodeToByteArray()

    private companion object {
        /** A folder as a file descriptor: what Android has for it from the beginning. */
        fun sync(folder: File) {
            try {
                ParcelFileDescriptor.open(folder, ParcelFileDescriptor.MODE_READ_ONLY).use { it.fileDescriptor.sync() }
            } catch (_: FileNotFoundException) {
                // It is there, but this file system does not let folders be opened.
            }
        }
    }
}
