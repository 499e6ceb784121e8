package dev.larder.support

import android.app.Application
import android.os.Looper
import dev.larder.DrmParams
import dev.larder.DrmScheme
import dev.larder.LarderSetup
import dev.larder.MediaFormat
import dev.larder.MediaSource
import dev.larder.storage.SharedPreferencesDrmStorage
import dev.larder.storage.StorageFolders
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import java.io.File

/** The device that Robolectric emulates: the app's context and folders, with downloads in the default folder. */
object AndroidTestDevice {
    @JvmStatic
    val app: Application get() = RuntimeEnvironment.getApplication()

    /** Copies a title of the testkit to the device. Returns the path to register. */
    @JvmStatic
    fun download(title: String): String = Media.copy(title, File(StorageFolders(app).downloads(), title)).path

    /** Returns Android's default setup with the software ClearKey engine: the emulated device has no CDM that plays. */
    @JvmStatic
    fun withClearKey(): LarderSetup.Builder = LarderSetup.Builder(app).softwareClearKey()

    @JvmStatic
    fun clearKeySource(servers: TestServers): MediaSource = MediaSource(
        id = "dash",
        url = servers.url("/media/dash-cenc/manifest.mpd"),
        format = MediaFormat.DASH,
        drm = listOf(DrmParams(DrmScheme.CLEAR_KEY, servers.url("/clearkey/license"))),
    )

    /** Returns the stored handles: tests of one class share the emulated device. */
    fun licenses(): Map<String, *> = app.getSharedPreferences(SharedPreferencesDrmStorage.DEFAULT_NAME, 0).all

    /** Waits until a condition holds, and runs the main looper meanwhile. The test's thread is the main thread. */
    @JvmStatic
    fun eventually(what: String, condition: Condition) {
        val runMainLooper = {
            shadowOf(Looper.getMainLooper()).idle()
            Thread.sleep(5)
        }
        runMainLooper()
        eventually(what, runMainLooper, condition)
    }
}
