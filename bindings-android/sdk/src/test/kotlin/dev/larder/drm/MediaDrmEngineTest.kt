package dev.larder.drm

import android.media.DeniedByServerException
import android.media.MediaDrm
import android.media.NotProvisionedException
import android.media.ResourceBusyException
import dev.larder.DrmScheme
import dev.larder.ExchangeKind
import dev.larder.GrantedHandle
import dev.larder.KeyRequest
import dev.larder.LarderException
import dev.larder.LicenseDuration
import dev.larder.LicenseTimes
import dev.larder.ReleaseOutcome
import dev.larder.SecurityLevel
import dev.larder.support.CallPoint
import dev.larder.support.CdmCall
import dev.larder.support.KID_A
import dev.larder.support.KID_B
import dev.larder.support.RawExchange
import dev.larder.support.ShadowMediaDrm
import dev.larder.support.TestServersRule
import dev.larder.support.VirtualCdm
import dev.larder.support.VirtualWire
import dev.larder.support.WIDEVINE_SYSTEM
import dev.larder.support.psshBox
import dev.larder.support.stored
import dev.larder.support.widevineRequest
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
import org.robolectric.annotation.Config
import java.util.UUID
import java.util.concurrent.Executors

/** Tests the engine on the framework's MediaDrm, with our model of a CDM and the testkit's server. */
@RunWith(RobolectricTestRunner::class)
class MediaDrmEngineTest {
    private val exchange = RawExchange(servers.url("/widevine/license"))
    private val engine = MediaDrmEngine()

    @Before
    fun freshDevice() {
        servers.reset()
        VirtualCdm.reset()
        VirtualCdm.provisioningUrl = servers.url("/widevine/provision")
    }

    @After
    fun nothingStaysOpen() = assertEquals(0 to 0, VirtualCdm.openObjects to VirtualCdm.openSessions)

    // Licenses and provisioning

    @Test
    @Config(minSdk = 29)
    fun `a new device is provisioned once and each license takes one session`() {
        val grant = engine.acquire(widevineRequest(), exchange)
        assertEquals(listOf(ExchangeKind.PROVISIONING, ExchangeKind.LICENSE), exchange.kinds)
        assertEquals(listOf(KID_A), grant.keyIds)
        assertEquals(times(2_592_000, 172_800), grant.times)
        assertEquals(1, VirtualCdm.sessionsEver)

        val second = acquire()
        assertEquals(1, servers.requests("provisioning"))
        assertEquals(2, VirtualCdm.sessionsEver)
        assertEquals(2, checkNotNull(engine.held()).size)
        assertArrayEquals(second, engine.held()?.last())
        assertEquals(2, servers.live)
    }

    @Test
    fun `several calls on an unprovisioned device provision it once`() {
        val threads = Executors.newFixedThreadPool(4)
        val grants = List(4) { threads.submit<ByteArray> { acquire() } }.map { it.get() }
        threads.shutdown()
        assertEquals(4, grants.map { VirtualWire.hex(it) }.toSet().size)
        assertEquals(1, servers.requests("provisioning"))
    }

    @Test
    fun `a device that loses its provisioning between session and request gets one license`() {
        acquire()
        VirtualCdm.plan(CdmCall.CHALLENGE) {
            VirtualCdm.device = null
            throw NotProvisionedException("gone")
        }
        acquire()
        assertEquals(2, servers.requests("provisioning"))
        assertEquals(2, servers.issued)
    }

    @Test
    fun `provisioning without effect is tried once and is PROVISIONING_FAILED`() {
        VirtualCdm.plan(CdmCall.OPEN_SESSION, times = 9) { throw NotProvisionedException("still not") }
        assertEquals("PROVISIONING_FAILED", failing { engine.acquire(widevineRequest(), exchange) }.code)
        assertEquals(1, servers.requests("provisioning"))

        VirtualCdm.plan(CdmCall.PROVISION_ANSWER) { throw IllegalStateException("a vendor's text with secrets") }
        VirtualCdm.device = null
        val error = failing { engine.acquire(widevineRequest(), exchange) }
        assertTrue(error.code in setOf("PROVISIONING_FAILED"))
        assertFalse("secrets" in error.toString())
    }

    @Test
    fun `inspecting on an unprovisioned device is PROVISIONING_FAILED without a request`() {
        val handle = acquire()
        VirtualCdm.device = null
        assertEquals("PROVISIONING_FAILED", failing { engine.inspect(stored(handle)) }.code)
    }

