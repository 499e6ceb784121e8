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
import dev.larder.media3.support.Cdm
import dev.larder.media3.support.SAMPLES
import dev.larder.media3.support.ShadowCdm
import dev.larder.media3.support.Shelf
import dev.larder.media3.support.Theatre
import dev.larder.media3.support.film
import dev.larder.media3.support.lasting
import dev.larder.media3.support.until
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

/** Media3's own player, sources and DRM sessions over a CDM of ours, with registered key set ids and without a network. */
@RunWith(RobolectricTestRunner::class)
@Config(shadows = [ShadowCdm::class])
class PlayingOfflineTest {
    @get:Rule val folder = TemporaryFolder()
    private val shelf = Shelf()
    private val theatre by lazy {
        Theatre(
            ProgressiveMediaSource.Factory(FileDataSource.Factory())
                .setDrmSessionManagerProvider(LarderDrmSessionManagerProvider(shelf)),
        )
    }

    @Before fun aNewDevice() = Cdm.reset()

    @After fun nothingIsAskedOfANetworkAndNoSessionStaysOpen() {
        theatre.close()
        until("all sessions are closed") { Cdm.open.get() == 0 }
        assertEquals(emptyList<String>(), Cdm.requests)
    }

    @Test
    fun `a protected film plays to its end with the stored key set id`() {
        Cdm.held["key set 1"] = lasting(seconds = 3600)
        assertEquals(SAMPLES, theatre.play(register("key set 1")))
        assertEquals(listOf("key set 1"), Cdm.restored)
    }

    @Test
    fun `a license with less than a minute left plays, where Media3 by itself would ask a server`() {
        Cdm.held["key set 1"] = lasting(seconds = 5)
        assertEquals(SAMPLES, theatre.play(register("key set 1")))
    }

    @Test
    fun `a license that has expired gives our reason`() {
        Cdm.held["key set 1"] = lasting(seconds = 0)
        val reason = theatre.failure(register("key set 1"))
        assertEquals(Code.LICENSE_EXPIRED, reason.code)
        assertEquals(Remedy.GO_ONLINE, reason.remedy)
    }

    @Test
    fun `a license that the CDM no longer knows gives our reason`() {
        val reason = theatre.failure(register("key set 1"))
        assertEquals(Code.LICENSE_VANISHED, reason.code)
        assertEquals(Remedy.REREGISTER, reason.remedy)
        assertFalse("no handle in ${reason.message}", "key set" in reason.message)
    }

    @Test
    fun `a license whose handle is gone gives the storage's reason`() {
        val reason = theatre.failure(register(null))
        assertEquals(Code.LICENSE_MISSING, reason.code)
    }

    @Test
    fun `an asset without a license gives our reason`() {
        shelf.put("film", film(folder.root))
        val reason = theatre.failure(shelf.localMediaSource("film").toMediaItem())
        assertEquals(Code.LICENSE_MISSING, reason.code)
        assertEquals(Remedy.REREGISTER, reason.remedy)
    }

    @Test
    fun `an asset that was unregistered meanwhile gives our reason`() {
        val other = Shelf()
        val item = other.put("film", film(folder.root), widevine("1", widevineBox) to "1".encodeToByteArray()).toMediaItem()
        assertEquals(Code.ASSET_NOT_FOUND, theatre.failure(item).code)
    }

    @Test
    fun `a CDM that lost its provisioning is not provisioned again by a playback`() {
        Cdm.held["key set 1"] = lasting(seconds = 3600)
        Cdm.isProvisioned = false
        val reason = theatre.failure(register("key set 1"))
        assertEquals(Code.LICENSE_VANISHED, reason.code)
        assertEquals(Remedy.REREGISTER, reason.remedy)
    }

    @Test
    fun `media that is gone gives our reason`() {
        Cdm.held["key set 1"] = lasting(seconds = 3600)
        val item = register("key set 1")
        folder.root.listFiles().orEmpty().forEach { it.delete() }
        val reason = theatre.failure(item)
        assertEquals(Code.MEDIA_NOT_FOUND, reason.code)
        assertEquals(Remedy.REPAIR, reason.remedy)
        assertFalse(folder.root.path in reason.message)
    }

