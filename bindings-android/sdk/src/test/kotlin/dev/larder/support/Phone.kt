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

/** An app on a phone: its context, its folders, and media that it has downloaded to where Larder suggests. */
object Phone {
    @JvmStatic
    val app: Application get() = RuntimeEnvironment.getApplication()

    /** Copies one of the testkit's titles to the phone. Returns what to register. */
    @JvmStatic
    fun download(title: String): String {
        val folder = File(StorageFolders(app).downloads(), title)
        Media.folder.resolve(title).copyRecursively(folder, overwrite = true)
        return folder.path
    }

    /** Android's own setup, and the software ClearKey engine: a sandbox has no CDM that plays. */
    @JvmStatic
    fun withClearKey(): LarderSetup.Builder = LarderSetup.Builder(app).softwareClearKey()

    @JvmStatic
    fun clearKeySource(servers: TestServers): MediaSource = MediaSource(
        id = "dash",
        url = servers.url("/media/dash-cenc/manifest.mpd"),
        format = MediaFormat.DASH,
        drm = listOf(DrmParams(DrmScheme.CLEAR_KEY, servers.url("/clearkey/license"))),
    )

    /** Every preference that a test may have left: the sandbox's phone is not wiped between tests of one class. */
    fun licenses(): Map<String, *> = app.getSharedPreferences(SharedPreferencesDrmStorage.DEFAULT_NAME, 0).all

    /** Runs what waits on the main looper until it is so, or fails. The test's thread is the main one. */
    @JvmStatic
    fun until(what: String, isSo: () -> Boolean) {
        val end = System.nanoTime() + 30_000_000_000
        while (!isSo()) {
            shadowOf(Looper.getMainLooper()).idle()
            check(System.nanoTime() < end) { "never: $what" }
            Thread.sleep(5)
        }
    }
}
