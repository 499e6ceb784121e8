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
 * For handles that are useless on another device, such as key set ids of Widevine and PlayReady. Stores them without encryption
 * by the Android Keystore: a lost key (after an update, a restore or a change of the lock screen) would make the user's titles
 * unplayable while offline. Handles that are content keys, such as those of ClearKey, belong in a [SealedDrmStorage].
 *
 * Exclude the file from backups; the integration guide has the rules for the manifest. Only one process at a time may use it.
 *
 * @param name the name of the preferences file, which only Larder uses.
 */
public class SharedPreferencesDrmStorage @JvmOverloads constructor(
    context: Context,
    private val name: String = DEFAULT_NAME,
) : LocalDrmStorage {
    private val context: Context = context.applicationContext ?: context

    /** Opened at the first use, which is on a background thread: opening reads the disk. */
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
        "the value in the preferences is not one of Larder: register again",
    )

    /** Writes with `commit`, not `apply`: a value is saved only when it is on the disk. */
    private fun written(change: SharedPreferences.Editor.() -> Unit) {
        if (!preferences.edit().apply(change).commit()) throw IOException("the preferences cannot be written")
    }

    public companion object {
        /** The name of the preferences file, for the backup rules. */
        public const val DEFAULT_NAME: String = "dev.larder.licenses"
    }
}
