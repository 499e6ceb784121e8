package dev.larder.drm

import dev.larder.AssetStatus
import dev.larder.DrmScheme
import dev.larder.ExchangeKind
import dev.larder.ExchangeMessage
import dev.larder.KeyRequest
import dev.larder.Larder
import dev.larder.LarderConfig
import dev.larder.LarderException
import dev.larder.LicenseGrant
import dev.larder.LocalAssetsManager
import dev.larder.PlayabilityReason
import dev.larder.Remedy
import dev.larder.support.KotlinClearKeyEngine
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
import java.io.File
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicReference

class DrmEngineTest {
    @JvmField @RegisterExtension
    val online = TestServersExtension()
    private val device = TestDevice()
    private val path = device.download(PROTECTED_TITLE)

    @AfterEach
    fun end() {
        device.close()
    }

    private fun refusal(engine: DrmEngine, change: (LarderConfig) -> LarderConfig = { it }): LarderException = runBlocking {
        LocalAssetsManager(device.setup(engine = engine, change = change)).use { manager ->
            val refused = assertThrows<LarderException> { manager.registerAsset(protectedSource(online), path, "a") }
            assertEquals(PlayabilityReason.NOT_REGISTERED, manager.status("a").why)
            eventually("the granted license is released") { online.live == 0 }
            refused
        }
    }

    @Test
    fun `every exception and error of an engine is CDM_FAILED without its message`() {
        for (thrown in listOf(IllegalStateException("s3cr3t"), NotImplementedError("s3cr3t"), OutOfMemoryError("s3cr3t"))) {
            val refused = refusal(KotlinClearKeyEngine { if (it == "acquire") throw thrown })
            assertEquals(LarderException.Code.CDM_FAILED, refused.code)
            assertTrue(thrown.javaClass.name in refused.message, refused.message)
            assertFalse("s3cr3t" in refused.stackTraceToString())
        }
    }

    @Test
    fun `an engine's code keeps its HTTP status and gets the remedy of the code`() {
        val refused = refusal(
            KotlinClearKeyEngine {
                if (it ==
                    "acquire"
                ) {
                    throw LarderException(LarderException.Code.CDM_BUSY, "no free session", httpStatus = 503)
                }
            },
        )
        assertEquals(LarderException.Code.CDM_BUSY, refused.code)
        assertEquals(Remedy.RETRY, refused.remedy)
        assertTrue(refused.isRetryable)
        assertEquals(503, refused.httpStatus)
    }

    @Test
    fun `an exception of send reaches the caller through the engine unchanged`() {
        online.policy("""{"require_token":"t"}""")
        val refused = refusal(KotlinClearKeyEngine())
        assertEquals(LarderException.Code.UNAUTHORIZED, refused.code)
        assertEquals(401, refused.httpStatus)
        assertEquals(Remedy.SIGN_IN, refused.remedy)
        online.stop()
        assertEquals(LarderException.Code.OFFLINE, refusal(KotlinClearKeyEngine()).code)
    }

    @Test
    fun `an engine that fails after the grant leaves no live license`() {
        // The engine throws before it returns a handle, so only the engine knows the license and releases it itself.
        val refused = refusal(
            object : DrmEngine by KotlinClearKeyEngine() {
                override fun acquire(request: KeyRequest, exchange: LicenseExchange): LicenseGrant =
                    throw LarderException(LarderException.Code.LICENSE_MALFORMED, "not what this CDM takes")
            },
        )
        assertEquals(LarderException.Code.LICENSE_MALFORMED, refused.code)
    }

    @Test
    fun `an engine that hangs is TIMEOUT and its later exchange is refused`() {
        val go = CountDownLatch(1)
        val ended = CompletableFuture<String>()
        val engine = KotlinClearKeyEngine {
            when (it) {
                "before send" -> go.await(30, TimeUnit.SECONDS)
                "after send", "send failed" -> ended.complete(it)
            }
        }
        assertEquals(LarderException.Code.TIMEOUT, refusal(engine) { it.copy(engineTimeoutSeconds = 1) }.code)
        go.countDown()
        assertEquals("send failed", ended.get(30, TimeUnit.SECONDS))
    }