    @Test
    fun `a license that may not be stored has an empty handle`() {
        servers.policy("""{"persist":false}""")
        assertEquals(0, acquire().size)
        assertEquals(0, VirtualCdm.ids.size)
    }

    @Test
    fun `values that the CDM does not report are unknown`() {
        VirtualCdm.tellsKeys = false
        VirtualCdm.trace = mapOf("LicenseType" to "Offline")
        val grant = engine.acquire(widevineRequest(), exchange)
        assertNull(grant.keyIds)
        assertEquals(LicenseTimes(LicenseDuration.Unknown, LicenseDuration.Unknown), grant.times)
    }

    @Test
    fun `a key that the server omits is not in the grant`() {
        servers.policy("""{"omit_keys":["$KID_B"]}""")
        assertEquals(listOf(KID_A), engine.acquire(widevineRequest(listOf(KID_A, KID_B)), exchange).keyIds)
    }

    @Test
    fun `a stored license is returned even if later queries fail`() {
        acquire()
        VirtualCdm.plan(CdmCall.QUERY, times = 9) { throw ShadowMediaDrm.stateError("no answer") }
        val grant = engine.acquire(widevineRequest(), exchange)
        assertEquals(LicenseTimes(LicenseDuration.Unknown, LicenseDuration.Unknown), grant.times)
        assertEquals(2, VirtualCdm.ids.size)
    }

    @Test
    fun `container type, init data and optional parameters reach the CDM`() {
        val mine = MediaDrmEngine(DrmScheme.WIDEVINE, optionalParameters = mapOf("household" to "7"))
        mine.acquire(widevineRequest(), exchange)
        val asked = VirtualCdm.asked.single()
        assertEquals("video/mp4", asked.mime)
        assertArrayEquals(psshBox(WIDEVINE_SYSTEM, listOf(KID_A)), asked.initData)
        assertEquals("7", asked.parameters["household"])
        assertEquals(UUID.fromString(WIDEVINE_SYSTEM), asked.uuid)
    }

    @Test
    fun `an engine uses the CDM with the given UUID`() {
        val vendor = UUID.fromString("3d5e6d35-9b9a-41e8-b843-dd3c6e72c42c")
        MediaDrmEngine(DrmScheme.WIDEVINE, vendor).acquire(widevineRequest(), exchange)
        assertEquals(vendor, VirtualCdm.asked.single().uuid)
    }

    @Test
    fun `a device without the CDM is DRM_UNSUPPORTED`() {
        VirtualCdm.unsupported += UUID.fromString(WIDEVINE_SYSTEM)
        assertFalse(MediaDrmEngine.isSupported(DrmScheme.WIDEVINE))
        assertEquals("DRM_UNSUPPORTED", failing { engine.acquire(widevineRequest(), exchange) }.code)
        assertEquals("DRM_UNSUPPORTED", failing { MediaDrmEngine(DrmScheme.FAIR_PLAY) }.code)
        VirtualCdm.unsupported.clear()
        assertTrue(MediaDrmEngine.isSupported(DrmScheme.WIDEVINE))
        assertFalse(MediaDrmEngine.isSupported(DrmScheme.FAIR_PLAY))
    }

    // Busy sessions

    @Test
    fun `a CDM without a free session is retried and one license is requested`() {
        acquire()
        VirtualCdm.plan(CdmCall.OPEN_SESSION, times = 3) { throw ResourceBusyException("all taken") }
        acquire()
        assertEquals(2, servers.issued)
    }

    @Test
    fun `a CDM that stays busy is CDM_BUSY without a request`() {
        VirtualCdm.device = "device"
        val impatient = MediaDrmEngine(DrmScheme.WIDEVINE, UUID.fromString(WIDEVINE_SYSTEM), emptyMap(), listOf(1, 1))
        VirtualCdm.plan(CdmCall.OPEN_SESSION, times = 99) { throw ResourceBusyException("all taken") }
        val error = failing { impatient.acquire(widevineRequest(), exchange) }
        assertEquals("CDM_BUSY", error.code)
        assertTrue(error.isRetryable)
        assertEquals(0, servers.requests)
    }

    @Test
    fun `a missing exception constructor on API 34 counts as its exception`() {
        VirtualCdm.plan(CdmCall.OPEN_SESSION) {
            throw NoSuchMethodError(
                "no non-static method \"Landroid/media/NotProvisionedException;.<init>(Ljava/lang/String;)V\"",
            )
        }
        acquire()
        assertEquals(1, servers.requests("provisioning"))
    }

