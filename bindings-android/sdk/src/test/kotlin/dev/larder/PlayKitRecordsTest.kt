package dev.larder

import android.content.SharedPreferences
import android.util.Base64
import dev.larder.drm.DrmEngine
import dev.larder.drm.LicenseExchange
import dev.larder.storage.MemoryDrmStorage
import dev.larder.support.AndroidTestDevice
import kotlinx.coroutines.runBlocking
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import java.util.concurrent.CopyOnWriteArrayList

/** Tests the import of PlayKit's records, which the tests write in the format of PlayKit's sources. */
@RunWith(RobolectricTestRunner::class)
class PlayKitRecordsTest {
    private val playKit = AndroidTestDevice.app.getSharedPreferences("PlayKitLocalStorage", 0)
    private val older = AndroidTestDevice.app.getSharedPreferences("OfflineDrmStore", 0)
    private val offline = AndroidTestDevice.app.getSharedPreferences("KalturaOfflineManager", 0)
    private val cdm = Cdm()
    private val film = AndroidTestDevice.download("dash-cenc")
    private val clip = AndroidTestDevice.download("cmaf-clear")
    private val pssh = checkNotNull(Larder.findInitData(film).first { it.scheme == DrmScheme.WIDEVINE }.pssh)
    private val keySet = "ks-1".encodeToByteArray()
    private val widevine = MediaSource(
        id = "",
        url = "https://cdn.example/film.mpd",
        drm = listOf(DrmParams(DrmScheme.WIDEVINE, "https://license.example/widevine?signature=s3cr3t")),
    )
    private val clear = MediaSource("clear", "https://cdn.example/clip.mpd", MediaFormat.DASH)

    /** Our model of a CDM with the licenses of an app's earlier SDK. It makes no request. */
    private class Cdm : DrmEngine {
        val held = CopyOnWriteArrayList<String>()
        val released = CopyOnWriteArrayList<String>()

        override val scheme: DrmScheme get() = DrmScheme.WIDEVINE

        override fun acquire(request: KeyRequest, exchange: LicenseExchange): LicenseGrant = error("a new license")

        override fun inspect(held: StoredLicense): LicenseTimes {
            if (held.handle.decodeToString() !in this.held) {
                throw LarderException(LarderException.Code.LICENSE_VANISHED, "no such key set")
            }
            return LicenseTimes(LicenseDuration.Seconds(3600), LicenseDuration.Seconds(600))
        }

        override fun release(held: StoredLicense, exchange: LicenseExchange): ReleaseOutcome {
            released += held.handle.decodeToString()
            return ReleaseOutcome.NOT_SUPPORTED
        }

        override fun held(): List<ByteArray> = held.map { it.encodeToByteArray() }
    }

    private fun base64(bytes: ByteArray) = Base64.encodeToString(bytes, Base64.NO_WRAP)

    private fun SharedPreferences.put(key: String, value: String) = check(edit().putString(key, value).commit())

    /** Writes the records of a registration with PlayKit's `LocalAssetsManager`. */
    private fun registeredWithPlayKit(id: String, what: String = "dash:WidevineCENC") {
        playKit.put("assetId:$id", base64(what.encodeToByteArray()))
        if ("Widevine" in what) {
            playKit.put(base64(pssh), base64(keySet))
            cdm.held.addIfAbsent(keySet.decodeToString())
        }
    }

    private fun manager() = LocalAssetsManager(
        LarderSetup.Builder(AndroidTestDevice.app).storage(MemoryDrmStorage()).engine(cdm).build(),
    ).also { it.setNetworkState(NetworkState.OFFLINE) }

    private fun title(id: String, path: String = film, source: MediaSource = widevine) = AssetRegistration(id, path, source)

    private fun List<ImportResult>.codes() = map { it.errorCode }

    private fun everything(): List<Map<String, *>> = listOf(playKit.all, older.all, offline.all).map { it.toMap() }

    @Test
    fun `assets from PlayKit play without a network and without a new license`(): Unit = runBlocking {
        registeredWithPlayKit("film")
        registeredWithPlayKit("clip", "dash:null")
        val before = everything()
        val records = PlayKitRecords(AndroidTestDevice.app)
        assertEquals(setOf("film", "clip"), records.assetIds())
        manager().use { manager ->
            val outcome = manager.importAssets(records.read(listOf(title("film"), title("clip", clip, clear))))
            assertEquals(listOf(null, null), outcome.codes())
            val status = manager.status("film")
            assertTrue(status.message, status.isPlayable && status.expires is Expiry.At)
            assertTrue(manager.status("clip").isPlayable)
            val license = manager.localMediaSource("film").licenses.single()
            assertArrayEquals(keySet, manager.licenseHandle(license.licenseId))
            assertEquals(PlayabilityReason.PLAYABLE, manager.verifyAsset("film").why)
            assertEquals("the originals are kept", before, everything())
        }
    }

    @Test
    fun `importing is idempotent`(): Unit = runBlocking {
        registeredWithPlayKit("film")
        val records = PlayKitRecords(AndroidTestDevice.app)
        manager().use { manager ->
            manager.importAssets(records.read(listOf(title("film"))))
            val first = manager.status("film").licenses
            assertEquals(
                listOf(null, null),
                manager.importAssets(records.read(listOf(title("film"), title("film")))).codes(),
            )
            assertEquals(first, manager.status("film").licenses)
        }
        manager().use { manager ->
            assertEquals(listOf(null), manager.importAssets(records.read(listOf(title("film")))).codes())
            assertEquals(1, manager.status("film").licenses.size)
        }
    }

