package dev.larder.storage

import dev.larder.LarderException
import dev.larder.LocalAssetsManager
import dev.larder.PlayabilityReason
import dev.larder.Remedy
import dev.larder.support.PROTECTED_TITLE
import dev.larder.support.TestDevice
import dev.larder.support.TestServersExtension
import dev.larder.support.eventually
import dev.larder.support.protectedSource
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.extension.RegisterExtension
import java.io.File
import java.io.FileNotFoundException
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicReference

/** Tests secret storages of the app: a failure has a code and leaves no partial registration. */
class StorageTest {
    @JvmField @RegisterExtension
    val online = TestServersExtension()
    private val device = TestDevice()

    @AfterEach
    fun end() {
        device.close()
    }

    /** A memory storage that runs code of the test before each call. */
    private class HookedStorage(private val before: (String) -> Unit) : LocalDrmStorage {
        private val memory = MemoryDrmStorage()
        val keys get() = memory.keys

        override fun save(key: String, value: ByteArray) {
            before("save")
            memory.save(key, value)
        }

        override fun load(key: String): ByteArray {
            before("load")
            return memory.load(key)
        }

        override fun remove(key: String) {
            before("remove")
            memory.remove(key)
        }
    }

    /** Registers with a storage, which must fail and leave neither asset nor license. */
    private fun refusal(storage: LocalDrmStorage): LarderException = runBlocking {
        val path = device.download(PROTECTED_TITLE)
        LocalAssetsManager(device.setup(storage) { it.copy(delegateTimeoutSeconds = 1) }).use { manager ->
            val refused = assertThrows<LarderException> {
                manager.registerAsset(protectedSource(online, "?token=s3cr3t"), path, "a")
            }
            assertEquals(PlayabilityReason.NOT_REGISTERED, manager.status("a").why)
            eventually("the license is released") {
                runBlocking { manager.reconcile() }
                online.live == 0
            }
            refused
        }
    }

    @Test
    fun `an exception of the storage is STORAGE_FAILED without its message`() {
        for (thrown in listOf(
            IllegalArgumentException("s3cr3t"),
            java.io.IOException("s3cr3t"),
            SecurityException("s3cr3t"),
        )) {
            val refused = refusal(HookedStorage { if (it == "save") throw thrown })
            assertEquals(LarderException.Code.STORAGE_FAILED, refused.code)
            assertEquals(Remedy.RETRY, refused.remedy)
            assertFalse("s3cr3t" in "$refused ${refused.message} ${refused.stackTraceToString()}", refused.message)
        }
    }

    @Test
    fun `an Error of the storage is STORAGE_FAILED and not an empty success`() {
        for (thrown in listOf(NotImplementedError("s3cr3t"), OutOfMemoryError("s3cr3t"), StackOverflowError())) {
            for (method in listOf("save", "load")) {
                assertEquals(
                    LarderException.Code.STORAGE_FAILED,
                    refusal(
                        HookedStorage {
                            if (it ==
                                method
                            ) {
                                throw thrown
                            }
                        },
                    ).code,
                )
            }
        }
    }

    @Test
    fun `a LarderException of the storage keeps its message`() {
        val refused = refusal(
            HookedStorage {
                if (it ==
                    "save"
                ) {
                    throw LarderException(LarderException.Code.STORAGE_FAILED, "the key store is locked")
                }
            },
        )
        assertTrue("the key store is locked" in refused.message, refused.message)
    }

    @Test
    fun `a storage without the saved value is STORAGE_LOST`() {
        val loses = object : LocalDrmStorage {
            override fun save(key: String, value: ByteArray) = Unit
            override fun load(key: String): ByteArray = throw FileNotFoundException(key)
            override fun remove(key: String) = Unit
        }
        assertEquals(LarderException.Code.STORAGE_LOST, refusal(loses).code)
    }

    @Test
    fun `a storage that returns another value is STORAGE_LOST`() {
        val lies = object : LocalDrmStorage {
            override fun save(key: String, value: ByteArray) = Unit
            override fun load(key: String): ByteArray = byteArrayOf(1)
            override fun remove(key: String) = Unit
        }
        assertEquals(LarderException.Code.STORAGE_LOST, refusal(lies).code)
    }

    @Test
    fun `a storage that returns null is STORAGE_LOST`() {
        val nulls = object : LocalDrmStorage {
            override fun save(key: String, value: ByteArray) = Unit
            override fun load(key: String): ByteArray? = null
            override fun remove(key: String) = Unit
        }
        assertEquals(LarderException.Code.STORAGE_LOST, refusal(nulls).code)
    }

    @Test
    fun `a storage that hangs is STORAGE_TIMEOUT`() {
        val go = CountDownLatch(1)
        val hangs = HookedStorage { if (it == "save") go.await(30, TimeUnit.SECONDS) }
        try {
            assertEquals(LarderException.Code.STORAGE_TIMEOUT, refusal(hangs).code)
        } finally {
            go.countDown()
        }
    }

    @Test
    fun `a storage may call the manager's suspending and blocking functions`(): Unit = runBlocking {
        val path = device.download(PROTECTED_TITLE)
        val manager = AtomicReference<LocalAssetsManager>()
        val seen = mutableListOf<String>()
        val storage = HookedStorage { method ->
            val status = runBlocking { manager.get().status("a") }
            val line = "$method ${status.isRegistered} ${manager.get().assets().size} ${manager.get().sourceUrl("a")}"
            synchronized(seen) { seen += line }
        }
        LocalAssetsManager(device.setup(storage)).use {
            manager.set(it)
            it.registerAsset(protectedSource(online), path, "a")
            assertTrue("save false 0 null" in seen, seen.toString())
        }
    }

    @Test
    fun `a file storage takes any key`() {
        val storage = FileDrmStorage(File(device.folder, "secrets"))
        val values = listOf("a", "A", ".", "..", "a/b", "../a", "", "%61", "🍎").associateWith {
            "value of $it".encodeToByteArray()
        }
        assertThrows<FileNotFoundException> { storage.load("a") }
        values.forEach(storage::save)
        values.forEach(storage::save)
        for ((key, value) in values) assertArrayEquals(value, storage.load(key), key)
        assertEquals(values.size, File(device.folder, "secrets").list()?.size)
        values.keys.forEach(storage::remove)
        values.keys.forEach(storage::remove)
        assertEquals(0, File(device.folder, "secrets").list()?.size)
    }

    @Test
    fun `handles in files are there for the next manager`(): Unit = runBlocking {
        val path = device.download(PROTECTED_TITLE)
        val secrets = File(device.folder, "secrets")
        LocalAssetsManager(device.setup(FileDrmStorage(secrets))).use {
            it.registerAsset(protectedSource(online), path, "a")
        }
        LocalAssetsManager(device.setup(FileDrmStorage(secrets))).use {
            assertEquals(PlayabilityReason.PLAYABLE, it.verifyAsset("a").why)
            assertTrue(secrets.deleteRecursively())
            assertEquals(PlayabilityReason.LICENSE_UNREADABLE, it.verifyAsset("a").why)
        }
    }

    @Test
    fun `a memory storage copies its values`() {
        val storage = MemoryDrmStorage()
        val value = byteArrayOf(1)
        storage.save("a", value)
        value[0] = 2
        assertEquals(1, storage.load("a")[0])
        storage.remove("a")
        storage.remove("a")
        assertNull(runCatching { storage.load("a") }.getOrNull())
    }
}