    // Inspection

    @Test
    fun `license and playback times run by the clock until they expire`() {
        servers.policy("""{"duration_seconds":1000,"playback_seconds":100}""")
        val handle = acquire()
        VirtualCdm.aheadMs = 400_000
        assertAbout(600, engine.inspect(stored(handle)).license)
        assertAbout(100, engine.inspect(stored(handle)).playback)
        checkNotNull(VirtualCdm.find(handle)).firstPlayedAtMs = VirtualCdm.nowMs
        VirtualCdm.aheadMs += 40_000
        assertAbout(60, engine.inspect(stored(handle)).playback)
        VirtualCdm.aheadMs += 61_000
        assertEquals("LICENSE_EXPIRED", failing { engine.inspect(stored(handle)) }.code)

        val unplayed = acquire()
        VirtualCdm.aheadMs += 1_000_000
        assertEquals("LICENSE_EXPIRED", failing { engine.inspect(stored(unplayed)) }.code)

        servers.policy("""{"duration_seconds":null,"playback_seconds":null}""")
        assertEquals(LicenseTimes(LicenseDuration.Unlimited, LicenseDuration.Unlimited), engine.inspect(stored(acquire())))
    }

    @Test
    @Config(minSdk = 29)
    fun `a lost license is LICENSE_VANISHED and one that fails to open is CDM_FAILED`() {
        val handle = acquire()
        VirtualCdm.plan(CdmCall.RESTORE) { throw ShadowMediaDrm.badValue() }
        assertEquals("CDM_FAILED", failing { engine.inspect(stored(handle)) }.code)
        VirtualCdm.plan(CdmCall.RESTORE) { throw ShadowMediaDrm.stateError("odd") }
        assertEquals("CDM_FAILED", failing { engine.inspect(stored(handle)) }.code)
        VirtualCdm.vanish(handle)
        assertEquals("LICENSE_VANISHED", failing { engine.inspect(stored(handle)) }.code)
        // A CDM that cannot list its licenses cannot tell the difference.
        VirtualCdm.lists = false
        assertNull(engine.held())
        assertEquals("LICENSE_VANISHED", failing { engine.inspect(stored(handle)) }.code)
    }

    @Test
    fun `a quirk is corrected from the grant on and usable keys outweigh a 0`() {
        VirtualCdm.trace = mapOf("LicenseDurationRemaining" to "00", "PlaybackDurationRemaining" to "00")
        val grant = engine.acquire(widevineRequest(), exchange)
        val unlimited = LicenseTimes(LicenseDuration.Unlimited, LicenseDuration.Unlimited)
        assertEquals(unlimited, grant.times)
        val handle = (grant.handle as GrantedHandle.New).handle
        assertEquals(unlimited, engine.inspect(stored(handle)))
        VirtualCdm.tellsKeys = false
        assertEquals(LicenseTimes(LicenseDuration.Unknown, LicenseDuration.Unknown), engine.inspect(stored(handle)))
    }

    // Renewal

    @Test
    fun `a renewal returns the same, no, a changed or a new key set id`() {
        val first = acquire()
        VirtualCdm.aheadMs = 1_000_000
        val renewed = engine.renew(stored(first), widevineRequest(), exchange)
        assertEquals(GrantedHandle.Same, renewed.handle)
        assertEquals(times(2_592_000, 172_800), renewed.times)
        assertEquals(ExchangeKind.RENEWAL, exchange.kinds.last())

        VirtualCdm.renewsSilently = true
        assertEquals(GrantedHandle.Same, renew(first))
        VirtualCdm.renewsSilently = false

        VirtualCdm.keepsHandle = false
        val second = (renew(first) as GrantedHandle.Changed).handle
        assertArrayEquals(second, VirtualCdm.ids.single())

        servers.policy("""{"renew_in_place":false}""")
        val third = (renew(second) as GrantedHandle.New).handle
        assertEquals(2, VirtualCdm.ids.size)
        assertArrayEquals(third, VirtualCdm.ids.last())
        assertEquals(2, servers.live)
    }

