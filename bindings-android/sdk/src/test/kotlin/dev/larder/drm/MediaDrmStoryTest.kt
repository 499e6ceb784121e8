package dev.larder.drm

import dev.larder.KeyCoverage
import dev.larder.Larder
import dev.larder.LarderException
import dev.larder.LocalAssetsManager
import dev.larder.LogLevel
import dev.larder.LogSink
import dev.larder.PlayabilityReason
import dev.larder.Remedy
import dev.larder.RenewalPolicy
import dev.larder.support.ScriptedStorage
import dev.larder.support.TestDevice
import dev.larder.support.TestServersRule
import dev.larder.support.VirtualCdm
import dev.larder.support.clearSource
import dev.larder.support.eventually
import dev.larder.support.widevineSource
import kotlinx.coroutines.runBlocking
import org.junit.After
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.ClassRule
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import java.io.File
import java.net.URI
import java.util.concurrent.CopyOnWriteArrayList

/** Tests manager, core, MediaDrmEngine and the framework's MediaDrm with our model of a CDM and the testkit's servers. */
@RunWith(RobolectricTestRunner::class)
class MediaDrmStoryTest {
    private val device = TestDevice()
    private val storage = ScriptedStorage()
    private lateinit var manager: LocalAssetsManager

    @Before
    fun start() {
        servers.reset()
        VirtualCdm.reset()
        VirtualCdm.provisioningUrl = servers.url("/widevine/provision")
        manager = LocalAssetsManager(device.setup(storage, MediaDrmEngine()))
    }

    @After
    fun end() {
        manager.close()
        eventually("every session is closed") { VirtualCdm.openObjects == 0 && VirtualCdm.openSessions == 0 }
        device.close()
    }

    /** The flow of `scripts/demo`, with Android's CDM. */
    @Test
    fun `an offline player's whole flow leaves no license on device and server`() = runBlocking {
        val titles = mapOf("clear" to "cmaf-clear/master.m3u8", "aes" to "hls-aes128", "film" to "dash-cenc")
        val paths = titles.mapValues { device.download(it.value) }
        assertEquals(emptyList<Any>(), manager.assets())

        manager.registerAsset(clearSource, paths.getValue("clear"), "clear")
        manager.registerAsset(clearSource.copy(id = "aes"), paths.getValue("aes"), "aes")
        assertEquals("neither asked a server", 0, servers.requests)
        manager.registerAsset(widevineSource(servers), paths.getValue("film"), "film")
        assertEquals("provisioning and one license", 2, servers.requests)

        for (title in titles.keys) {
            val status = manager.verifyAsset(title)
            assertTrue("$title: ${status.message}", status.isPlayable)
            assertEquals(PlayabilityReason.PLAYABLE to Remedy.NOTHING, status.why to status.remedy)
        }
        val first = manager.status("film").licenses.single()
        assertEquals(KeyCoverage.COVERED, first.coverage)
        assertEquals(1, storage.size)

        servers.stop()
        for (title in titles.keys) {
            val source = manager.getLocalMediaSource(title, paths.getValue(title))
            assertTrue(source.isLocal)
            assertTrue(File(URI(source.url)).exists())
            assertTrue(manager.status(title).isPlayable)
        }
        assertArrayEquals(VirtualCdm.ids.single(), manager.licenseHandle(first.licenseId))
        assertEquals("OFFLINE", failing { manager.refreshAsset("film") }.code)
        assertEquals(first.licenseId, manager.status("film").licenses.single().licenseId)
        assertTrue("the CDM still opens it", manager.verifyAsset("film").isPlayable)

        servers.resume()
        manager.refreshAsset("film")
        eventually("the old license is released") { servers.live == 1 && VirtualCdm.ids.size == 1 }
        assertFalse(first.licenseId == manager.status("film").licenses.single().licenseId)
        assertEquals("a license, then a release", 2 to 1, servers.issued to servers.requests("release"))
        assertEquals(1, VirtualCdm.ids.size)
        assertTrue(manager.verifyAsset("film").isPlayable)

        servers.stop()
        for (title in titles.keys) manager.unregisterAsset(title)
        assertEquals(emptyList<Any>(), manager.assets())
        assertThrows(LarderException::class.java) { manager.getLocalMediaSource("film", paths.getValue("film")) }
        val gone = manager.status("film")
        assertEquals(PlayabilityReason.NOT_REGISTERED to 1, gone.why to gone.pendingReleases)

        servers.resume()
        assertEquals("with the one that went back by itself", 2, manager.reconcile().released)
        assertEquals(0, servers.live)
        assertEquals(2, servers.issued)
        assertEquals(0 to 0, VirtualCdm.ids.size to storage.size)
        assertEquals(0, manager.status("film").pendingReleases)
    }

