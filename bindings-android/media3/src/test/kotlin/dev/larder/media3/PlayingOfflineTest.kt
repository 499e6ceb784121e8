package dev.larder.media3

import android.media.MediaDrm
import androidx.media3.common.MediaItem
import androidx.media3.datasource.FileDataSource
import androidx.media3.exoplayer.source.ProgressiveMediaSource
import dev.larder.DrmScheme
import dev.larder.Expiry
import dev.larder.LarderException.Code
import dev.larder.Remedy
import dev.larder.SecurityLevel
import dev.larder.internal.media3.L3
import dev.larder.media3.support.FakeCdm
import dev.larder.media3.support.FakeRegistry
import dev.larder.media3.support.SAMPLES
import dev.larder.media3.support.ShadowCdm
import dev.larder.media3.support.TestPlayer
import dev.larder.media3.support.eventuallyOnPlayer
import dev.larder.media3.support.film
import dev.larder.media3.support.lasting
import dev.larder.media3.support.widevine
import dev.larder.media3.support.widevineBox
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config

/** Tests Media3's player, sources and DRM sessions with registered key set ids, a model of a CDM and no network. */
@RunWith(RobolectricTestRunner::class)
@Config(shadows = [ShadowCdm::class])
class PlayingOfflineTest {
    @get:Rule val folder = TemporaryFolder()
    private val registry = FakeRegistry()
    private val player by lazy {
        TestPlayer(
            ProgressiveMediaSource.Factory(FileDataSource.Factory())
                .setDrmSessionManagerProvider(LarderDrmSessionManagerProvider(registry)),
        )
    }

    @Before fun aNewDevice() = FakeCdm.reset()

    @After fun nothingIsAskedOfANetworkAndNoSessionStaysOpen() {
        player.close()
        eventuallyOnPlayer("all sessions are closed") { FakeCdm.open.get() == 0 }
        assertEquals(emptyList<String>(), FakeCdm.requests)
    }

    @Test
    fun `a protected film plays to its end with the stored key set id`() {
        FakeCdm.held["key set 1"] = lasting(seconds = 3600)
        assertEquals(SAMPLES, player.play(register("key set 1")))
        assertEquals(listOf("key set 1"), FakeCdm.restored)
    }

    @Test
    fun `a license with less than a minute left plays without a request`() {
        FakeCdm.held["key set 1"] = lasting(seconds = 5)
        assertEquals(SAMPLES, player.play(register("key set 1")))
    }

    @Test
    fun `an expired license is LICENSE_EXPIRED`() {
        FakeCdm.held["key set 1"] = lasting(seconds = 0)
        val reason = player.failure(register("key set 1"))
        assertEquals(Code.LICENSE_EXPIRED, reason.code)
        assertEquals(Remedy.GO_ONLINE, reason.remedy)
    }

    @Test
    fun `a license that the CDM has lost is LICENSE_VANISHED`() {
        val reason = player.failure(register("key set 1"))
        assertEquals(Code.LICENSE_VANISHED, reason.code)
        assertEquals(Remedy.REREGISTER, reason.remedy)
        assertFalse("no handle in ${reason.message}", "key set" in reason.message)
    }

    @Test
    fun `a license without its handle is LICENSE_MISSING`() {
        val reason = player.failure(register(null))
        assertEquals(Code.LICENSE_MISSING, reason.code)
    }

    @Test
    fun `a protected asset without a license is LICENSE_MISSING`() {
        registry.put("film", film(folder.root))
        val reason = player.failure(registry.localMediaSource("film").toMediaItem())
        assertEquals(Code.LICENSE_MISSING, reason.code)
        assertEquals(Remedy.REREGISTER, reason.remedy)
    }

    @Test
    fun `an asset that was unregistered meanwhile is ASSET_NOT_FOUND`() {
        val other = FakeRegistry()
        val item = other.put("film", film(folder.root), widevine("1", widevineBox) to "1".encodeToByteArray()).toMediaItem()
        assertEquals(Code.ASSET_NOT_FOUND, player.failure(item).code)
    }

    @Test
    fun `a playback does not provision a CDM and is LICENSE_VANISHED`() {
        FakeCdm.held["key set 1"] = lasting(seconds = 3600)
        FakeCdm.isProvisioned = false
        val reason = player.failure(register("key set 1"))
        assertEquals(Code.LICENSE_VANISHED, reason.code)
        assertEquals(Remedy.REREGISTER, reason.remedy)
    }

