package dev.larder

import android.content.Context
import android.os.Looper
import dev.larder.storage.LocalDrmStorage
import dev.larder.support.AndroidTestDevice
import dev.larder.support.FrameworkPlayer
import dev.larder.support.TestServersRule
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertSame
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import java.io.FileNotFoundException
import java.util.concurrent.ConcurrentHashMap

/** Runs the code of PlayKit's offline guide for Android in Kotlin, with objects as listeners and PlayKit's type names. */
@RunWith(RobolectricTestRunner::class)
class GuideSnippetsInKotlinTest {
    @get:Rule val servers = TestServersRule()
    private val context: Context = AndroidTestDevice.app
    private val mediaSource: PKMediaSource =
        PKMediaSource("clear", servers.url("/media/cmaf-clear/manifest.mpd"), MediaFormat.DASH)
    private val yourAssetAbsolutePath = AndroidTestDevice.download("cmaf-clear")
    private val yourAssetLocalPath = yourAssetAbsolutePath
    private val yourAssetID = "asset"
    private val told = mutableListOf<String>()

    private fun tell(line: String) {
        assertSame(Looper.getMainLooper(), Looper.myLooper())
        told += line
    }

    private fun heard(): String {
        AndroidTestDevice.eventually("a listener is called") { told.isNotEmpty() }
        return told.removeAt(0)
    }

    private val registrationListener = object : LocalAssetsManager.AssetRegistrationListener {
        override fun onRegistered(assetPath: String) = tell("registered $assetPath")

        override fun onFailed(assetPath: String, error: Exception) = tell("failed $assetPath ${error.message}")
    }

    @Test
    fun `the guide's code works from registration to removal`() {
        val localAssetsManager = LocalAssetsManager(context)
        localAssetsManager.registerAsset(mediaSource, yourAssetAbsolutePath, yourAssetID, registrationListener)
        assertEquals("registered $yourAssetAbsolutePath", heard())

        val assetStatusListener = object : LocalAssetsManager.AssetStatusListener {
            override fun onStatus(localAssetPath: String, expiryTimeSeconds: Long, availableTimeSeconds: Long) =
                tell("status $localAssetPath ${expiryTimeSeconds > 0} ${availableTimeSeconds > 0}")
        }
        localAssetsManager.checkAssetStatus(yourAssetLocalPath, yourAssetID, assetStatusListener)
        assertEquals("status $yourAssetLocalPath true true", heard())

        localAssetsManager.refreshAsset(mediaSource, yourAssetAbsolutePath, yourAssetID, registrationListener)
        assertEquals("registered $yourAssetAbsolutePath", heard())

        val local: PKMediaSource = localAssetsManager.getLocalMediaSource(yourAssetID, yourAssetLocalPath)
        val mediaEntry = PKMediaEntry(id = yourAssetID, sources = listOf(mediaSource, local))
        val player = FrameworkPlayer()
        player.prepare(mediaEntry)
        assertEquals(local.url, player.prepared)

        val removalListener = LocalAssetsManager.AssetRemovalListener { assetPath -> tell("removed $assetPath") }
        localAssetsManager.unregisterAsset(yourAssetLocalPath, yourAssetID, removalListener)
        assertEquals("removed $yourAssetLocalPath", heard())
        localAssetsManager.unregisterAsset(yourAssetLocalPath, yourAssetID, null)
        localAssetsManager.close()
    }

    private class YourLocalDrmStorage : LocalDrmStorage {
        val map = ConcurrentHashMap<String, ByteArray>()

        override fun save(key: String, value: ByteArray) {
            map[key] = value
        }

        @Throws(FileNotFoundException::class)
        override fun load(key: String): ByteArray = map[key] ?: throw FileNotFoundException(key)

        override fun remove(key: String) {
            map.remove(key)
        }
    }

    @Test
    fun `the guide's own storage works`() {
        val storage = YourLocalDrmStorage()
        LocalAssetsManager(context, storage).use { localAssetsManager ->
            localAssetsManager.registerAsset(mediaSource, yourAssetAbsolutePath, yourAssetID, registrationListener)
            assertEquals("registered $yourAssetAbsolutePath", heard())
            localAssetsManager.unregisterAsset(yourAssetLocalPath, yourAssetID, { assetPath -> tell("removed $assetPath") })
            assertEquals("removed $yourAssetLocalPath", heard())
        }
        val path = AndroidTestDevice.download("dash-cenc")
        LocalAssetsManager(AndroidTestDevice.withClearKey().storage(storage).build()).use { localAssetsManager ->
            localAssetsManager.registerAsset(
                AndroidTestDevice.clearKeySource(servers),
                path,
                yourAssetID,
                registrationListener,
            )
            assertEquals("registered $path", heard())
            assertEquals(1, storage.map.size)
            assertTrue(localAssetsManager.localMediaSource(yourAssetID).licenses.size == 1)
            localAssetsManager.unregisterAsset(path, yourAssetID, { assetPath -> tell("removed $assetPath") })
            assertEquals("removed $path", heard())
        }
    }

    @Test
    fun `a status that is not available is PlayKit's no information`() {
        val localAssetsManager = LocalAssetsManager(context)
        localAssetsManager.close()
        val listener = object : LocalAssetsManager.AssetStatusListener {
            override fun onStatus(
                localAssetPath: String,
                expiryTimeSeconds: Long,
                availableTimeSeconds: Long,
                isRegistered: Boolean,
            ) = tell("$expiryTimeSeconds $availableTimeSeconds $isRegistered")
        }
        localAssetsManager.checkAssetStatus(yourAssetLocalPath, yourAssetID, listener)
        assertEquals("-1 -1 false", heard())
    }

    @Test
    fun `a custom source URL provider is a lambda`() {
        val provider = SourceURLProvider { entryId -> "file:///films/$entryId.mp4".takeIf { entryId == "film" } }
        assertEquals("file:///films/film.mp4", provider.getURL("film", "https://cdn.example/film"))
        assertNull(provider.getURL("another"))
    }
}