    @Test
    fun `a renewal in place falls back to a new license if license, server or expiry forbid it`() = runBlocking {
        val film = device.download("dash-cenc")
        suspend fun registered(query: String) = manager.registerAsset(
            widevineSource(servers, query, RenewalPolicy.IN_PLACE),
            film,
            "film",
        ).licenses.single().licenseId

        val first = registered("")
        manager.refreshAsset("film")
        assertEquals("renewed in place", first, manager.status("film").licenses.single().licenseId)
        assertEquals(1 to 1, servers.issued to servers.requests("renewal"))
        VirtualCdm.keepsHandle = false
        manager.refreshAsset("film")
        assertArrayEquals(VirtualCdm.ids.single(), handle())
        VirtualCdm.keepsHandle = true
        assertEquals("never released: it is the license that the user has", 0, servers.requests("release"))

        servers.fault(
            """{"path":"/widevine/license","request_kind":"renewal","action":{"kind":"status","status":403}}""",
        )
        manager.refreshAsset("film")
        servers.clearFaults()
        eventually("the old license is released") { servers.live == 1 && VirtualCdm.ids.size == 1 }
        assertEquals(2, servers.issued)

        servers.policy("""{"renewable":false}""")
        manager.refreshAsset("film") // this license may be renewed, the renewed one may not
        manager.refreshAsset("film")
        eventually("one is live") { servers.live == 1 && VirtualCdm.ids.size == 1 }
        assertTrue(manager.verifyAsset("film").isPlayable)

        VirtualCdm.aheadMs = 40L * 24 * 3600 * 1000
        assertEquals(PlayabilityReason.LICENSE_EXPIRED, manager.verifyAsset("film").why)
        manager.refreshAsset("film")
        assertTrue(manager.verifyAsset("film").isPlayable)
        eventually("one is live") { servers.live == 1 && VirtualCdm.ids.size == 1 }
        assertEquals(1, VirtualCdm.ids.size)
    }

    @Test
    fun `a lost license and a changed level are reported and registering again repairs both`() = runBlocking {
        val film = device.download("dash-cenc")
        val source = widevineSource(servers)
        manager.registerAsset(source, film, "film")
        VirtualCdm.vanish(VirtualCdm.ids.single())
        assertEquals(
            PlayabilityReason.LICENSE_VANISHED to Remedy.REREGISTER,
            manager.verifyAsset("film").let {
                it.why to
                    it.remedy
            },
        )
        manager.registerAsset(source, film, "film")
        assertTrue(manager.verifyAsset("film").isPlayable)

        VirtualCdm.level = "L3"
        assertEquals(
            PlayabilityReason.LICENSE_VANISHED to Remedy.REREGISTER,
            manager.verifyAsset("film").let {
                it.why to
                    it.remedy
            },
        )
        manager.refreshAsset("film")
        assertTrue(manager.verifyAsset("film").isPlayable)
        manager.reconcile()
        assertEquals("the one of the old level is removed", 1, VirtualCdm.ids.size)
    }

    @Test
    fun `a streaming license or one without a key is refused and leaves no state`() = runBlocking {
        val film = device.download("dash-cenc")
        for ((query, code) in mapOf(
            "?persist=false" to "LICENSE_PERSISTENCE_DENIED",
            "?duration_seconds=0" to "LICENSE_DURATION_INVALID",
        )) {
            assertEquals(code, failing { manager.registerAsset(widevineSource(servers, query), film, "film") }.code)
        }
        servers.policy("""{"omit_keys":["6f651ae1dbe44434bcb4690d1564c41c"]}""")
        assertEquals("LICENSE_KEYS_MISSING", failing { manager.registerAsset(widevineSource(servers), film, "film") }.code)
        manager.reconcile()
        assertEquals(0 to 0, VirtualCdm.ids.size to storage.size)
        assertNull(manager.asset("film"))
    }

    @Test
    fun `many licenses are warned of before the CDM fails and foreign licenses stay`() = runBlocking {
        val film = device.download("dash-cenc")
        val source = widevineSource(servers)
        val foreign = List(140) { VirtualCdm.addForeign() }
        VirtualCdm.failsFrom = 200
        suspend fun register(numbers: IntRange) = numbers.forEach { manager.registerAsset(source, film, "film $it") }

        register(1..9)
        val lines = CopyOnWriteArrayList<String>()
        Larder.setLogSink(LogSink { _, _, message -> lines += message }, LogLevel.WARN)
        try {
            assertEquals(listOf(140, 149, false), manager.reconcile().let { listOf(it.foreign, it.held, it.isCrowded) })
            register(10..11)
            assertEquals(listOf(140, 151, true), manager.reconcile().let { listOf(it.foreign, it.held, it.isCrowded) })
            eventually("the log warns") { lines.any { "CDM close to its license limit" in it } }
        } finally {
            Larder.setLogSink(null, LogLevel.WARN)
        }

        register(12..60)
        val error = failing { manager.registerAsset(source, film, "film 61") }
        assertTrue("${error.code}: $error", error.code in setOf("CDM_FAILED", "LICENSE_MALFORMED"))
        assertNull(manager.asset("film 61"))
        // With one more foreign license the CDM opens none at all. Larder reports none of its own as lost.
        val last = VirtualCdm.addForeign()
        assertEquals("CDM_FAILED", failing { manager.verifyAsset("film 1") }.code)
        assertTrue(manager.status("film 1").isPlayable)

        for (number in 1..55) manager.unregisterAsset("film $number")
        val reconciled = manager.reconcile()
        assertEquals(listOf(141, 146, false), listOf(reconciled.foreign, reconciled.held, reconciled.isCrowded))
        assertTrue(manager.verifyAsset("film 60").isPlayable)
        register(62..62)
        // The server granted a license that the device did not store: only the server knows it.
        assertEquals(6 + 1, servers.live)
        for (id in foreign + last) assertTrue("untouched", VirtualCdm.find(id)?.released == false)
    }

    private fun handle(): ByteArray = manager.licenseHandle(
        runBlocking {
            manager.status("film")
        }.licenses.single().licenseId,
    )

    private fun failing(work: suspend () -> Unit): LarderException =
        assertThrows(LarderException::class.java) { runBlocking { work() } }

    companion object {
        @ClassRule @JvmField
        val servers = TestServersRule()
    }
}
