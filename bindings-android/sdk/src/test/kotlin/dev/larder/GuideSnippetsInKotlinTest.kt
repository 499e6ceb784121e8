package dev.larder

import dev.larder.support.Device
import dev.larder.support.PROTECTED_TITLE
import dev.larder.support.TestServers
import dev.larder.support.protectedSource
import java.io.FileNotFoundException
import java.util.concurrent.ArrayBlockingQueue
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.TimeUnit
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/**
 * The code of PlayKit's offline guide for Android, as Kotlin apps have it: listeners as objects, PlayKit's own type names.
 * `context` is a LarderSetup while there is no Android.
 */
class GuideSnippetsInKotlinTest {
    private val servers = TestServers.start()
    private val device = Device()
    private val context = device.context()
    private val mediaSource: PKMediaSource = protectedSource(servers)
    private val yourAssetAbsolutePath = device.download(PROTECTED_TITLE)
    private val yourAssetLocalPath = yourAssetAbsolutePath
    private val yourAssetID = "asset"
    private val told = ArrayBlockingQueue<String>(10)

    @AfterEach
    fun end() {
        device.close()
        servers.close()
    }

    private fun heard(): String = checkNotNull(told.poll(30, TimeUnit.SECONDS)) { "no listener was called" }

    @Test
    fun `the guide from registration to removal`() {
        val localAssetsManager = LocalAssetsManager(context)
        val registrationListener = object : LocalAssetsManager.AssetRegistrationListener {
            override fun onRegistered(assetPath: String) {
                told += "registered $assetPath"
            }

            override fun onFailed(assetPath: String, error: Exception) {
                told += "failed $assetPath ${error.message}"
            }
        }
        localAssetsManager.registerAsset(mediaSource, yourAssetAbsolutePath, yourAssetID, registrationListener)
        assertEquals("registered $yourAssetAbsolutePath", heard())

        val assetStatusListener = object : LocalAssetsManager.AssetStatusListener {
            override fun onStatus(localAssetPath: String, expiryTimeSeconds: Long, availableTimeSeconds: Long) {
                told += "status $localAssetPath ${expiryTimeSeconds > 0} ${availableTimeSeconds > 0}"
            }
        }
        localAssetsManager.checkAssetStatus(yourAssetLocalPath, yourAssetID, assetStatusListener)
        assertEquals("status $yourAssetLocalPath true true", heard())

        localAssetsManager.refreshAsset(mediaSource, yourAssetAbsolutePath, yourAssetID, registrationListener)
        assertEquals("registered $yourAssetAbsolutePath", heard())

        val local: PKMediaSource = localAssetsManager.getLocalMediaSource(yourAssetID, yourAssetLocalPath)
        val mediaEntry = PKMediaEntry(id = yourAssetID, sources = listOf(local))
        assertTrue(mediaEntry.sources.single().isLocal)

        val removalListener = LocalAssetsManager.AssetRemovalListener { assetPath -> told += "removed $assetPath" }
        localAssetsManager.unregisterAsset(yourAssetLocalPath, yourAssetID, removalListener)
        assertEquals("removed $yourAssetLocalPath", heard())
        localAssetsManager.unregisterAsset(yourAssetLocalPath, yourAssetID, null)
        localAssetsManager.close()
    }

    @Test
    fun `a storage of the app's own`() {
        class YourLocalDrmStorage : LocalDrmStorage {
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

        val storage = YourLocalDrmStorage()
        LocalAssetsManager(device.context(storage)).use { localAssetsManager ->
            localAssetsManager.registerAsset(
                mediaSource, yourAssetAbsolutePath, yourAssetID,
                object : LocalAssetsManager.AssetRegistrationListener {
                    override fun onRegistered(assetPath: String) {
                        told += "registered"
                    }

                    override fun onFailed(assetPath: String, error: Exception) {
                        told += "$error"
                    }
                },
            )
            assertEquals("registered", heard())
            assertEquals(1, storage.map.size)
        }
    }

    @Test
    fun `a status that cannot be told is PlayKit's no information`() {
        val localAssetsManager = LocalAssetsManager(context)
        localAssetsManager.close()
        val listener = object : LocalAssetsManager.AssetStatusListener {
            override fun onStatus(
                localAssetPath: String,
                expiryTimeSeconds: Long,
                availableTimeSeconds: Long,
                isRegistered: Boolean,
            ) {
                told += "$expiryTimeSeconds $availableTimeSeconds $isRegistered"
            }
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
