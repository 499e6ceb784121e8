package dev.larder.storage

import android.util.Base64
import dev.larder.AssetRegistration
import dev.larder.LarderException
import dev.larder.LocalAssetsManager
import dev.larder.PlayabilityReason
import dev.larder.Remedy
import dev.larder.support.AndroidTestDevice
import dev.larder.support.FakeAndroidKeyStore
import dev.larder.support.TestServers
import kotlinx.coroutines.runBlocking
import org.junit.After
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import java.io.File
import java.io.FileNotFoundException

/** Tests Larder's secret storages for Android. */
@RunWith(RobolectricTestRunner::class)
class DrmStoragesTest {
    private val value = byteArrayOf(1, 2, -1, 0, 127)
    private val sealedFolder get() = File(AndroidTestDevice.app.noBackupFilesDir, "larder/sealed-licenses")

    @Before
    fun begin() = FakeAndroidKeyStore.install()

    @After
    fun end() = FakeAndroidKeyStore.uninstall()

    private fun keepsItsWord(make: () -> LocalDrmStorage) {
        make().save("larder.license.a", value)
        assertArrayEquals("another object reads it", value, make().load("larder.license.a"))
        make().save("larder.license.a", byteArrayOf(9))
        assertArrayEquals(byteArrayOf(9), make().load("larder.license.a"))
        make().save("larder.license.b", ByteArray(0))
        assertArrayEquals(ByteArray(0), make().load("larder.license.b"))
        make().remove("larder.license.a")
        make().remove("larder.license.a")
        assertThrows(FileNotFoundException::class.java) { make().load("larder.license.a") }
        val large = ByteArray(100_000) { it.toByte() }
        make().save("larder.license.b", large)
        assertArrayEquals(large, make().load("larder.license.b"))
        make().remove("larder.license.b")
    }

    @Test
    fun `preferences store, replace and remove values`() = keepsItsWord {
        SharedPreferencesDrmStorage(AndroidTestDevice.app)
    }

    @Test
    fun `sealed files store, replace and remove values`() = keepsItsWord { SealedDrmStorage(AndroidTestDevice.app) }

    @Test
    fun `a value in preferences is on the disk when save returns`() {
        SharedPreferencesDrmStorage(AndroidTestDevice.app).save("larder.license.a", value)
        val file = File(AndroidTestDevice.app.dataDir, "shared_prefs/${SharedPreferencesDrmStorage.DEFAULT_NAME}.xml")
        assertTrue(Base64.encodeToString(value, Base64.NO_WRAP) in file.readText())
    }

    @Test
    fun `save fails if the preferences cannot be written`() {
        val folder = File(AndroidTestDevice.app.dataDir, "shared_prefs")
        folder.deleteRecursively()
        folder.writeText("in the way")
        assertThrows(java.io.IOException::class.java) {
            SharedPreferencesDrmStorage(AndroidTestDevice.app, "unwritable").save("larder.license.a", value)
        }
        folder.delete()
    }

    @Test
    fun `a foreign value in the preferences is LICENSE_UNREADABLE and not retryable`() {
        val preferences = AndroidTestDevice.app.getSharedPreferences(SharedPreferencesDrmStorage.DEFAULT_NAME, 0)
        preferences.edit().putString("larder.license.a", "A=").putInt("larder.license.b", 1).commit()
        for (key in listOf("larder.license.a", "larder.license.b")) {
            unreadable { SharedPreferencesDrmStorage(AndroidTestDevice.app).load(key) }
        }
    }

    @Test
    fun `a sealed value contains no plain text and differs each time`() {
        val storage = SealedDrmStorage(AndroidTestDevice.app)
        val secret = "the content key itself".encodeToByteArray()
        storage.save("larder.license.a", secret)
        val first = sealedFolder.listFiles().orEmpty().single().readBytes()
        storage.save("larder.license.a", secret)
        val second = sealedFolder.listFiles().orEmpty().single().readBytes()
        assertFalse("content key" in first.decodeToString())
        assertFalse(first.contentEquals(second))
        assertEquals(1, FakeAndroidKeyStore.keys.size)
    }

