package dev.larder

import android.content.Context
import android.content.ContextWrapper
import android.os.Looper
import android.os.StrictMode
import dev.larder.support.AndroidTestDevice
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

/** Tests the defaults that a manager takes from an Android [Context]. */
@RunWith(RobolectricTestRunner::class)
class AndroidSetupTest {
    private val clear = MediaSource("clear", "https://origin.example/manifest.mpd", MediaFormat.DASH)
    private val strictness = StrictMode.getThreadPolicy()

    @After
    fun end() = StrictMode.setThreadPolicy(strictness)

    @Test
    fun `the database is excluded from backups and media has the roots of the app's folders`() {
        val film = AndroidTestDevice.download("cmaf-clear")
        runBlocking {
            LocalAssetsManager(AndroidTestDevice.app).use { manager ->
                assertEquals("downloads", manager.registerAsset(clear, film, "film").root)
                val inside = File(AndroidTestDevice.app.filesDir, "films/cmaf-clear").also {
                    File(film).copyRecursively(it, true)
                }
                assertEquals("internal", manager.registerAsset(clear, inside.path, "inside").root)
                assertEquals(2, manager.removeAll())
            }
        }
        assertTrue(File(AndroidTestDevice.app.noBackupFilesDir, "larder/larder.db").isFile)
        assertEquals(
            emptyList<String>(),
            AndroidTestDevice.app.filesDir.walk().filter {
                "larder" in it.name
            }.map { it.name }.toList(),
        )
    }

