package dev.larder

import android.content.Context
import android.content.ContextWrapper
import android.os.Looper
import android.os.StrictMode
import dev.larder.support.Phone
import dev.larder.support.TestServers
import kotlinx.coroutines.runBlocking
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNull
import org.junit.Assert.assertSame
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import java.io.File
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit

/** What a manager takes from an Android [Context], and when. */
@RunWith(RobolectricTestRunner::class)
class AndroidSetupTest {
    private val clear = MediaSource("clear", "https://origin.example/manifest.mpd", MediaFormat.DASH)
    private val strictness = StrictMode.getThreadPolicy()

    @After
    fun end() = StrictMode.setThreadPolicy(strictness)

    @Test
    fun `its files lie where backups do not look, and media is found below the app's own folders`() {
        val film = Phone.download("cmaf-clear")
        runBlocking {
            LocalAssetsManager(Phone.app).use { manager ->
                assertEquals("downloads", manager.registerAsset(clear, film, "film").root)
                val inside = File(Phone.app.filesDir, "films/cmaf-clear").also { File(film).copyRecursively(it, true) }
                assertEquals("internal", manager.registerAsset(clear, inside.path, "inside").root)
                assertEquals(2, manager.removeAll())
            }
        }
        assertTrue(File(Phone.app.noBackupFilesDir, "larder/larder.db").isFile)
        assertEquals(emptyList<String>(), Phone.app.filesDir.walk().filter { "larder" in it.name }.map { it.name }.toList())
    }

    @Test
    fun `an adopted volume that the app is moved to keeps the name of the root`(): Unit = runBlocking {
        val before = Phone.app.filesDir
        val film = File(before, "films/cmaf-clear")
        File(Phone.download("cmaf-clear")).copyRecursively(film, overwrite = true)
        LocalAssetsManager(Phone.app).use { assertEquals("internal", it.registerAsset(clear, film.path, "film").root) }

        val adopted = File(before.parentFile, "mnt/expand/6f5a/files")
        assertTrue(before.copyRecursively(adopted, overwrite = true) && before.deleteRecursively())
        val moved = object : ContextWrapper(Phone.app) {
            override fun getApplicationContext(): Context = this
            override fun getFilesDir(): File = adopted
        }
        LocalAssetsManager(moved).use { manager ->
            assertEquals(File(adopted, "films/cmaf-clear").path, manager.asset("film")?.path)
            assertEquals(PlayabilityReason.PLAYABLE, manager.verifyAsset("film").why)
            manager.unregisterAsset("film")
        }
    }

    @Test
    fun `it keeps the application context of whatever it is given`() {
        var asked = 0
        val activity = object : ContextWrapper(Phone.app) {
            override fun getApplicationContext(): Context = super.getApplicationContext().also { asked++ }
            override fun getNoBackupFilesDir(): File = error("the activity's own")
            override fun getFilesDir(): File = error("the activity's own")
        }
        LocalAssetsManager(activity).use { runBlocking { it.open() } }
        assertTrue(asked > 0)
        // While an application is being made there is none yet.
        val early = object : ContextWrapper(Phone.app) {
            override fun getApplicationContext(): Context? = null
        }
        LocalAssetsManager(early).use { runBlocking { it.open() } }
    }

    /** A context that does nothing for the main thread which a disk could be asked for. */
    private class OffTheMainThread : ContextWrapper(Phone.app) {
        override fun getApplicationContext(): Context = this
        override fun getNoBackupFilesDir(): File = checked { super.getNoBackupFilesDir() }
        override fun getFilesDir(): File = checked { super.getFilesDir() }
        override fun getExternalFilesDir(type: String?): File? = checked { super.getExternalFilesDir(type) }
        override fun getExternalFilesDirs(type: String?): Array<File> = checked { super.getExternalFilesDirs(type) }
        override fun getSharedPreferences(name: String, mode: Int) = checked { super.getSharedPreferences(name, mode) }

        private fun <T> checked(ask: () -> T): T {
            check(Looper.myLooper() != Looper.getMainLooper()) { "on the main thread" }
            return ask()
        }
    }

