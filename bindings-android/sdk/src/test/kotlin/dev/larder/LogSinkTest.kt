package dev.larder

import dev.larder.internal.ffi.setLogSink
import dev.larder.storage.MemoryDrmStorage
import dev.larder.support.PROTECTED_TITLE
import dev.larder.support.TestDevice
import dev.larder.support.TestServersExtension
import dev.larder.support.eventually
import dev.larder.support.protectedSource
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.extension.RegisterExtension
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.CopyOnWriteArraySet
import java.util.concurrent.atomic.AtomicInteger
import java.util.concurrent.atomic.AtomicReference

class LogSinkTest {
    @JvmField @RegisterExtension
    val online = TestServersExtension()
    private val device = TestDevice()

    @AfterEach
    fun end() {
        Larder.setLogSink(null)
        device.close()
    }

    @Test
    fun `a sink gets the log on one thread and without secrets`(): Unit = runBlocking {
        val lines = CopyOnWriteArrayList<String>()
        val threads = CopyOnWriteArraySet<Thread>()
        Larder.setLogSink({ level, target, message ->
            threads += Thread.currentThread()
            lines += "$level $target $message"
        }, LogLevel.DEBUG)
        val path = device.download(PROTECTED_TITLE)
        val storage = MemoryDrmStorage()
        LocalAssetsManager(device.setup(storage)).use { manager ->
            manager.registerAsset(protectedSource(online, "?token=s3cr3t"), path, "a")
            online.stop()
            assertThrows<LarderException> { manager.refreshAsset("a") }
            val handle = storage.load(storage.keys.single()).decodeToString()
            manager.unregisterAsset("a")
            eventually("the log has reached the sink") { lines.any { "unregistered" in it } }
            val key = checkNotNull(Regex("\"k\"\\s*:\\s*\"([^\"]+)\"").find(handle)).groupValues[1]
            for (line in lines.toList()) {
                assertFalse("s3cr3t" in line || key in line || '\n' in line, line)
                assertTrue(" larder_" in line, line)
            }
        }
        assertEquals(listOf("larder-log"), threads.map { it.name })
        assertTrue(threads.single().isDaemon)
    }

    @Test
    fun `a sink may call Larder, throw an exception and throw an Error`(): Unit = runBlocking {
        val calls = AtomicInteger()
        val manager = AtomicReference<LocalAssetsManager>()
        Larder.setLogSink({ _, _, _ ->
            manager.get()?.assets()
            manager.get()?.let { runBlocking { it.status("a") } }
            when (calls.incrementAndGet() % 3) {
                0 -> throw IllegalStateException()
                1 -> throw NotImplementedError()
            }
        }, LogLevel.DEBUG)
        val path = device.download(PROTECTED_TITLE)
        LocalAssetsManager(device.setup()).use {
            manager.set(it)
            it.registerAsset(protectedSource(online), path, "a")
            eventually("it was called more than once") { calls.get() >= 3 }
            it.unregisterAsset("a")
        }
    }

    @Test
    fun `a sink gets no lines below its level and none after its removal`(): Unit = runBlocking {
        val path = device.download(PROTECTED_TITLE)
        val levels = CopyOnWriteArrayList<LogLevel>()
        Larder.setLogSink({ level, _, _ -> levels += level }, LogLevel.WARN)
        LocalAssetsManager(device.setup()).use { manager ->
            manager.registerAsset(protectedSource(online), path, "a")
            online.stop()
            assertThrows<LarderException> { manager.refreshAsset("a") }
            eventually("the warning is there") { levels.isNotEmpty() }
            assertTrue(levels.all { it == LogLevel.WARN || it == LogLevel.ERROR }, levels.toString())
            Larder.setLogSink(null)
            Thread.sleep(100)
            val before = levels.size
            assertThrows<LarderException> { manager.refreshAsset("a") }
            Thread.sleep(100)
            assertEquals(before, levels.size)
        }
    }
}