    @Test
    fun `a forbidden or late renewal makes no request`() {
        servers.policy("""{"renewable":false}""")
        val fixed = acquire()
        assertEquals("RENEWAL_NOT_PERMITTED", failing { renew(fixed) }.code)
        servers.policy("""{"renewable":true,"duration_seconds":100}""")
        val short = acquire()
        VirtualCdm.aheadMs = 101_000
        assertEquals("LICENSE_EXPIRED", failing { renew(short) }.code)
        VirtualCdm.vanish(short)
        assertEquals("LICENSE_VANISHED", failing { renew(short) }.code)
        assertEquals(0, servers.requests("renewal"))
    }

    // Release

    @Test
    @Config(minSdk = 29)
    fun `a release removes the license and a second release is FORGOTTEN`() {
        val handle = acquire()
        val sessions = VirtualCdm.sessionsEver
        assertEquals(ReleaseOutcome.RELEASED, release(handle))
        assertEquals(0 to 0, servers.live to VirtualCdm.ids.size)
        assertEquals(ReleaseOutcome.FORGOTTEN, release(handle))
        assertEquals("a release needs no session", sessions, VirtualCdm.sessionsEver)
    }

    @Test
    @Config(minSdk = 29)
    fun `an undelivered release ends the keys and can be sent again`() {
        val handle = acquire()
        servers.fault("""{"path":"/widevine/","action":{"kind":"status","status":503}}""")
        failing { release(handle) }
        assertEquals("CDM_FAILED", failing { engine.inspect(stored(handle)) }.code)
        assertEquals(1, checkNotNull(engine.held()).size)
        assertEquals(1, servers.live)
        servers.clearFaults()
        assertEquals(ReleaseOutcome.RELEASED, release(handle))
        assertEquals(0, servers.live)
    }

    @Test
    @Config(minSdk = 29)
    fun `a server without releases is NOT_SUPPORTED and the license is removed from the device`() {
        for (status in listOf(404, 405, 410, 501)) {
            val handle = acquire()
            servers.fault("""{"path":"/widevine/license","action":{"kind":"status","status":$status}}""")
            assertEquals(ReleaseOutcome.NOT_SUPPORTED, release(handle))
            assertEquals(0, VirtualCdm.ids.size)
            servers.clearFaults()
        }
    }

    @Test
    @Config(minSdk = 29)
    fun `a released license that the CDM still lists is removed from the CDM`() {
        val handle = acquire()
        servers.fault(
            """{"path":"/widevine/license","action":{"kind":"body","text":"","content_type":"application/octet-stream"}}""",
        )
        assertEquals(ReleaseOutcome.RELEASED, release(handle))
        assertEquals(0, VirtualCdm.ids.size)
        servers.clearFaults()
    }

    @Test
    @Config(minSdk = 29)
    fun `remove deletes a license whose release is refused or cannot be made`() {
        val held = stored(acquire())
        servers.fault("""{"path":"/widevine/","action":{"kind":"status","status":400}}""")
        failing { release(held.handle) }
        VirtualCdm.plan(CdmCall.RELEASE_CHALLENGE) { throw ShadowMediaDrm.stateError("vendor") }
        failing { release(held.handle) }
        engine.remove(held)
        assertEquals(emptyList<ByteArray>(), engine.held())
        engine.remove(held)
        servers.clearFaults()
    }

    // Failures of the CDM

    @Test
    fun `each failure of the CDM has its own code and no vendor text`() {
        val handle = acquire()
        val text = "license 0xdeadbeef for user@example.com"
        fun acquiring(step: CdmCall, error: () -> Throwable) = failing {
            VirtualCdm.plan(step) { throw error() }
            engine.acquire(widevineRequest(), exchange)
        }
        val found = mapOf(
            "denied" to acquiring(CdmCall.LICENSE) { DeniedByServerException(text) },
            "revoked" to acquiring(CdmCall.LICENSE) { DeniedByServerException("device is revoked $text") },
            "state" to acquiring(CdmCall.LICENSE) { ShadowMediaDrm.stateError(text) },
            "malformed" to acquiring(CdmCall.LICENSE) { IllegalArgumentException(text) },
            "lost provisioning" to acquiring(CdmCall.LICENSE) { NotProvisionedException(text) },
            "request" to acquiring(CdmCall.CHALLENGE) { IllegalArgumentException(text) },
            "opening" to acquiring(CdmCall.OPEN_SESSION) { IllegalStateException(text) },
            "released" to failing {
                VirtualCdm.plan(CdmCall.RELEASE_CHALLENGE) { throw ShadowMediaDrm.stateError(text) }
                release(handle)
            },
        )
        assertEquals(
            mapOf(
                "denied" to "LICENSE_DENIED",
                "revoked" to "CDM_REVOKED",
                "state" to "CDM_FAILED",
                "malformed" to "LICENSE_MALFORMED",
                "lost provisioning" to "PROVISIONING_FAILED",
                "request" to "CDM_FAILED",
                "opening" to "CDM_FAILED",
                "released" to "CDM_FAILED",
            ),
            found.mapValues { it.value.code },
        )
        for (error in found.values) assertFalse("$error", "deadbeef" in error.toString() || "example" in error.toString())
        assertEquals("nothing was stored beside the first", 1, VirtualCdm.ids.size)
    }

