package dev.larder

import dev.larder.internal.ffi.findInitData
import dev.larder.storage.MemoryDrmStorage
import dev.larder.support.CLEAR_TITLE
import dev.larder.support.KotlinClearKeyEngine
import dev.larder.support.PROTECTED_TITLE
import dev.larder.support.TestDevice
import dev.larder.support.TestServersExtension
import dev.larder.support.clearSource
import dev.larder.support.eventually
import dev.larder.support.protectedSource
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.extension.RegisterExtension
import java.io.File
import java.net.URI
import kotlin.time.Duration.Companion.days

class WholeFlowTest {
    @JvmField @RegisterExtension
    val online = TestServersExtension()
    private val device = TestDevice()

    @org.junit.jupiter.api.AfterEach
    fun end() {
        device.close()
    }

    @Test
    fun `register online, play offline, refresh and unregister offline leave no live license`() = theMainJob(device.setup())

    @Test
    fun `the whole flow works with an engine written in Kotlin`() = theMainJob(device.setup(engine = KotlinClearKeyEngine()))

    private fun theMainJob(context: LarderSetup): Unit = runBlocking {
        val source = protectedSource(online)
        val path = device.download(PROTECTED_TITLE)
        LocalAssetsManager(context).use { manager ->
            val registered = manager.registerAsset(source, path, "film-1", metadata = "notes".encodeToByteArray())
            assertTrue(registered.isRegistered && registered.isPlayable, registered.message)
            assertEquals(PlayabilityReason.PLAYABLE, registered.why)
            assertEquals(1, online.requests, "a license is one round trip")
            assertEquals(1, online.live)
            assertArrayEquals("notes".encodeToByteArray(), manager.metadata("film-1"))

            online.stop()
            val local = manager.getLocalMediaSource("film-1", path)
            assertTrue(local.isLocal && File(URI(local.url)).exists(), local.url)
            val license = manager.localMediaSource("film-1").licenses.single()
            assertEquals(2, license.keyIds.size)
            val handle = manager.licenseHandle(license.licenseId)
            assertTrue(handle.isNotEmpty())
            assertEquals(PlayabilityReason.PLAYABLE, manager.status("film-1").why)
            assertEquals(PlayabilityReason.PLAYABLE, manager.verifyAsset("film-1").why)

            val refused = assertThrows<LarderException> { manager.refreshAsset("film-1") }
            assertEquals(LarderException.Code.OFFLINE, refused.code)
            assertEquals(Remedy.GO_ONLINE, refused.remedy)
            assertTrue(refused.isRetryable)
            assertArrayEquals(handle, manager.licenseHandle(license.licenseId), "the old license still works")

            online.resume()
            assertTrue(manager.refreshAsset("film-1").isPlayable)
            eventually("the old license is released") { online.issued == 2 && online.live == 1 }

            online.stop()
            assertTrue(manager.unregisterAsset("film-1").wasRegistered)
            assertEquals(PlayabilityReason.NOT_REGISTERED, manager.status("film-1").why)
            assertEquals(emptyList<AssetInfo>(), manager.assets())

            online.resume()
            manager.setNetworkState(NetworkState.ONLINE)
            manager.reconcile()
            eventually("every license is released") { online.live == 0 }
        }
        assertTrue((context.storage as MemoryDrmStorage).keys.isEmpty(), "no handle is left")
    }

    @Test
    fun `clear media needs no network`(): Unit = runBlocking {
        online.stop()
        val path = device.download(CLEAR_TITLE)
        LocalAssetsManager(device.setup()).use { manager ->
            manager.setNetworkState(NetworkState.OFFLINE)
            val status = manager.registerAsset(clearSource, path, "a", entryId = "entry")
            assertTrue(status.isPlayable && status.expires is Expiry.Never)
            assertEquals("entry", manager.asset("a")?.entryId)
            assertEquals("a", manager.assetAt(path)?.assetId)
            assertEquals(listOf("a"), manager.assetsOfEntry("entry").map { it.assetId })
            assertNull(manager.asset("b"))
            assertNull(manager.metadata("a"))
        }
        assertEquals(0, online.requests)
    }

    @Test
    fun `registering a protected asset offline fails at once and leaves no state`(): Unit = runBlocking {
        val path = device.download(PROTECTED_TITLE)
        LocalAssetsManager(device.setup()).use { manager ->
            manager.setNetworkState(NetworkState.OFFLINE)
            val refused = assertThrows<LarderException> { manager.registerAsset(protectedSource(online), path, "a") }
            assertEquals(LarderException.Code.OFFLINE, refused.code)
            assertEquals(PlayabilityReason.NOT_REGISTERED, manager.status("a").why)
            assertFalse(manager.unregisterAsset("a").wasRegistered)
        }
        assertEquals(0, online.requests, "offline mode is no network call at all")
    }

    @Test
    fun `registered assets are there after a restart`(): Unit = runBlocking {
        val path = device.download(PROTECTED_TITLE)
        val context = device.setup()
        LocalAssetsManager(context).use { it.registerAsset(protectedSource(online), path, "a") }
        LocalAssetsManager(context).use { manager ->
            assertEquals(1, manager.open().assets)
            assertTrue(manager.status("a").isPlayable)
        }
    }

    @Test
    fun `renewAll renews expiring licenses and leaves the others`(): Unit = runBlocking {
        val path = device.download(PROTECTED_TITLE)
        LocalAssetsManager(device.setup()).use { manager ->
            manager.registerAsset(protectedSource(online, "?duration_seconds=3600"), path, "soon")
            manager.registerAsset(protectedSource(online, "?duration_seconds=864000"), path, "later")
            val renewals = manager.renewAll(expiringWithin = 1.days)
            assertEquals(listOf("soon" to true), renewals.map { it.assetId to it.isRenewed })
            assertEquals(emptyList<RenewalResult>(), manager.renewAll(expiringWithin = 0.days))
            assertEquals(2, manager.allStatuses().size)
            assertEquals(2, manager.removeAll())
        }
    }

    @Test
    fun `the playback window starts with the first playback`(): Unit = runBlocking {
        val path = device.download(PROTECTED_TITLE)
        LocalAssetsManager(device.setup()).use { manager ->
            manager.registerAsset(protectedSource(online, "?playback_seconds=60"), path, "a")
            assertEquals(60L, manager.status("a").playbackWindowSeconds)
            manager.playbackStarted("a")
            assertTrue(manager.status("a").playbackExpires is Expiry.At)
        }
    }

    @Test
    fun `findInitData reads the init data from the media`() {
        val found = Larder.findInitData(device.download(PROTECTED_TITLE))
        assertTrue(found.any { it.scheme == DrmScheme.WIDEVINE && it.systemId == "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed" })
        assertEquals(setOf(2), found.filter { it.scheme == DrmScheme.CLEAR_KEY }.map { it.keyIds.size }.toSet())
    }

    @Test
    fun `diagnostics are JSON without paths and URLs`(): Unit = runBlocking {
        val path = device.download(PROTECTED_TITLE)
        LocalAssetsManager(device.setup()).use { manager ->
            manager.registerAsset(protectedSource(online, "?token=s3cr3t"), path, "a")
            val diagnostics = manager.diagnostics()
            assertTrue(diagnostics.startsWith("{"), diagnostics)
            for (secret in listOf("s3cr3t", "http:", path)) assertFalse(secret in diagnostics, diagnostics)
        }
    }
}