    @Test
    fun `a license granted after the timeout is released`() {
        val go = CountDownLatch(1)
        val engine = KotlinClearKeyEngine { if (it == "granted") go.await(30, TimeUnit.SECONDS) }
        runBlocking {
            LocalAssetsManager(device.setup(engine = engine) { it.copy(engineTimeoutSeconds = 1) }).use { manager ->
                val refused = assertThrows<LarderException> { manager.registerAsset(protectedSource(online), path, "a") }
                assertEquals(LarderException.Code.TIMEOUT, refused.code)
                assertEquals(1, online.live)
                go.countDown()
                eventually("the license is released") {
                    runBlocking { manager.reconcile() }
                    online.live == 0
                }
                assertEquals(PlayabilityReason.NOT_REGISTERED, manager.status("a").why)
            }
        }
    }

    @Test
    fun `an exchange is refused after the end of the engine's call`() {
        val kept = AtomicReference<LicenseExchange>()
        val engine = object : DrmEngine by KotlinClearKeyEngine() {
            override fun acquire(request: KeyRequest, exchange: LicenseExchange): LicenseGrant {
                kept.set(exchange)
                return KotlinClearKeyEngine().acquire(request, exchange)
            }
        }
        runBlocking {
            LocalAssetsManager(device.setup(engine = engine)).use { manager ->
                manager.registerAsset(protectedSource(online), path, "a")
                val before = online.requests
                val refused = assertThrows<LarderException> {
                    kept.get().send(ExchangeMessage(ExchangeKind.LICENSE, byteArrayOf()))
                }
                assertEquals(LarderException.Code.CANCELLED, refused.code)
                assertEquals(before, online.requests)
            }
        }
    }

    @Test
    fun `an engine may call the manager`(): Unit = runBlocking {
        val manager = AtomicReference<LocalAssetsManager>()
        val seen = AtomicReference<AssetStatus>()
        val engine = KotlinClearKeyEngine { if (it == "granted") seen.set(runBlocking { manager.get().status("a") }) }
        LocalAssetsManager(device.setup(engine = engine)).use {
            manager.set(it)
            it.registerAsset(protectedSource(online), path, "a")
            assertEquals(PlayabilityReason.REGISTERING, seen.get().why)
        }
    }

    @Test
    fun `an engine is called on named daemon threads that are attached to the JVM once`(): Unit = runBlocking {
        val threads = mutableListOf<Pair<String, Thread>>()
        val engine = KotlinClearKeyEngine {
            // The native id of the thread: a thread that is attached for each call has several Thread objects.
            val native = File("/proc/thread-self").canonicalFile.name
            synchronized(threads) { threads += native to Thread.currentThread() }
        }
        fun byNative() = synchronized(threads) { threads.groupBy({ it.first }, { it.second }) }
        LocalAssetsManager(device.setup(engine = engine)).use { manager ->
            var films = 0
            // Repeat until a thread is used again: the pool may have many idle threads of other tests.
            while (byNative().values.none { it.size > 4 }) {
                assertTrue(films < 300, "no thread was used again")
                manager.registerAsset(protectedSource(online), path, "a$films")
                manager.verifyAsset("a$films")
                films++
            }
        }
        for ((_, thread) in threads) {
            assertEquals("larder-foreign", thread.name)
            assertTrue(thread.isDaemon)
        }
        for ((native, seen) in byNative()) assertEquals(1, seen.distinct().size, "thread $native")
    }

    @Test
    fun `an engine that fails to return its scheme fails the manager`() {
        val engine = object : DrmEngine by KotlinClearKeyEngine() {
            override val scheme: DrmScheme
                get() = throw LarderException(LarderException.Code.DRM_UNSUPPORTED, "no CDM on this device")
        }
        LocalAssetsManager(device.setup(engine = engine)).use { manager ->
            val refused = assertThrows<LarderException> { manager.assets() }
            assertEquals(LarderException.Code.DRM_UNSUPPORTED, refused.code)
        }
    }

    @Test
    fun `a source without an engine for its scheme makes no request`() {
        val widevine = object : DrmEngine by KotlinClearKeyEngine() {
            override val scheme: DrmScheme get() = DrmScheme.WIDEVINE
        }
        assertEquals(LarderException.Code.DRM_UNSUPPORTED, refusal(widevine).code)
        assertEquals(0, online.requests)
    }
}
