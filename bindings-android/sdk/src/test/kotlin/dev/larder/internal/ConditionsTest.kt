package dev.larder.internal

import android.content.Context
import android.content.Intent
import android.net.ConnectivityManager
import android.net.NetworkCapabilities
import android.net.Uri
import android.os.BatteryManager
import android.os.Environment
import android.os.UserHandle
import android.os.storage.StorageManager
import dev.larder.LarderException
import dev.larder.LocalAssetsManager
import dev.larder.MediaFormat
import dev.larder.MediaSource
import dev.larder.NetworkState
import dev.larder.PlayabilityReason
import dev.larder.Remedy
import dev.larder.storage.StorageFolders
import dev.larder.support.AndroidTestDevice
import dev.larder.support.TestServers
import kotlinx.coroutines.runBlocking
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import org.robolectric.shadows.ShadowEnvironment
import org.robolectric.shadows.ShadowNetwork
import org.robolectric.shadows.ShadowNetworkCapabilities
import org.robolectric.shadows.StorageVolumeBuilder
import java.io.File

/** Tests the reactions of a manager to changes of network and volumes. */
@RunWith(RobolectricTestRunner::class)
class ConditionsTest {
    private val connectivity = checkNotNull(AndroidTestDevice.app.getSystemService(ConnectivityManager::class.java))
    private val clear = MediaSource("clear", "https://origin.example/manifest.mpd", MediaFormat.DASH)

    @Test
    fun `releases wait without a network and are sent when the network returns`(): Unit = runBlocking {
        TestServers().use { servers ->
            val film = AndroidTestDevice.download("dash-cenc")
            val before = shadowOf(connectivity).networkCallbacks.toSet()
            LocalAssetsManager(AndroidTestDevice.withClearKey().build()).use { manager ->
                manager.registerAsset(AndroidTestDevice.clearKeySource(servers), film, "film")
                assertEquals(1, servers.requests)
                AndroidTestDevice.eventually("the watch is registered") {
                    (shadowOf(connectivity).networkCallbacks - before).isNotEmpty()
                }
                val callback = (shadowOf(connectivity).networkCallbacks - before).single()
                val network = ShadowNetwork.newInstance(7)
                val internet = ShadowNetworkCapabilities.newInstance()
                shadowOf(internet).addCapability(NetworkCapabilities.NET_CAPABILITY_INTERNET)

                callback.onAvailable(network)
                callback.onCapabilitiesChanged(network, internet)
                callback.onLost(network)
                AndroidTestDevice.eventually("it is offline") { "\"offline\"" in manager.diagnostics().lowercase() }
                val refused = assertThrows(LarderException::class.java) { runBlocking { manager.refreshAsset("film") } }
                assertEquals(LarderException.Code.OFFLINE, refused.code)
                assertEquals(1, manager.unregisterAsset("film").pendingReleases)
                assertEquals("no network call at all", 1, servers.requests)

                // The app's own state takes precedence until the app sets UNKNOWN.
                manager.setNetworkState(NetworkState.OFFLINE)
                callback.onAvailable(network)
                callback.onCapabilitiesChanged(network, internet)
                val stillRefused = assertThrows(LarderException::class.java) {
                    runBlocking { manager.registerAsset(AndroidTestDevice.clearKeySource(servers), film, "film") }
                }
                assertEquals(LarderException.Code.OFFLINE, stillRefused.code)
                assertEquals(1, servers.requests)
                manager.setNetworkState(NetworkState.UNKNOWN)
                AndroidTestDevice.eventually("the license is released") { servers.live == 0 }
            }
        }
    }

    @Test
    @Suppress("DEPRECATION") // the framework sends it as a sticky broadcast
    fun `the state of the device reaches the core`() {
        LocalAssetsManager(AndroidTestDevice.app).use { manager ->
            val before = manager.diagnostics()
            val battery = Intent(Intent.ACTION_BATTERY_CHANGED)
                .putExtra(BatteryManager.EXTRA_LEVEL, 42).putExtra(BatteryManager.EXTRA_SCALE, 100)
                .putExtra(BatteryManager.EXTRA_PLUGGED, BatteryManager.BATTERY_PLUGGED_AC)
            AndroidTestDevice.app.sendStickyBroadcast(battery)
            AndroidTestDevice.eventually("the state is reported") {
                "\"battery_percent\":42" in
                    manager.diagnostics().filterNot(Char::isWhitespace)
            }
            assertTrue("\"is_charging\":true" in manager.diagnostics().filterNot(Char::isWhitespace))
            assertTrue("\"battery_percent\":42" !in before.filterNot(Char::isWhitespace))
        }
    }