    @Test
    fun `nothing of it touches the disk on the main thread, with StrictMode's penalties on`() {
        TestServers.start().use { servers ->
            val film = Phone.download("dash-cenc")
            assertSame(Looper.getMainLooper(), Looper.myLooper())
            StrictMode.setThreadPolicy(StrictMode.ThreadPolicy.Builder().detectAll().penaltyDeath().build())

            val manager = LocalAssetsManager(LarderSetup.Builder(OffTheMainThread()).softwareClearKey().build())
            val outcomes = mutableListOf<String>()
            manager.open(Outcome { outcomes += "open" })
            Phone.until("it is open") { outcomes == listOf("open") }

            manager.registerAsset(
                AssetRegistration("film", film, Phone.clearKeySource(servers)),
                Outcome { outcomes += it.why.name },
            )
            Phone.until("it is registered") { outcomes.last() == "PLAYABLE" }
            manager.setSourceUrlMode(SourceUrlMode.LOCAL_ALWAYS)
            assertNotNull(manager.sourceURLProvider.getURL("film"))
            val local = manager.localMediaSource("film")
            assertTrue(manager.licenseHandle(local.licenses.single().licenseId).isNotEmpty())
            assertEquals("film", manager.assets().single().assetId)
            manager.playbackStarted("film")
            manager.status("film", Outcome { outcomes += "status ${it.why}" })
            Phone.until("the status is told") { outcomes.last() == "status PLAYABLE" }
            manager.unregisterAsset(film, "film", { outcomes += "removed" })
            Phone.until("it is removed") { outcomes.last() == "removed" }
            manager.close()
        }
    }

    @Test
    fun `StrictMode would notice`() {
        StrictMode.setThreadPolicy(StrictMode.ThreadPolicy.Builder().detectDiskReads().penaltyDeath().build())
        val death = runCatching { StrictMode.noteDiskRead() }.exceptionOrNull()
        assertTrue("$death", death is RuntimeException && "StrictMode" in "${death.message}")
    }

    @Test
    fun `listeners are called on the main looper, or where the setup or the call says`() {
        val other = Executors.newSingleThreadExecutor { work -> Thread(work, "other") }
        LocalAssetsManager(Phone.app).use { manager ->
            var looper: Looper? = null
            manager.open(Outcome { looper = Looper.myLooper() })
            Phone.until("the listener is called") { looper != null }
            assertSame(Looper.getMainLooper(), looper)

            val thread = CountDownLatch(1)
            manager.open(Outcome { if (Thread.currentThread().name == "other") thread.countDown() }, other)
            assertTrue(thread.await(30, TimeUnit.SECONDS))
        }
        LocalAssetsManager(LarderSetup.Builder(Phone.app).callbackExecutor(other).build()).use { manager ->
            val thread = CountDownLatch(1)
            manager.open(Outcome { if (Thread.currentThread().name == "other") thread.countDown() })
            assertTrue(thread.await(30, TimeUnit.SECONDS))
        }
        other.shutdown()
    }

    @Test
    fun `a listener that is removed on the main thread is not called afterwards, even if its call has ended`() {
        LocalAssetsManager(Phone.app).use { manager ->
            runBlocking { manager.open() }
            var called = 0
            val screen = Outcome<OpenReport> { called++ }
            manager.open(screen)
            // It has ended when the next one, which is told elsewhere, has.
            val ended = CountDownLatch(1)
            manager.open(Outcome { ended.countDown() }, Runnable::run)
            assertTrue(ended.await(30, TimeUnit.SECONDS))
            manager.removeListener(screen)
            var last = false
            manager.open(Outcome { last = true })
            Phone.until("the last is told") { last }
            assertEquals(0, called)
        }
    }

    @Test
    fun `the app starts the library early only if it says so in its manifest`() {
        val merged = File(System.getProperty("larder.repository"), "bindings-android/sdk/src/main/AndroidManifest.xml")
        for (element in listOf("<provider", "<service", "<receiver", "<uses-permission")) {
            assertFalse(element, element in merged.readText())
        }
        val provider = Robolectric.buildContentProvider(LarderStartup::class.java).create().get()
        assertNull(provider.query(android.net.Uri.parse("content://x"), null, null, null, null))
        assertTrue(Larder.version().isNotEmpty())
    }

    @Test
    fun `a bad setting is told by the first call`() {
        LocalAssetsManager(LarderSetup.Builder(Phone.app).timeouts(0, 1, 1).build()).use { manager ->
            val refused = runCatching { manager.assets() }.exceptionOrNull()
            assertEquals(LarderException.Code.INVALID_ARGUMENT, (refused as LarderException).code)
        }
    }

    private class Outcome<T>(private val told: (T) -> Unit) : ResultListener<T> {
        override fun onSuccess(result: T) = told(result)

        override fun onFailed(error: LarderException) = throw error
    }
}