    @Test
    @Config(minSdk = 31)
    fun `the CDM's own error codes are distinguished from API 31 on`() {
        val handle = acquire()
        for ((number, code) in mapOf(
            MediaDrm.ErrorCodes.ERROR_KEY_EXPIRED to "LICENSE_EXPIRED",
            MediaDrm.ErrorCodes.ERROR_RESOURCE_BUSY to "CDM_BUSY",
            MediaDrm.ErrorCodes.ERROR_RESOURCE_CONTENTION to "CDM_BUSY",
            MediaDrm.ErrorCodes.ERROR_LICENSE_PARSE to "LICENSE_MALFORMED",
            MediaDrm.ErrorCodes.ERROR_LICENSE_REQUEST_REJECTED to "LICENSE_DENIED",
            MediaDrm.ErrorCodes.ERROR_LICENSE_RESTORE to "LICENSE_VANISHED",
            MediaDrm.ErrorCodes.ERROR_PROVISIONING_CERTIFICATE to "PROVISIONING_FAILED",
            MediaDrm.ErrorCodes.ERROR_STORAGE_READ to "CDM_FAILED",
        )) {
            VirtualCdm.plan(CdmCall.RESTORE) { throw ShadowMediaDrm.stateError("vendor", number) }
            assertEquals("error $number", code, failing { engine.inspect(stored(handle)) }.code)
        }
        // The license cannot be released, so it is removed.
        VirtualCdm.plan(CdmCall.RELEASE_CHALLENGE) {
            throw ShadowMediaDrm.stateError("vendor", MediaDrm.ErrorCodes.ERROR_LICENSE_RELEASE)
        }
        assertEquals(ReleaseOutcome.NOT_SUPPORTED, release(handle))
        assertEquals(0, VirtualCdm.ids.size)
    }

    @Test
    fun `an exception of the exchange is rethrown unchanged and every session is closed`() {
        servers.stop()
        try {
            VirtualCdm.device = "device"
            assertEquals("NETWORK", failing { engine.acquire(widevineRequest(), exchange) }.code)
        } finally {
            servers.resume()
        }
    }

    // Security level

    @Test
    @Config(minSdk = 29)
    fun `request, inspection, renewal and release open L3 for an L3 license`() {
        val request = widevineRequest(level = SecurityLevel.L3)
        val handle = (engine.acquire(request, exchange).handle as GrantedHandle.New).handle
        assertTrue(VirtualCdm.asked.last().l3)
        assertAbout(2_592_000, engine.inspect(stored(handle, request)).license)
        // The source has changed to the default level; the license is still L3.
        assertEquals(GrantedHandle.Same, engine.renew(stored(handle, request), widevineRequest(), exchange).handle)
        assertTrue(VirtualCdm.asked.last().l3)
        assertEquals("CDM_FAILED", failing { engine.inspect(stored(handle)) }.code)
        assertEquals("the list has every level", 1, checkNotNull(engine.held()).size)
        assertEquals(ReleaseOutcome.RELEASED, engine.release(stored(handle, request), exchange))
    }

    @Test
    @Config(minSdk = 29)
    fun `a license of a lost level is CDM_LEVEL_CHANGED and its release removes it`() {
        val grant = engine.acquire(widevineRequest(), exchange)
        assertEquals("L1", grant.acquiredLevel)
        val held = stored((grant.handle as GrantedHandle.New).handle).copy(acquiredLevel = "L1")
        VirtualCdm.level = "L3"
        assertEquals("CDM_LEVEL_CHANGED", failing { engine.inspect(held) }.code)
        assertEquals("CDM_LEVEL_CHANGED", failing { engine.renew(held, held.request, exchange) }.code)
        assertEquals(ReleaseOutcome.NOT_SUPPORTED, engine.release(held, exchange))
        assertEquals(0, VirtualCdm.ids.size)
    }

