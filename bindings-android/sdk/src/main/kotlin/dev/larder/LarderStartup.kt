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
 * Begins to load the native library when the app's process starts, in the background. Larder declares no component by
 * itself; an app that wants this declares it:
 * ```
 * <provider android:name="dev.larder.LarderStartup"
 *     android:authorities="${applicationId}.larder-startup" android:exported="false" />
 * ```
 * It provides no content.
 */
public class LarderStartup : ContentProvider() {
    override fun onCreate(): Boolean {
        CoroutineScope(SupervisorJob() + Dispatchers.IO).launch {
            // What is wrong with the library is told by the first call that needs it.
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