    @Test
    fun `a root keeps its name when the app moves to an adopted volume`(): Unit = runBlocking {
        val before = AndroidTestDevice.app.filesDir
        val film = File(before, "films/cmaf-clear")
        File(AndroidTestDevice.download("cmaf-clear")).copyRecursively(film, overwrite = true)
        LocalAssetsManager(AndroidTestDevice.app).use {
            assertEquals("internal", it.registerAsset(clear, film.path, "film").root)
        }

        val adopted = File(before.parentFile, "mnt/expand/6f5a/files")
        assertTrue(before.copyRecursively(adopted, overwrite = true) && before.deleteRecursively())
        val moved = object : ContextWrapper(AndroidTestDevice.app) {
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
    fun `a manager keeps only the application context`() {
        var asked = 0
        val activity = object : ContextWrapper(AndroidTestDevice.app) {
            override fun getApplicationContext(): Context = super.getApplicationContext().also { asked++ }
            override fun getNoBackupFilesDir(): File = error("the activity's own")
            override fun getFilesDir(): File = error("the activity's own")
        }
        LocalAssetsManager(activity).use { runBlocking { it.open() } }
        assertTrue(asked > 0)
        // While an Application is being created, its application context is null.
        val early = object : ContextWrapper(AndroidTestDevice.app) {
            override fun getApplicationContext(): Context? = null
        }
        LocalAssetsManager(early).use { runBlocking { it.open() } }
    }

    /** A context that fails every call on the main thread that may read the disk. */
    private class OffTheMainThread : ContextWrapper(AndroidTestDevice.app) {
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
    fun `no call reads the disk on the main thread under StrictMode`() {
        TestServers().use { servers ->
            val film = AndroidTestDevice.download("dash-cenc")
            assertSame(Looper.getMainLooper(), Looper.myLooper())
            StrictMode.setThreadPolicy(StrictMode.ThreadPolicy.Builder().detectAll().penaltyDeath().build())

            val manager = LocalAssetsManager(LarderSetup.Builder(OffTheMainThread()).softwareClearKey().build())
            val outcomes = mutableListOf<String>()
            manager.open(Outcome { outcomes += "open" })
            AndroidTestDevice.eventually("it is open") { outcomes == listOf("open") }

            manager.registerAsset(
                AssetRegistration("film", film, AndroidTestDevice.clearKeySource(servers)),
                Outcome { outcomes += it.why.name },
            )
            AndroidTestDevice.eventually("it is registered") { outcomes.last() == "PLAYABLE" }
            manager.setSourceUrlMode(SourceUrlMode.LOCAL_ALWAYS)
            assertNotNull(manager.sourceURLProvider.getURL("film"))
            val local = manager.localMediaSource("film")
            assertTrue(manager.licenseHandle(local.licenses.single().licenseId).isNotEmpty())
            assertEquals("film", manager.assets().single().assetId)
            manager.playbackStarted("film")
            manager.status("film", Outcome { outcomes += "status ${it.why}" })
            AndroidTestDevice.eventually("the status is reported") { outcomes.last() == "status PLAYABLE" }
            manager.unregisterAsset(film, "film", { outcomes += "removed" })
            AndroidTestDevice.eventually("it is removed") { outcomes.last() == "removed" }
            manager.close()
        }
    }

    @Test
    fun `StrictMode detects a disk read in this test environment`() {
        StrictMode.setThreadPolicy(StrictMode.ThreadPolicy.Builder().detectDiskReads().penaltyDeath().build())
        val death = runCatching { StrictMode.noteDiskRead() }.exceptionOrNull()
        assertTrue("$death", death is RuntimeException && "StrictMode" in "${death.message}")
    }

    @Test
    fun `listeners are called on the main looper or on the executor of the setup or the call`() {
        val other = Executors.newSingleThreadExecutor { work -> Thread(work, "other") }
        LocalAssetsManager(AndroidTestDevice.app).use { manager ->
            var looper: Looper? = null
            manager.open(Outcome { looper = Looper.myLooper() })
            AndroidTestDevice.eventually("the listener is called") { looper != null }
            assertSame(Looper.getMainLooper(), looper)

            val thread = CountDownLatch(1)
            manager.open(Outcome { if (Thread.currentThread().name == "other") thread.countDown() }, other)
            assertTrue(thread.await(30, TimeUnit.SECONDS))
        }
        LocalAssetsManager(LarderSetup.Builder(AndroidTestDevice.app).callbackExecutor(other).build()).use { manager ->
            val thread = CountDownLatch(1)
            manager.open(Outcome { if (Thread.currentThread().name == "other") thread.countDown() })
            assertTrue(thread.await(30, TimeUnit.SECONDS))
        }
        other.shutdown()
    }

    @Test
    fun `a listener removed on the main thread is not called even if its call has ended`() {
        LocalAssetsManager(AndroidTestDevice.app).use { manager ->
            runBlocking { manager.open() }
            var called = 0
            val screen = Outcome<OpenReport> { called++ }
            manager.open(screen)
            // The call has ended when a later one with another executor has ended.
            val ended = CountDownLatch(1)
            manager.open(Outcome { ended.countDown() }, Runnable::run)
            assertTrue(ended.await(30, TimeUnit.SECONDS))
            manager.removeListener(screen)
            var last = false
            manager.open(Outcome { last = true })
            AndroidTestDevice.eventually("the last listener is called") { last }
            assertEquals(0, called)
        }
    }

    @Test
    fun `the library is loaded early only if the app's manifest declares the provider`() {
        val merged = File(System.getProperty("larder.repository"), "bindings-android/sdk/src/main/AndroidManifest.xml")
        for (element in listOf("<provider", "<service", "<receiver", "<uses-permission")) {
            assertFalse(element, element in merged.readText())
        }
        val provider = Robolectric.buildContentProvider(LarderStartup::class.java).create().get()
        assertNull(provider.query(android.net.Uri.parse("content://x"), null, null, null, null))
        assertTrue(Larder.version().isNotEmpty())
    }

    @Test
    fun `the first call reports a bad setting`() {
        LocalAssetsManager(LarderSetup.Builder(AndroidTestDevice.app).timeouts(0, 1, 1).build()).use { manager ->
            val refused = runCatching { manager.assets() }.exceptionOrNull()
            assertEquals(LarderException.Code.INVALID_ARGUMENT, (refused as LarderException).code)
        }
    }

    private class Outcome<T>(private val told: (T) -> Unit) : ResultListener<T> {
        override fun onSuccess(result: T) = told(result)

        override fun onFailed(error: LarderException) = throw error
    }
}
