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
import dev.larder.support.Phone
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

/** What a manager makes of its device: the network that comes and goes, volumes that do. */
@RunWith(RobolectricTestRunner::class)
class ConditionsTest {
    private val connectivity = checkNotNull(Phone.app.getSystemService(ConnectivityManager::class.java))
    private val clear = MediaSource("clear", "https://origin.example/manifest.mpd", MediaFormat.DASH)

    @Test
    fun `without a network nothing is sent, and what waited goes when there is one, by itself`(): Unit = runBlocking {
        TestServers.start().use { servers ->
            val film = Phone.download("dash-cenc")
            val before = shadowOf(connectivity).networkCallbacks.toSet()
            LocalAssetsManager(Phone.withClearKey().build()).use { manager ->
                manager.registerAsset(Phone.clearKeySource(servers), film, "film")
                assertEquals(1, servers.requests)
                Phone.until("it listens") { (shadowOf(connectivity).networkCallbacks - before).isNotEmpty() }
                val callback = (shadowOf(connectivity).networkCallbacks - before).single()
                val network = ShadowNetwork.newInstance(7)
                val internet = ShadowNetworkCapabilities.newInstance()
                shadowOf(internet).addCapability(NetworkCapabilities.NET_CAPABILITY_INTERNET)

                callback.onAvailable(network)
                callback.onCapabilitiesChanged(network, internet)
                callback.onLost(network)
                Phone.until("it is offline") { "\"offline\"" in manager.diagnostics().lowercase() }
                val refused = assertThrows(LarderException::class.java) { runBlocking { manager.refreshAsset("film") } }
                assertEquals(LarderException.Code.OFFLINE, refused.code)
                assertEquals(1, manager.unregisterAsset("film").pendingReleases)
                assertEquals("no network call at all", 1, servers.requests)

                // The app's own word counts before what is seen, until it is taken back.
                manager.setNetworkState(NetworkState.OFFLINE)
                callback.onAvailable(network)
                callback.onCapabilitiesChanged(network, internet)
                val stillRefused = assertThrows(LarderException::class.java) {
                    runBlocking { manager.registerAsset(Phone.clearKeySource(servers), film, "film") }
                }
                assertEquals(LarderException.Code.OFFLINE, stillRefused.code)
                assertEquals(1, servers.requests)
                manager.setNetworkState(NetworkState.UNKNOWN)
                Phone.until("the license is given back") { servers.live == 0 }
            }
        }
    }

    @Test
    @Suppress("DEPRECATION") // the framework's own are sticky
    fun `what the device is like reaches the core`() {
        LocalAssetsManager(Phone.app).use { manager ->
            val before = manager.diagnostics()
            val battery = Intent(Intent.ACTION_BATTERY_CHANGED)
                .putExtra(BatteryManager.EXTRA_LEVEL, 42).putExtra(BatteryManager.EXTRA_SCALE, 100)
                .putExtra(BatteryManager.EXTRA_PLUGGED, BatteryManager.BATTERY_PLUGGED_AC)
            Phone.app.sendStickyBroadcast(battery)
            Phone.until("it is told") { "\"battery_percent\":42" in manager.diagnostics().filterNot(Char::isWhitespace) }
            assertTrue("\"is_charging\":true" in manager.diagnostics().filterNot(Char::isWhitespace))
            assertTrue("\"battery_percent\":42" !in before.filterNot(Char::isWhitespace))
        }
    }

    @Test
    fun `media on a card that is ejected is missing, and plays again when the card is back`(): Unit = runBlocking {
        val card = File(Phone.app.cacheDir, "card/Android/data/${Phone.app.packageName}/files")
        val phone = PhoneWithCard(Phone.app, card)
        val film = File(card, "films/cmaf-clear")
        File(Phone.download("cmaf-clear")).copyRecursively(film)
        assertTrue(StorageFolders(phone).roots().any { it.name == "volume-1ab2-3c4d" && it.path == card.path })

        val before = shadowOf(connectivity).networkCallbacks.toSet()
        LocalAssetsManager(phone).use { manager ->
            assertEquals("volume-1ab2-3c4d", manager.registerAsset(clear, film.path, "film").root)
            Phone.until("it listens") { (shadowOf(connectivity).networkCallbacks - before).isNotEmpty() }

            phone.isMounted = false
            phone.tell(Intent.ACTION_MEDIA_EJECT)
            Phone.until("it is missed") { runBlocking { manager.status("film") }.why == PlayabilityReason.VOLUME_MISSING }
            val gone = manager.status("film")
            assertEquals(Remedy.RETRY, gone.remedy)
            val refused = assertThrows(LarderException::class.java) { manager.getLocalMediaSource("film", film.path) }
            assertEquals(LarderException.Code.VOLUME_MISSING, refused.code)

            phone.isMounted = true
            phone.tell(Intent.ACTION_MEDIA_MOUNTED)
            Phone.until("it is back") { runBlocking { manager.status("film") }.isPlayable }
            assertTrue(manager.getLocalMediaSource("film", film.path).isLocal)
        }

        // The card is out when the app starts.
        phone.isMounted = false
        val again = shadowOf(connectivity).networkCallbacks.toSet()
        LocalAssetsManager(phone).use { manager ->
            assertEquals(PlayabilityReason.VOLUME_MISSING, manager.status("film").why)
            Phone.until("it listens") { (shadowOf(connectivity).networkCallbacks - again).isNotEmpty() }
            phone.isMounted = true
            phone.tell(Intent.ACTION_MEDIA_MOUNTED)
            Phone.until("it is back") { runBlocking { manager.status("film") }.isPlayable }
            manager.unregisterAsset("film")
        }
    }

    /** A phone with a card in it, as `getExternalFilesDirs` shows one. */
    private class PhoneWithCard(base: Context, private val card: File) : android.content.ContextWrapper(base) {
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
    fun `shared storage that is not mounted is no root, and downloads go inside`() {
        val shared = checkNotNull(Phone.app.getExternalFilesDir(null))
        assertEquals(listOf("downloads", "external", "internal"), StorageFolders(Phone.app).roots().map { it.name })
        assertTrue(StorageFolders(Phone.app).downloads().path.startsWith(shared.path))
        ShadowEnvironment.setExternalStorageState(checkNotNull(shared.parentFile?.parentFile), Environment.MEDIA_UNMOUNTED)
        assertEquals(listOf("internal"), StorageFolders(Phone.app).roots().map { it.name })
        assertEquals(File(Phone.app.filesDir, "Download"), StorageFolders(Phone.app).downloads())
    }
}