    @Test
    fun `a clear film opens no session`() {
        shelf.put("clear", film(folder.root, "cmaf-clear/video-234"))
        assertTrue(theatre.play(shelf.localMediaSource("clear").toMediaItem()) > 0)
        assertEquals(0, Cdm.sessions.get() - sessionsBefore)
    }

    @Test
    fun `a renewed license is used at the next preparation of the same item`() {
        Cdm.held["old"] = lasting(seconds = 3600)
        Cdm.held["new"] = lasting(seconds = 3600)
        theatre.play(register("old"))
        theatre.player.stop()
        register("new")
        theatre.player.seekTo(0)
        theatre.play()
        assertEquals(listOf("old", "new"), Cdm.restored)
    }

    @Test
    fun `a license that was acquired at L3 is played at L3`() {
        Cdm.held["key set 1"] = lasting(seconds = 3600)
        val license = widevine("license 1", widevineBox, level = SecurityLevel.L3)
        theatre.play(shelf.put("film", film(folder.root), license to "key set 1".encodeToByteArray()).toMediaItem())
        assertEquals("L3", Cdm.properties["securityLevel"])
    }

    @Test
    fun `a license that a device without L1 acquired unasked is played at L3, also after the device has got L1`() {
        hold(level = "L3")
        Cdm.level = "L1"
        assertEquals(SAMPLES, theatre.play(registeredAt("L3")))
    }

    @Test
    fun `a license of a level that the device has lost is told from one that has vanished`() {
        hold(level = "L1")
        Cdm.level = "L3"
        val reason = theatre.failure(registeredAt("L1"))
        assertEquals(Code.CDM_LEVEL_CHANGED, reason.code)
        assertEquals(Remedy.REREGISTER, reason.remedy)
        Cdm.level = "L1"
        Cdm.held.clear()
        assertEquals(Code.LICENSE_VANISHED, theatre.failure(registeredAt("L1")).code)
    }

    private fun hold(level: String) {
        Cdm.held["key set 1"] = lasting(seconds = 3600)
        Cdm.levels["key set 1"] = level
    }

    private fun registeredAt(level: String): MediaItem {
        val license = widevine("license 1", widevineBox, acquiredLevel = level)
        return shelf.put("film", film(folder.root), license to "key set 1".encodeToByteArray()).toMediaItem()
    }

    @Test
    fun `an unlimited license of which a device says that zero seconds are left plays`() {
        Cdm.held["key set 1"] = mapOf("LicenseDurationRemaining" to "0", "PlaybackDurationRemaining" to "00")
        val license = widevine("license 1", widevineBox, expires = Expiry.Never)
        val item = shelf.put("film", film(folder.root), license to "key set 1".encodeToByteArray()).toMediaItem()
        assertEquals(SAMPLES, theatre.play(item))
    }

    @Test
    fun `the keys of a software ClearKey license go into the platform's CDM without a server`() {
        val key = """{"kty":"oct","kid":"b2Ua4dvkRDS8tGkNFWTEHA","k":"iNqFKuT6Lh42rrLVyUmXsQ"}"""
        val keys = """{"keys":[$key],"type":"temporary"}"""
        val license = widevine("license 1", widevineBox).copy(scheme = DrmScheme.CLEAR_KEY)
        val item = shelf.put("film", film(folder.root), license to keys.encodeToByteArray()).toMediaItem()
        assertEquals(SAMPLES, theatre.play(item))
        assertEquals(listOf("key request of type ${MediaDrm.KEY_TYPE_STREAMING}"), Cdm.requests)
        assertEquals(1, Cdm.answers.get())
        Cdm.requests.clear() // made for the CDM's sake and answered from what is stored
    }

    private val sessionsBefore = Cdm.sessions.get()

    private fun register(handle: String?): MediaItem =
        shelf.put("film", film(folder.root), widevine("license 1", widevineBox) to handle?.encodeToByteArray()).toMediaItem()
}
