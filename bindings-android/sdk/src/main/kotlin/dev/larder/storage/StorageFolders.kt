package dev.larder.storage

import android.content.Context
import android.os.Environment
import android.os.storage.StorageManager
import dev.larder.StorageRoot
import java.io.File
import java.util.Locale

/**
 * The app's own folders, under names that stay when Android moves them: to adopted storage with the app, to another mount
 * point with a card. None of them needs a storage permission.
 *
 * | root | where |
 * |---|---|
 * | `downloads` | `getExternalFilesDir(DIRECTORY_DOWNLOADS)`: the place for media |
 * | `external` | `getExternalFilesDir(null)` |
 * | `volume-<uuid>` | the app's folder on a card or a stick, by the volume's UUID |
 * | `internal` | `filesDir`, on internal storage or, if the user moved the app there, on an adopted volume |
 *
 * A root whose volume is not mounted is not in the list.
 *
 * Everything here touches the disk: call it off the main thread.
 */
public class StorageFolders(context: Context) {
    private val context: Context = context.applicationContext ?: context

    /** Where a download goes unless the app knows better: `downloads`, or below `internal` while that is not mounted. */
    public fun downloads(): File = context.getExternalFilesDir(Environment.DIRECTORY_DOWNLOADS)?.takeIf(::isMounted)
        ?: File(context.filesDir, Environment.DIRECTORY_DOWNLOADS)

    /** The roots that are there now. */
    public fun roots(): List<StorageRoot> = buildList {
        add("downloads", context.getExternalFilesDir(Environment.DIRECTORY_DOWNLOADS)?.takeIf(::isMounted))
        // The first is the primary one; a volume that is not mounted is a null.
        val volumes: Array<File?> = context.getExternalFilesDirs(null)
        add("external", volumes.firstOrNull()?.takeIf(::isMounted))
        for (folder in volumes.drop(1)) {
            if (folder != null && isMounted(folder)) add(nameOfVolume(folder), folder)
        }
        add("internal", context.filesDir)
    }.distinctBy { it.name }

    /** Larder's database, sealed values and nothing else: where Android's backup does not look. */
    internal fun data(): File = File(context.noBackupFilesDir, "larder")

    /** By the volume's UUID, which it keeps in every device; one without has no name that would find it again. */
    private fun nameOfVolume(folder: File): String? {
        val storage = context.getSystemService(Context.STORAGE_SERVICE) as StorageManager
        return storage.getStorageVolume(folder)?.uuid?.let { "volume-${it.lowercase(Locale.ROOT)}" }
    }

    /** A folder that is given mostly is; one whose volume is just going may be given still. */
    private fun isMounted(folder: File): Boolean = Environment.getExternalStorageState(folder) !in GONE

    private fun MutableList<StorageRoot>.add(name: String?, folder: File?) {
        if (name != null && folder != null) add(StorageRoot(name, folder.path))
    }

    private companion object {
        val GONE = setOf(
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
