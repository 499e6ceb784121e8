package dev.larder.storage

import android.content.Context
import android.os.Environment
import android.os.storage.StorageManager
import dev.larder.StorageRoot
import java.io.File
import java.util.Locale

/**
 * The app's own folders, under names that stay the same when Android moves the folders: to adopted storage with the app, or to
 * another mount point with a card. None of them needs a storage permission.
 *
 * | root | folder |
 * |---|---|
 * | `downloads` | `getExternalFilesDir(DIRECTORY_DOWNLOADS)`: the default for media |
 * | `external` | `getExternalFilesDir(null)` |
 * | `volume-<uuid>` | the app's folder on a card or a stick, by the volume's UUID |
 * | `internal` | `filesDir`, on internal storage, or on an adopted volume if the user has moved the app there |
 *
 * [roots] leaves out a root whose volume is not mounted.
 *
 * Every function reads the disk: call it off the main thread.
 */
public class StorageFolders(context: Context) {
    private val context: Context = context.applicationContext ?: context

    /** Returns the default folder for downloads: `downloads`, or a folder below `internal` while `downloads` is not mounted. */
    public fun downloads(): File = context.getExternalFilesDir(Environment.DIRECTORY_DOWNLOADS)?.takeIf(::isMounted)
        ?: File(context.filesDir, Environment.DIRECTORY_DOWNLOADS)

    /** Returns the roots that are mounted now. */
    public fun roots(): List<StorageRoot> = buildList {
        add("downloads", context.getExternalFilesDir(Environment.DIRECTORY_DOWNLOADS)?.takeIf(::isMounted))
        // The first volume is the primary one. A volume that is not mounted is null.
        val volumes: Array<File?> = context.getExternalFilesDirs(null)
        add("external", volumes.firstOrNull()?.takeIf(::isMounted))
        for (folder in volumes.drop(1)) {
            if (folder != null && isMounted(folder)) add(nameOfVolume(folder), folder)
        }
        add("internal", context.filesDir)
    }.distinctBy { it.name }

    /** Returns the folder of Larder's database and encrypted values, which Android's backup leaves out. */
    internal fun data(): File = File(context.noBackupFilesDir, "larder")

    /** Returns the name by the volume's UUID, which is the same in every device; `null` for a volume without a UUID. */
    private fun nameOfVolume(folder: File): String? {
        val storage = context.getSystemService(Context.STORAGE_SERVICE) as StorageManager
        return storage.getStorageVolume(folder)?.uuid?.let { "volume-${it.lowercase(Locale.ROOT)}" }
    }

    /** Returns false for a folder whose volume is being removed: the framework may still list it. */
    private fun isMounted(folder: File): Boolean = Environment.getExternalStorageState(folder) !in UNMOUNTED_STATES

    private fun MutableList<StorageRoot>.add(name: String?, folder: File?) {
        if (name != null && folder != null) add(StorageRoot(name, folder.path))
    }

    private companion object {
        val UNMOUNTED_STATES = setOf(
            Environment.MEDIA_UNMOUNTED,
            Environment.MEDIA_REMOVED,
            Environment.MEDIA_BAD_REMOVAL,
            Environment.MEDIA_EJECTING,
            Environment.MEDIA_CHECKING,
            Environment.MEDIA_SHARED,
            Environment.MEDIA_UNMOUNTABLE,
            Environment.MEDIA_NOFS,
        )
    }
}