    @Test
    fun `two titles with a shared license play and removing one keeps the license of the other`(): Unit = runBlocking {
        registeredWithPlayKit("one")
        registeredWithPlayKit("two")
        assertEquals("PlayKit has one record for both", 1, playKit.all.keys.count { !it.startsWith("assetId:") })
        manager().use { manager ->
            val both = PlayKitRecords(AndroidTestDevice.app).read(listOf(title("one"), title("two")))
            assertEquals(listOf(null, null), manager.importAssets(both).codes())
            manager.unregisterAsset("one")
            manager.setNetworkState(NetworkState.UNKNOWN)
            manager.reconcile()
            assertEquals(emptyList<String>(), cdm.released.toList())
            assertEquals(PlayabilityReason.PLAYABLE, manager.verifyAsset("two").why)
            assertArrayEquals(keySet, manager.licenseHandle(manager.localMediaSource("two").licenses.single().licenseId))
        }
    }

    @Test
    fun `the older SDK's records are read, also those from before Android 5`(): Unit = runBlocking {
        cdm.held += "ks-1"
        older.put(base64(pssh), base64(keySet))
        manager().use { manager ->
            assertEquals(
                listOf(null),
                manager.importAssets(PlayKitRecords(AndroidTestDevice.app).read(listOf(title("film")))).codes(),
            )
            assertTrue(manager.status("film").isPlayable)
        }
        older.edit().clear().commit()
        older.put(base64(pssh.copyOfRange(32, pssh.size)), base64(keySet))
        assertArrayEquals(
            keySet,
            PlayKitRecords(AndroidTestDevice.app).read(listOf(title("film"))).single().licenses.single().handle,
        )
    }

    @Test
    fun `the app's own storage for PlayKit is read`() {
        val own = MemoryDrmStorage()
        own.save("assetId:film", "dash:WidevineCENC".encodeToByteArray())
        own.save(base64(pssh), keySet)
        val license = PlayKitRecords(AndroidTestDevice.app, own).read(listOf(title("film"))).single().licenses.single()
        assertArrayEquals(keySet, license.handle)
        assertArrayEquals(pssh, license.initData)
    }

    @Test
    fun `the offline manager's records complete a source`() {
        offline.put("assetSourceId:film", "1_abc_mpd")
        offline.put(
            "pkDrmParams:film",
            """{"licenseUri":"https://udrm.example/license?custom_data=x","scheme":"WidevineCENC"}""",
        )
        offline.put("pkDrmParams:odd", "{not json")
        val records = PlayKitRecords(AndroidTestDevice.app)
        assertEquals(setOf("film", "odd"), records.assetIds())
        val bare = MediaSource(id = "", url = "https://cdn.example/film.mpd")
        val source = records.read(listOf(title("film", film, bare))).single().registration.source
        assertEquals("1_abc_mpd", source.id)
        assertEquals("https://udrm.example/license?custom_data=x", source.drm.single().licenseUrl)
        val own = records.read(listOf(title("film"))).single().registration.source
        assertEquals(widevine.drm, own.drm)
        assertEquals(emptyList<DrmParams>(), records.read(listOf(title("odd", film, bare))).single().registration.source.drm)
    }

    @Test
    fun `a title that cannot be imported has a code and does not stop the rest`(): Unit = runBlocking {
        registeredWithPlayKit("film")
        registeredWithPlayKit("gone")
        playKit.put("broken", "!!! not base64 !!!")
        val records = PlayKitRecords(AndroidTestDevice.app)
        manager().use { manager ->
            val titles = listOf(title("gone", "/no/such/film.mpd"), title("film"), title("", film))
            val codes = manager.importAssets(records.read(titles)).codes()
            assertEquals(listOf(LarderException.Code.MEDIA_NOT_FOUND, null, LarderException.Code.INVALID_ARGUMENT), codes)
        }
        playKit.edit().remove(base64(pssh)).commit()
        cdm.held.clear()
        manager().use { manager ->
            manager.unregisterAsset("film")
            assertEquals(
                listOf(LarderException.Code.LICENSE_MISSING),
                manager.importAssets(records.read(listOf(title("film")))).codes(),
            )
            // The CDM has lost the license that PlayKit's records name.
            playKit.put(base64(pssh), base64(keySet))
            assertEquals(
                listOf(LarderException.Code.LICENSE_VANISHED),
                manager.importAssets(records.read(listOf(title("film")))).codes(),
            )
        }
    }

    @Test
    fun `the records are removed only after every title is verified`(): Unit = runBlocking {
        registeredWithPlayKit("film")
        registeredWithPlayKit("another")
        older.put(base64(pssh), base64(keySet))
        offline.put("assetSourceId:film", "source")
        offline.put("somebody else's", "stays")
        val records = PlayKitRecords(AndroidTestDevice.app)
        manager().use { manager ->
            manager.importAssets(records.read(listOf(title("film"))))
            val before = everything()
            assertEquals(listOf("another"), records.removeVerified(manager, listOf("film")))
            assertEquals(before, everything())

            manager.importAssets(records.read(listOf(title("another"))))
            cdm.held.clear()
            assertEquals(setOf("film", "another"), records.removeVerified(manager, emptyList()).toSet())
            assertEquals("a license that the CDM does not confirm is not verified", before, everything())

            cdm.held += "ks-1"
            assertEquals(emptyList<String>(), records.removeVerified(manager, listOf("film", "another")))
            assertEquals(listOf(emptySet(), emptySet(), setOf("somebody else's")), everything().map { it.keys })
            assertTrue(manager.status("film").isPlayable && manager.status("another").isPlayable)
        }
    }

    @Test
    fun `forget removes the records of one title and keeps its license`() {
        registeredWithPlayKit("film")
        registeredWithPlayKit("old")
        val records = PlayKitRecords(AndroidTestDevice.app)
        records.forget("old")
        assertEquals(setOf("film"), records.assetIds())
        assertTrue(playKit.contains(base64(pssh)))
    }
}
