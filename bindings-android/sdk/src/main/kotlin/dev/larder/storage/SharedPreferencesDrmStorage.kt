package dev.larder.storage

import android.content.Context
import android.content.SharedPreferences
import android.util.Base64
import dev.larder.LarderException
import dev.larder.Remedy
import java.io.FileNotFoundException
import java.io.IOException

/**
 * The default secret storage on Android: the app's private preferences.
 *
 * For handles that are worth nothing off the device, which key set ids of Widevine and PlayReady are. They are stored as
 * they are, without a key of the Android Keystore: one that is lost (it happens after updates, restores and changes of the
 * lock screen) would cost the user his titles on a plane. Handles that *are* keys, ClearKey's, belong in a
 * [SealedDrmStorage].
 *
 * Keep the file out of backups; the integration guide has the rules for the manifest. One process at a time.
 *
 * @param name the preferences file, of Larder's alone.
 */
public class SharedPreferencesDrmStorage @JvmOverloads constructor(
    context: Context,
    private val name: String = DEFAULT_NAME,
) : LocalDrmStorage {
    private val context: Context = context.applicationContext ?: context

    /** Opened on first use, which is on a background thread: opening reads the disk. */
    private val preferences: SharedPreferences by lazy { this.context.getSharedPreferences(name, Context.MODE_PRIVATE) }

    override fun save(key: String, value: ByteArray): Unit =
        written { putString(key, Base64.encodeToString(value, Base64.NO_WRAP)) }

    @Throws(FileNotFoundException::class)
    override fun load(key: String): ByteArray {
        val value = preferences.all[key] ?: throw FileNotFoundException(key)
        return try {
            Base64.decode(value as String, Base64.NO_WRAP)
        } catch (_: IllegalArgumentException) {
            throw unreadable()
        } catch (_: ClassCastException) {
            throw unreadable()
        }
    }

    override fun remove(key: String) {
        if (preferences.contains(key)) written { remove(key) }
    }

    private fun unreadable() = LarderException(
        LarderException.Code.LICENSE_UNREADABLE,
        "something else has written to the preferences",
        Remedy.REREGISTER,
    )

    /** `commit`, not `apply`: what is not on the disk when this returns is not saved. */
    private fun written(change: SharedPreferences.Editor.() -> Unit) {
        if (!preferences.edit().apply(change).commit()) throw IOException("the preferences cannot be written")
    }

    public companion object {
        /** The preferences file, for the backup rules. */
        public const val DEFAULT_NAME: String = "dev.larder.licenses"
    }
}
