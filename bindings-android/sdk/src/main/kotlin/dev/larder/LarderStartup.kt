package dev.larder

import android.content.ContentProvider
import android.content.ContentValues
import android.database.Cursor
import android.net.Uri
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.launch

/**
 * Loads the native library in the background when the app's process starts. Larder's manifest declares no component; an app
 * that wants an early start declares this one:
 * ```
 * <provider android:name="dev.larder.LarderStartup"
 *     android:authorities="${applicationId}.larder-startup" android:exported="false" />
 * ```
 * The provider has no content.
 */
public class LarderStartup : ContentProvider() {
    override fun onCreate(): Boolean {
        CoroutineScope(SupervisorJob() + Dispatchers.IO).launch {
            // A failure is reported again by the first call that needs the library.
            runCatching { Larder.open() }
        }
        return true
    }

    override fun query(
        uri: Uri,
        projection: Array<out String>?,
        selection: String?,
        selectionArgs: Array<out String>?,
        sortOrder: String?,
    ): Cursor? = null

    override fun getType(uri: Uri): String? = null

    override fun insert(uri: Uri, values: ContentValues?): Uri? = null

    override fun delete(uri: Uri, selection: String?, selectionArgs: Array<out String>?): Int = 0

    override fun update(uri: Uri, values: ContentValues?, selection: String?, selectionArgs: Array<out String>?): Int = 0
}