    @Test
    fun `media that was deleted is MEDIA_NOT_FOUND`() {
        FakeCdm.held["key set 1"] = lasting(seconds = 3600)
        val item = register("key set 1")
        folder.root.listFiles().orEmpty().forEach { it.delete() }
        val reason = player.failure(item)
        assertEquals(Code.MEDIA_NOT_FOUND, reason.code)
        assertEquals(Remedy.REPAIR, reason.remedy)
        assertFalse(folder.root.path in reason.message)
    }

    @Test
    fun `a clear film opens no session`() {
        registry.put("clear", film(folder.root, "cmaf-clear/video-234"))
        assertTrue(player.play(registry.localMediaSource("clear").toMediaItem()) > 0)
        assertEquals(0, FakeCdm.sessions.get() - sessionsBefore)
    }

    @Test
    fun `a renewed license is used at the next preparation of the same item`() {
        FakeCdm.held["old"] = lasting(seconds = 3600)
        FakeCdm.held["new"] = lasting(seconds = 3600)
        player.play(register("old"))
        player.exo.stop()
        register("new")
        player.exo.seekTo(0)
        player.play()
        assertEquals(listOf("old", "new"), FakeCdm.restored)
    }

    @Test
    fun `a license requested at L3 plays at L3`() {
        FakeCdm.held["key set 1"] = lasting(seconds = 3600)
        val license = widevine("license 1", widevineBox, level = SecurityLevel.L3)
        player.play(registry.put("film", film(folder.root), license to "key set 1".encodeToByteArray()).toMediaItem())
        assertEquals("L3", FakeCdm.properties["securityLevel"])
    }

    @Test
    fun `a license acquired at L3 plays at L3 after the device has gained L1`() {
        hold(level = "L3")
        FakeCdm.level = "L1"
        assertEquals(SAMPLES, player.play(registeredAt("L3")))
    }

    @Test
    fun `a license of a lost level is CDM_LEVEL_CHANGED and a lost license LICENSE_VANISHED`() {
        hold(level = "L1")
        FakeCdm.level = "L3"
        val reason = player.failure(registeredAt("L1"))
        assertEquals(Code.CDM_LEVEL_CHANGED, reason.code)
        assertEquals(Remedy.REREGISTER, reason.remedy)
        FakeCdm.level = "L1"
        FakeCdm.held.clear()
        assertEquals(Code.LICENSE_VANISHED, player.failure(registeredAt("L1")).code)
    }

    private fun hold(level: String) {
        FakeCdm.held["key set 1"] = lasting(seconds = 3600)
        FakeCdm.levels["key set 1"] = level
    }

    private fun registeredAt(level: String): MediaItem {
        val license = widevine("license 1", widevineBox, acquiredLevel = level)
        return registry.put("film", film(folder.root), license to "key set 1".encodeToByteArray()).toMediaItem()
    }

    @Test
    fun `an unlimited license that a device reports with zero seconds plays`() {
        FakeCdm.held["key set 1"] = mapOf("LicenseDurationRemaining" to "0", "PlaybackDurationRemaining" to "00")
        val license = widevine("license 1", widevineBox, expires = Expiry.Never)
        val item = registry.put("film", film(folder.root), license to "key set 1".encodeToByteArray()).toMediaItem()
        assertEquals(SAMPLES, player.play(item))
    }

    @Test
    fun `the keys of a software ClearKey license reach the platform's CDM without a server`() {
        val key = """{"kty":"oct","kid":"b2Ua4dvkRDS8tGkNFWTEHA","k":"iNqFKuT6Lh42rrLVyUmXsQ"}"""
        val keys = """{"keys":[$key],"type":"temporary"}"""
        val license = widevine("license 1", widevineBox).copy(scheme = DrmScheme.CLEAR_KEY)
        val item = registry.put("film", film(folder.root), license to keys.encodeToByteArray()).toMediaItem()
        assertEquals(SAMPLES, player.play(item))
        assertEquals(listOf("key request of type ${MediaDrm.KEY_TYPE_STREAMING}"), FakeCdm.requests)
        assertEquals(1, FakeCdm.answers.get())
        FakeCdm.requests.clear() // the CDM needs it, and the stored license answers it
    }

    private val sessionsBefore = FakeCdm.sessions.get()

    private fun register(handle: String?): MediaItem = registry.put(
        "film",
        film(folder.root),
        widevine("license 1", widevineBox) to handle?.encodeToByteArray(),
    ).toMediaItem()
}