    @Test
    fun `media on an ejected card is VOLUME_MISSING and plays after the card returns`(): Unit = runBlocking {
        val card = File(AndroidTestDevice.app.cacheDir, "card/Android/data/${AndroidTestDevice.app.packageName}/files")
        val phone = DeviceWithCard(AndroidTestDevice.app, card)
        val film = File(card, "films/cmaf-clear")
        File(AndroidTestDevice.download("cmaf-clear")).copyRecursively(film)
        assertTrue(StorageFolders(phone).roots().any { it.name == "volume-1ab2-3c4d" && it.path == card.path })

        val before = shadowOf(connectivity).networkCallbacks.toSet()
        LocalAssetsManager(phone).use { manager ->
            assertEquals("volume-1ab2-3c4d", manager.registerAsset(clear, film.path, "film").root)
            AndroidTestDevice.eventually("the watch is registered") {
                (shadowOf(connectivity).networkCallbacks - before).isNotEmpty()
            }

            phone.isMounted = false
            phone.tell(Intent.ACTION_MEDIA_EJECT)
            AndroidTestDevice.eventually("the volume is missing") {
                runBlocking { manager.status("film") }.why ==
                    PlayabilityReason.VOLUME_MISSING
            }
            val gone = manager.status("film")
            assertEquals(Remedy.RETRY, gone.remedy)
            val refused = assertThrows(LarderException::class.java) { manager.getLocalMediaSource("film", film.path) }
            assertEquals(LarderException.Code.VOLUME_MISSING, refused.code)

            phone.isMounted = true
            phone.tell(Intent.ACTION_MEDIA_MOUNTED)
            AndroidTestDevice.eventually("the volume is mounted") { runBlocking { manager.status("film") }.isPlayable }
            assertTrue(manager.getLocalMediaSource("film", film.path).isLocal)
        }

        // The card is not mounted when the app starts.
        phone.isMounted = false
        val again = shadowOf(connectivity).networkCallbacks.toSet()
        LocalAssetsManager(phone).use { manager ->
            assertEquals(PlayabilityReason.VOLUME_MISSING, manager.status("film").why)
            AndroidTestDevice.eventually("the watch is registered") {
                (shadowOf(connectivity).networkCallbacks - again).isNotEmpty()
            }
            phone.isMounted = true
            phone.tell(Intent.ACTION_MEDIA_MOUNTED)
            AndroidTestDevice.eventually("the volume is mounted") { runBlocking { manager.status("film") }.isPlayable }
            manager.unregisterAsset("film")
        }
    }

    /** A device with a card, as `getExternalFilesDirs` lists it. */
    private class DeviceWithCard(base: Context, private val card: File) : android.content.ContextWrapper(base) {
        @Volatile
        var isMounted = true

        init {
            check(card.mkdirs())
            val storage = base.getSystemService(StorageManager::class.java)
            val volume =
                StorageVolumeBuilder("card", card, "a card", UserHandle.getUserHandleForUid(0), Environment.MEDIA_MOUNTED)
            shadowOf(storage).addStorageVolume(volume.setFsUuid("1AB2-3C4D").build())
        }

        override fun getApplicationContext(): Context = this

        override fun getExternalFilesDirs(type: String?): Array<File?> {
            val primary = super.getExternalFilesDirs(type).first()
            return arrayOf(primary, card.takeIf { isMounted })
        }

        fun tell(action: String) = sendBroadcast(Intent(action, Uri.parse("file://$card")))
    }

    @Test
    fun `unmounted shared storage is no root and downloads go to internal storage`() {
        val shared = checkNotNull(AndroidTestDevice.app.getExternalFilesDir(null))
        assertEquals(
            listOf("downloads", "external", "internal"),
            StorageFolders(AndroidTestDevice.app).roots().map {
                it.name
            },
        )
        assertTrue(StorageFolders(AndroidTestDevice.app).downloads().path.startsWith(shared.path))
        ShadowEnvironment.setExternalStorageState(checkNotNull(shared.parentFile?.parentFile), Environment.MEDIA_UNMOUNTED)
        assertEquals(listOf("internal"), StorageFolders(AndroidTestDevice.app).roots().map { it.name })
        assertEquals(File(AndroidTestDevice.app.filesDir, "Download"), StorageFolders(AndroidTestDevice.app).downloads())
    }
}
