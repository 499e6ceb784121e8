package dev.larder.internal.drm

import android.os.Build
import dev.larder.DrmScheme
import dev.larder.KeyRequest
import dev.larder.SecurityLevel
import dev.larder.drm.MediaDrmEngine
import dev.larder.support.COMMON_SYSTEM
import dev.larder.support.KID_A
import dev.larder.support.KID_B
import dev.larder.support.PLAY_READY_SYSTEM
import dev.larder.support.VirtualCdm
import dev.larder.support.WIDEVINE_SYSTEM
import dev.larder.support.psshBox
import dev.larder.support.widevineRequest
import org.json.JSONObject
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner

/** Tests the init data of each level of Android, also of levels that no test runs on. */
@RunWith(RobolectricTestRunner::class)
class CdmInitDataTest {
    private val old = psshBox(WIDEVINE_SYSTEM, emptyList(), version = 0, data = byteArrayOf(1, 2, 3))
    private val new = psshBox(WIDEVINE_SYSTEM, listOf(KID_A))
    private val other = psshBox(PLAY_READY_SYSTEM, emptyList(), version = 0, data = byteArrayOf(9))

    @Test
    fun `a CDM gets all boxes of its system from API 28 on and one box of version 1 below`() {
        assertArrayEquals(old + new, widevine(other + old + new, 28))
        assertArrayEquals(new, widevine(other + old + new, 27))
        assertArrayEquals(old, widevine(other + old, 24))
        assertArrayEquals(new, widevine(new, 35))
    }

    @Test
    fun `data without a box of the system is passed to the CDM unchanged`() {
        for (odd in listOf(
            byteArrayOf(),
            byteArrayOf(1),
            other,
            new.copyOf(new.size - 1),
            new + byteArrayOf(0),
            ByteArray(40) {
                -1
            },
        )) {
            for (sdk in listOf(24, 35)) assertArrayEquals(odd, widevine(odd, sdk))
        }
    }

    @Test
    fun `ClearKey gets a common box and another UUID and type on old systems`() {
        val request =
            KeyRequest(
                DrmScheme.CLEAR_KEY,
                "{}".toByteArray(),
                listOf(KID_A, KID_B),
                "video/mp4",
                null,
                SecurityLevel.DEFAULT,
            )
        val box = psshBox(COMMON_SYSTEM, listOf(KID_A, KID_B))
        for ((sdk, type, uuid) in listOf(
            Triple(24, "cenc", SystemId.COMMON),
            Triple(25, "cenc", SystemId.COMMON),
            Triple(26, "video/mp4", SystemId.COMMON),
            Triple(27, "video/mp4", SystemId.CLEAR_KEY),
            Triple(35, "video/mp4", SystemId.CLEAR_KEY),
        )) {
            val (initData, mime) = CdmInitData.of(request, SystemId.CLEAR_KEY, sdk)
            assertArrayEquals(box, initData)
            assertEquals(type, mime)
            assertEquals(uuid, SystemId.forMediaDrm(SystemId.CLEAR_KEY, sdk))
            assertEquals(SystemId.WIDEVINE, SystemId.forMediaDrm(SystemId.WIDEVINE, sdk))
        }
    }

    @Test
    fun `MediaDrm gets the UUID, type and init data of the level`() {
        VirtualCdm.reset()
        VirtualCdm.device = "device"
        val request =
            KeyRequest(DrmScheme.CLEAR_KEY, "{}".toByteArray(), listOf(KID_A), "video/mp4", null, SecurityLevel.DEFAULT)
        assertThrows(IllegalStateException::class.java) {
            MediaDrmEngine(DrmScheme.CLEAR_KEY).acquire(request) { error("not sent") }
        }
        val asked = VirtualCdm.asked.single()
        val (uuid, type) =
            if (Build.VERSION.SDK_INT < 26) SystemId.COMMON to "cenc" else SystemId.CLEAR_KEY to "video/mp4"
        assertEquals(uuid, asked.uuid)
        assertEquals(type, asked.mime)
        assertArrayEquals(psshBox(COMMON_SYSTEM, listOf(KID_A)), asked.initData)
    }

    @Test
    fun `old ClearKey's Base64 is converted to and from base64url`() {
        val request = """{"kids":["ab+/cd"],"type":"persistent-license"}"""
        assertEquals(
            """{"kids":["ab-_cd"],"type":"persistent-license"}""",
            ClearKeyDialect.toServer(request.toByteArray()).decodeToString(),
        )
        val answer = """{"keys":[{"kty":"oct","k":"-_-_","kid":"a-b_"}],"type":"persistent-license"}"""
        val taken = JSONObject(ClearKeyDialect.toCdm(answer.toByteArray()).decodeToString())
        assertEquals("persistent-license", taken.getString("type"))
        val key = taken.getJSONArray("keys").getJSONObject(0)
        assertEquals(listOf("oct", "+/+/", "a+b/"), listOf("kty", "k", "kid").map(key::getString))
        assertEquals("<html>", ClearKeyDialect.toCdm("<html>".toByteArray()).decodeToString())
    }

    private fun widevine(initData: ByteArray, sdk: Int): ByteArray =
        CdmInitData.of(widevineRequest(initData = initData), SystemId.WIDEVINE, sdk).first
}
