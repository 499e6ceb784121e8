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
 * A secret storage that encrypts its values with a key of the Android Keystore, which never leaves the Keystore. Uses AES-GCM
 * with the key of the value as associated data, so that one value cannot replace another. For handles that are content keys, such
 * as those of ClearKey.
 *
 * The values are files below `noBackupFilesDir`: no other device can decrypt them. A Keystore can lose a key. Then [load] fails
 * with `LICENSE_UNREADABLE`, the asset's status is [PlayabilityReason.LICENSE_UNREADABLE] with the remedy to register again, and
 * new values get a new key. If a Keystore only fails to answer, the code is `STORAGE_FAILED`, and a later call may succeed.
 * [state] returns the state of the key.
 *
 * Only one process at a time may use a storage.
 *
 * @param name the name of the key and of the folder, one for each storage of the app.
 */
public class SealedDrmStorage @JvmOverloads constructor(context: Context, private val name: String = "licenses") :
    LocalDrmStorage {
    private val context: Context = context.applicationContext ?: context
    private val key = KeystoreKey("dev.larder.sealed.$name")
    private val files = FileDrmStorage({ File(StorageFolders(this.context).data(), "sealed-$name") }, ::sync)

    /** The state of the key. */
    public enum class State(
        /** The action that can help. */
        public val remedy: Remedy,
    ) {
        /** The key works, or the first value will generate it. */
        READY(Remedy.NOTHING),

        /**
         * The key is lost for good, and there are values that it has encrypted: after a restore, a reset of the Keystore, or
         * a change of the lock screen on some devices. Register the assets again while online, which encrypts with a new key.
         * [SealedDrmStorage.reset] deletes the old values.
         */
        KEY_LOST(Remedy.REREGISTER),

        /**
         * The Keystore does not answer: the device has not been unlocked since its start, or the Keystore fails temporarily.
         * Nothing is lost; try again later. If the state persists after a restart of the device, [SealedDrmStorage.reset]
         * makes the storage usable again.
         */
        UNAVAILABLE(Remedy.RETRY),
    }

    /** Returns the state of the key. Reads the Keystore and the disk: call it off the main thread. */
    public fun state(): State = when (key.check()) {
        is KeystoreKey.Found.Usable -> State.READY

        is KeystoreKey.Found.None, is KeystoreKey.Found.Invalidated -> if (files.count() ==
            0
        ) {
            State.READY
        } else {
            State.KEY_LOST
        }

        is KeystoreKey.Found.Unavailable -> State.UNAVAILABLE
    }

    /**
     * Deletes the key and every value, for good. The status of their assets is [PlayabilityReason.LICENSE_UNREADABLE] until the
     * app registers them again.
     */
    public fun reset() {
        files.clear()
        key.delete()
    }

    override fun save(key: String, value: ByteArray): Unit = files.save(key, this.key.seal(value, associated(key)))

    @Throws(FileNotFoundException::class)
    override fun load(key: String): ByteArray {
        val sealed = files.load(key)
        return this.key.open(sealed, associated(key)) ?: throw LarderException(
            LarderException.Code.LICENSE_UNREADABLE,
            "the Android Keystore no longer has the key of this value, or the value is damaged: register again",
        )
    }

    override fun remove(key: String): Unit = files.remove(key)

    private fun associated(key: String): ByteArray = "$name/$key".encodeToByteArray()

    private companion object {
        /** Syncs a folder through a file descriptor, which every version of Android can open. */
        fun sync(folder: File) {
            try {
                ParcelFileDescriptor.open(folder, ParcelFileDescriptor.MODE_READ_ONLY).use { it.fileDescriptor.sync() }
            } catch (_: FileNotFoundException) {
                // The folder exists, but its file system does not permit to open folders.
            }
        }
    }
}