    @Test
    fun `a device with a new level still opens licenses of its old level`() {
        VirtualCdm.level = "L3"
        val grant = engine.acquire(widevineRequest(), exchange)
        assertEquals("L3", grant.acquiredLevel)
        val held = stored((grant.handle as GrantedHandle.New).handle).copy(acquiredLevel = "L3")
        VirtualCdm.level = "L1"
        assertAbout(2_592_000, engine.inspect(held).license)
        assertEquals(ReleaseOutcome.RELEASED, engine.release(held, exchange))
    }

    // Before Android 10

    @Test
    @Config(maxSdk = 28)
    fun `a CDM that cannot list provisions, grants, inspects, renews and releases`() {
        val grant = engine.acquire(widevineRequest(), exchange)
        assertEquals(listOf(ExchangeKind.PROVISIONING, ExchangeKind.LICENSE), exchange.kinds)
        assertEquals(listOf(KID_A), grant.keyIds)
        assertEquals(times(2_592_000, 172_800), grant.times)
        assertNull(engine.held())
        val handle = (grant.handle as GrantedHandle.New).handle
        assertAbout(2_592_000, engine.inspect(stored(handle)).license)
        assertEquals(GrantedHandle.Same, renew(handle))
        assertEquals(ReleaseOutcome.RELEASED, release(handle))
        assertEquals(ReleaseOutcome.FORGOTTEN, release(handle))
        assertEquals(0 to 0, servers.live to VirtualCdm.ids.size)
    }

    @Test
    @Config(maxSdk = 28)
    fun `a license that cannot be removed before Android 10 no longer plays`() {
        val handle = acquire()
        servers.fault("""{"path":"/widevine/license","action":{"kind":"status","status":404}}""")
        assertEquals(ReleaseOutcome.NOT_SUPPORTED, release(handle))
        assertEquals("LICENSE_VANISHED", failing { engine.inspect(stored(handle)) }.code)
        servers.clearFaults()
    }

    @Test
    @Config(maxSdk = 28)
    fun `a lost license and one that fails to open are both LICENSE_VANISHED before Android 10`() {
        val handle = acquire()
        VirtualCdm.plan(CdmCall.RESTORE) { throw ShadowMediaDrm.badValue() }
        assertEquals("LICENSE_VANISHED", failing { engine.inspect(stored(handle)) }.code)
        assertAbout(2_592_000, engine.inspect(stored(handle)).license)
        VirtualCdm.vanish(handle)
        assertEquals("LICENSE_VANISHED", failing { engine.inspect(stored(handle)) }.code)
    }

    @Test
    @Config(maxSdk = 28)
    fun `security levels work before Android 10, too`() {
        val request = widevineRequest(level = SecurityLevel.L3)
        val handle = (engine.acquire(request, exchange).handle as GrantedHandle.New).handle
        assertTrue(VirtualCdm.asked.last().l3)
        assertAbout(2_592_000, engine.inspect(stored(handle, request)).license)
        assertEquals(ReleaseOutcome.RELEASED, engine.release(stored(handle, request), exchange))

        val held = stored(acquire()).copy(acquiredLevel = "L1")
        VirtualCdm.level = "L3"
        assertEquals("CDM_LEVEL_CHANGED", failing { engine.inspect(held) }.code)
    }

    private fun acquire(request: KeyRequest = widevineRequest()): ByteArray =
        (engine.acquire(request, exchange).handle as GrantedHandle.New).handle

    private fun renew(handle: ByteArray) = engine.renew(stored(handle), widevineRequest(), exchange).handle

    private fun release(handle: ByteArray) = engine.release(stored(handle), exchange)

    private fun failing(work: () -> Unit): LarderException = assertThrows(LarderException::class.java) { work() }

    private fun times(licenseSeconds: Long, playbackSeconds: Long) =
        LicenseTimes(LicenseDuration.Seconds(licenseSeconds), LicenseDuration.Seconds(playbackSeconds))

    /** Tolerates a minute for a slow machine. */
    private fun assertAbout(seconds: Long, remaining: LicenseDuration) {
        val actual = (remaining as LicenseDuration.Seconds).seconds
        assertTrue("$actual, not about $seconds", actual in seconds - 60..seconds)
    }

    companion object {
        @ClassRule @JvmField
        val servers = TestServersRule()
    }
}
