package dev.larder

import dev.larder.storage.LocalDrmStorage
import dev.larder.storage.MemoryDrmStorage
import dev.larder.support.CLEAR_TITLE
import dev.larder.support.KotlinClearKeyEngine
import dev.larder.support.PROTECTED_TITLE
import dev.larder.support.TestDevice
import dev.larder.support.TestServers
import dev.larder.support.clearSource
import dev.larder.support.eventually
import dev.larder.support.protectedSource
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import java.io.File
import java.lang.ref.WeakReference
import java.util.concurrent.Callable
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit

class LifecycleTest {
    private val device = TestDevice()

    @AfterEach
    fun end() = device.close()

    @Test
    fun `every call after close is CLOSED and close is idempotent`(): Unit = runBlocking {
        val path = device.download(CLEAR_TITLE)
        val manager = LocalAssetsManager(device.setup())
        manager.registerAsset(clearSource, path, "a")
        manager.close()
        manager.close()
        val calls = listOf<suspend () -> Any?>(
            { manager.open() },
            { manager.registerAsset(clearSource, path, "b") },
            { manager.refreshAsset("a") },
            { manager.unregisterAsset("a") },
            { manager.removeAll() },
            { manager.status("a") },
            { manager.allStatuses() },
            { manager.verifyAsset("a") },
            { manager.renewAll(kotlin.time.Duration.ZERO) },
            { manager.reconcile() },
            { manager.assets() },
            { manager.asset("a") },
            { manager.assetAt(path) },
            { manager.assetsOfEntry("a") },
            { manager.metadata("a") },
            { manager.getLocalMediaSource("a", path) },
            { manager.licenseHandle("00112233445566778899aabbccddeeff") },
            { manager.playbackStarted("a") },
            { manager.sourceUrl("a") },
            { manager.setSourceUrlMode(SourceUrlMode.OFF) },
            { manager.setNetworkState(NetworkState.UNKNOWN) },
            { manager.diagnostics() },
        )
        for ((number, call) in calls.withIndex()) {
            assertEquals(LarderException.Code.CLOSED, assertThrows<LarderException> { call() }.code, "call $number")
        }
    }

    @Test
    fun `an app that never closes its manager can make another one`(): Unit = runBlocking {
        val path = device.download(CLEAR_TITLE)
        LocalAssetsManager(device.setup()).registerAsset(clearSource, path, "a")
        val second = LocalAssetsManager(device.setup())
        assertEquals(listOf("a"), second.assets().map { it.assetId })
    }

    @Test
    fun `managers over one folder share one store and see each other's changes`(): Unit = runBlocking {
        val path = device.download(CLEAR_TITLE)
        val one = LocalAssetsManager(device.setup())
        val other = LocalAssetsManager(device.setup())
        one.registerAsset(clearSource, path, "a")
        assertEquals(path, other.asset("a")?.path)
        one.close()
        assertTrue(other.status("a").isRegistered)
        other.unregisterAsset("a")
        other.close()
    }

    @Test
    fun `a profile does not see the assets of another profile`(): Unit = runBlocking {
        val path = device.download(CLEAR_TITLE)
        LocalAssetsManager(device.setup { it.copy(profile = "ann") }).use { it.registerAsset(clearSource, path, "a") }
        LocalAssetsManager(device.setup { it.copy(profile = "ben") }).use { assertFalse(it.status("a").isRegistered) }
        LocalAssetsManager(device.setup { it.copy(profile = "ann") }).use { assertTrue(it.status("a").isRegistered) }
    }

    @Test
    fun `paths below a root move with the root`(): Unit = runBlocking {
        val path = device.download(CLEAR_TITLE)
        val before = device.folder.resolve("downloads").path
        LocalAssetsManager(device.setup { it.copy(roots = listOf(StorageRoot("downloads", before))) }).use {
            assertEquals("downloads", it.registerAsset(clearSource, path, "a").root)
        }
        val after = device.folder.resolve("moved")
        assertTrue(File(before).renameTo(after))
        LocalAssetsManager(device.setup { it.copy(roots = listOf(StorageRoot("downloads", after.path))) }).use {
            assertEquals(path.replace(before, after.path), it.asset("a")?.path)
            assertEquals(PlayabilityReason.PLAYABLE, it.verifyAsset("a").why)
        }
    }

    @Test
    fun `every call reports a bad configuration and the constructor does not wait`() {
        val bad = listOf<(LarderConfig) -> LarderConfig>(
            { it.copy(dataDir = "") },
            { it.copy(dataDir = "relative") },
            { it.copy(profile = "a\u0000b") },
            { it.copy(networkTimeoutSeconds = 0) },
            { it.copy(engineTimeoutSeconds = -1) },
            { it.copy(userAgent = "a\r\nX: y") },
            { it.copy(extraRootCertificates = listOf(byteArrayOf(1))) },
            { it.copy(roots = listOf(StorageRoot("", "/a"))) },
        )
        for ((number, change) in bad.withIndex()) {
            val manager = LocalAssetsManager(device.setup(change = change))
            val refused = assertThrows<LarderException> { runBlocking { manager.open() } }
            assertEquals(refused.code, assertThrows<LarderException> { manager.assets() }.code)
            manager.close()
            val expected = setOf(LarderException.Code.INVALID_ARGUMENT, LarderException.Code.RELATIVE_PATH)
            assertTrue(refused.code in expected, "$number: $refused")
            assertEquals(Remedy.FIX_INPUT, refused.remedy)
        }
    }