    @Test
    fun `a swapped, truncated or changed sealed value is LICENSE_UNREADABLE`() {
        val storage = SealedDrmStorage(AndroidTestDevice.app)
        storage.save("larder.license.a", value)
        storage.save("larder.license.b", byteArrayOf(7))
        val (a, b) = listOf("a", "b").map { File(sealedFolder, "larder%2elicense%2e$it.value") }
        b.writeBytes(a.readBytes())
        unreadable { storage.load("larder.license.b") }
        for (bytes in listOf(ByteArray(0), byteArrayOf(1), byteArrayOf(1, -5, 3), byteArrayOf(2, 12) + ByteArray(60))) {
            a.writeBytes(bytes)
            unreadable { storage.load("larder.license.a") }
        }
        storage.save("larder.license.a", value)
        a.writeBytes(a.readBytes().also { it[it.size - 1] = (it.last() + 1).toByte() })
        unreadable { storage.load("larder.license.a") }
    }

    private fun unreadable(load: () -> Unit) {
        val error = assertThrows(LarderException::class.java) { load() }
        assertEquals(LarderException.Code.LICENSE_UNREADABLE, error.code)
        assertEquals(Remedy.REREGISTER, error.remedy)
    }

    @Test
    fun `a lost key has a state with a remedy and the next value generates a new key`() {
        val storage = SealedDrmStorage(AndroidTestDevice.app)
        assertEquals(SealedDrmStorage.State.READY, storage.state())
        storage.save("larder.license.a", value)
        assertEquals(SealedDrmStorage.State.READY, storage.state())
        FakeAndroidKeyStore.lose()
        assertEquals(SealedDrmStorage.State.KEY_LOST, storage.state())
        assertEquals(Remedy.REREGISTER, storage.state().remedy)
        unreadable { storage.load("larder.license.a") }
        storage.save("larder.license.b", value)
        assertArrayEquals(value, storage.load("larder.license.b"))
        unreadable { storage.load("larder.license.a") }
        storage.reset()
        assertThrows(FileNotFoundException::class.java) { storage.load("larder.license.a") }
        assertEquals(SealedDrmStorage.State.READY, storage.state())
        assertTrue(FakeAndroidKeyStore.keys.isEmpty())
    }

    @Test
    fun `a Keystore that does not answer loses no value`() {
        val storage = SealedDrmStorage(AndroidTestDevice.app)
        storage.save("larder.license.a", value)
        FakeAndroidKeyStore.isBroken = true
        assertEquals(SealedDrmStorage.State.UNAVAILABLE, storage.state())
        for (call in listOf<() -> Any?>({ storage.load("larder.license.a") }, { storage.save("larder.license.a", value) })) {
            val error = assertThrows(LarderException::class.java) { call() }
            assertEquals(LarderException.Code.STORAGE_FAILED, error.code)
            assertTrue(error.isRetryable)
        }
        FakeAndroidKeyStore.isBroken = false
        assertArrayEquals(value, storage.load("larder.license.a"))
    }

    @Test
    fun `an asset with a lost key is LICENSE_UNREADABLE until it is registered again`(): Unit = runBlocking {
        TestServers().use { servers ->
            val title =
                AssetRegistration("film", AndroidTestDevice.download("dash-cenc"), AndroidTestDevice.clearKeySource(servers))
            LocalAssetsManager(
                AndroidTestDevice.withClearKey().storage(SealedDrmStorage(AndroidTestDevice.app)).build(),
            ).use { manager ->
                assertTrue(manager.registerAsset(title).isPlayable)
                FakeAndroidKeyStore.isBroken = true
                val busy = assertThrows(LarderException::class.java) { runBlocking { manager.verifyAsset("film") } }
                assertEquals(LarderException.Code.STORAGE_FAILED, busy.code)
                FakeAndroidKeyStore.isBroken = false
                assertEquals(PlayabilityReason.PLAYABLE, manager.verifyAsset("film").why)

                FakeAndroidKeyStore.lose()
                val lost = manager.verifyAsset("film")
                assertEquals(PlayabilityReason.LICENSE_UNREADABLE, lost.why)
                assertEquals(Remedy.REREGISTER, lost.remedy)
                val id = manager.localMediaSource("film").licenses.single().licenseId
                unreadable { manager.licenseHandle(id) }

                assertTrue(manager.registerAsset(title).isPlayable)
                assertEquals(PlayabilityReason.PLAYABLE, manager.verifyAsset("film").why)
                assertTrue(manager.unregisterAsset("film").wasRegistered)
            }
        }
    }
}