    @Test
    fun `bad arguments are typed errors and any text is an id`(): Unit = runBlocking {
        val path = device.download(CLEAR_TITLE)
        LocalAssetsManager(device.setup()).use { manager ->
            for (id in listOf("", "a\u0000b", "x".repeat(10_000_000))) {
                val refused = assertThrows<LarderException> { manager.registerAsset(clearSource, path, id) }
                assertEquals(LarderException.Code.INVALID_ARGUMENT, refused.code)
                assertTrue(refused.message.length < 500)
            }
            val relative = assertThrows<LarderException> { manager.registerAsset(clearSource, "films/a", "a") }
            assertEquals(LarderException.Code.RELATIVE_PATH, relative.code)
            val nowhere = assertThrows<LarderException> { manager.registerAsset(clearSource, "/no/such/film.mpd", "a") }
            assertEquals(LarderException.Code.MEDIA_NOT_FOUND, nowhere.code)
            assertEquals(emptyList<AssetInfo>(), manager.assets())
            for (id in listOf("..", "a/b", "🍎", "ID WITH SPACE")) {
                assertTrue(manager.registerAsset(clearSource, path, id).isRegistered)
                assertEquals(id, manager.asset(id)?.assetId)
            }
            val unknown = assertThrows<LarderException> { manager.getLocalMediaSource("nobody", path) }
            assertEquals(LarderException.Code.ASSET_NOT_FOUND, unknown.code)
            val elsewhere = assertThrows<LarderException> { manager.getLocalMediaSource("..", "$path.old") }
            assertEquals(LarderException.Code.ASSET_NOT_FOUND, elsewhere.code)
            val local = manager.getLocalMediaSource("..", path)
            val again = assertThrows<LarderException> { manager.registerAsset(local, path, "c") }
            assertEquals(LarderException.Code.INVALID_ARGUMENT, again.code)
        }
    }

    @Test
    fun `the next call opens a store that could not be opened`(): Unit = runBlocking {
        val inTheWay = device.folder.resolve("larder")
        inTheWay.writeText("a file where the folder should be")
        LocalAssetsManager(device.setup()).use { manager ->
            val refused = assertThrows<LarderException> { manager.open() }
            assertEquals(LarderException.Code.STORE_UNAVAILABLE, refused.code)
            assertTrue(refused.isRetryable)
            assertTrue(inTheWay.delete())
            assertEquals(0, manager.open().assets)
        }
    }

    @Test
    fun `64 threads use one manager at once`() {
        TestServers().use { online ->
            val path = device.download(PROTECTED_TITLE)
            LocalAssetsManager(device.setup()).use { manager ->
                val pool = Executors.newFixedThreadPool(64)
                val work = (0 until 64).map { number ->
                    Callable {
                        runBlocking {
                            val id = "asset $number"
                            assertTrue(manager.registerAsset(protectedSource(online), path, id).isPlayable)
                            assertTrue(manager.getLocalMediaSource(id, path).isLocal)
                            assertTrue(manager.status(id).isPlayable)
                            if (number % 2 == 0) manager.unregisterAsset(id)
                        }
                    }
                }
                pool.invokeAll(work, 120, TimeUnit.SECONDS).forEach { it.get() }
                pool.shutdown()
                assertEquals(32, manager.assets().size)
                eventually("the unregistered licenses are released") {
                    runBlocking { manager.reconcile() }
                    online.live == 32
                }
            }
        }
    }

    @Test
    fun `a closed manager releases the app's storage to the garbage collector`() {
        val storage = WeakReference(openUseAndClose())
        eventually("the storage is collected") {
            System.gc()
            storage.get() == null
        }
    }

    private fun openUseAndClose(): LocalDrmStorage = runBlocking {
        TestServers().use { online ->
            val path = device.download(PROTECTED_TITLE)
            val storage = MemoryDrmStorage()
            LocalAssetsManager(device.setup(storage, KotlinClearKeyEngine())).use {
                it.registerAsset(protectedSource(online), path, "a")
                it.unregisterAsset("a")
                eventually("the license is released") { online.live == 0 }
            }
            storage
        }
    }

    @Test
    fun `an unreferenced manager releases the app's storage to the garbage collector`() {
        val storage = WeakReference(openAndForget())
        eventually("the storage is collected") {
            System.gc()
            storage.get() == null
        }
    }

    private fun openAndForget(): LocalDrmStorage {
        val storage = MemoryDrmStorage()
        LocalAssetsManager(device.setup(storage)).assets()
        return storage
    }

    @Test
    fun `idle threads end and are detached from the JVM`() {
        val used = ConcurrentHashMap.newKeySet<Thread>()
        val provider = SourceURLProvider {
            used += Thread.currentThread()
            null
        }
        val setup = LarderSetup(device.config, MemoryDrmStorage(), sourceURLProvider = provider)
        LocalAssetsManager(setup).use { manager ->
            manager.sourceUrl("film")
            assertEquals(listOf("larder-foreign"), used.map { it.name }.distinct())
            eventually("no thread that has called the app is left") { used.none { it.isAlive } }
            // New threads start for the next call.
            used.clear()
            manager.sourceUrl("film")
            assertEquals(1, used.size)
        }
    }
}
