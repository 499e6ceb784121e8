package dev.larder

import dev.larder.storage.LocalDrmStorage
import dev.larder.storage.MemoryDrmStorage
import dev.larder.support.KotlinClearKeyEngine
import dev.larder.support.PROTECTED_TITLE
import dev.larder.support.TestDevice
import dev.larder.support.TestServersExtension
import dev.larder.support.eventually
import dev.larder.support.protectedSource
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.extension.RegisterExtension
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit

/** Tests that a cancelled coroutine leaves no partial state and no live license. */
class CancellationTest {
    @JvmField @RegisterExtension
    val online = TestServersExtension()

    /** The points at which a registration waits for code of the app. */
    private val steps = listOf("acquire", "before send", "after send", "granted", "save", "load")

    @TestFactory
    fun `a registration cancelled at any of its steps leaves no state`(): List<DynamicTest> =
        steps.map { step -> dynamicTest("cancelled at: $step") { cancelledAt(step) } }

    private fun cancelledAt(step: String): Unit = runBlocking {
        val gate = Gate(step)
        TestDevice().use { device ->
            val path = device.download(PROTECTED_TITLE)
            val storage = Gated(gate)
            LocalAssetsManager(device.setup(storage, KotlinClearKeyEngine(gate::at))).use { manager ->
                val registration = async(Dispatchers.Default) { manager.registerAsset(protectedSource(online), path, "a") }
                gate.awaitArrival()
                // The coroutine ends at once, while the step still runs.
                withTimeout(10_000) { registration.cancelAndJoin() }
                assertThrows<CancellationException> { registration.await() }
                gate.open()
                eventually("nothing is left after $step") {
                    runBlocking { manager.reconcile() }
                    val status = runBlocking { manager.status("a") }
                    status.why == PlayabilityReason.NOT_REGISTERED && status.pendingReleases == 0 && online.live == 0
                }
                assertTrue(storage.memory.keys.isEmpty(), "no handle is left after $step")
                assertEquals(emptyList<AssetInfo>(), manager.assets())
                // The asset can be registered at once.
                assertTrue(manager.registerAsset(protectedSource(online), path, "a").isPlayable)
                manager.unregisterAsset("a")
                eventually("the second license is released") { online.live == 0 }
            }
        }
    }

    @Test
    fun `a registration cancelled at any time is complete or absent`(): Unit = runBlocking {
        TestDevice().use { device ->
            val path = device.download(PROTECTED_TITLE)
            LocalAssetsManager(device.setup(engine = KotlinClearKeyEngine())).use { manager ->
                for (ms in 0L..40L step 2) {
                    val call = async(Dispatchers.Default) { manager.registerAsset(protectedSource(online), path, "a") }
                    Thread.sleep(ms)
                    call.cancelAndJoin()
                    eventually("reconciled after $ms ms") {
                        runBlocking { manager.reconcile() }
                        val status = runBlocking { manager.status("a") }
                        val licenses = if (status.isRegistered) 1 else 0
                        status.why in setOf(PlayabilityReason.PLAYABLE, PlayabilityReason.NOT_REGISTERED) &&
                            online.live == licenses
                    }
                    manager.unregisterAsset("a")
                }
                eventually("every license is released") {
                    runBlocking { manager.reconcile() }
                    online.live == 0
                }
            }
        }
    }

    @Test
    fun `a cancelled refresh keeps the working license`(): Unit = runBlocking {
        val gate = Gate("granted")
        TestDevice().use { device ->
            val path = device.download(PROTECTED_TITLE)
            LocalAssetsManager(device.setup(engine = KotlinClearKeyEngine(gate::at))).use { manager ->
                gate.open()
                manager.registerAsset(protectedSource(online), path, "a")
                gate.close()
                val refresh = async(Dispatchers.Default) { manager.refreshAsset("a") }
                gate.awaitArrival()
                refresh.cancelAndJoin()
                gate.open()
                eventually("one license is live, and it is the asset's") {
                    runBlocking { manager.reconcile() }
                    online.issued == 2 && online.live == 1
                }
                assertEquals(PlayabilityReason.PLAYABLE, manager.verifyAsset("a").why)
            }
        }
    }

    /** Blocks the threads that arrive at one step until it is opened. */
    private class Gate(private val step: String) {
        @Volatile private var arrived = CountDownLatch(1)

        @Volatile private var opened = CountDownLatch(1)

        fun at(step: String) {
            if (step != this.step) return
            arrived.countDown()
            check(opened.await(30, TimeUnit.SECONDS)) { "$step was not opened" }
        }

        fun awaitArrival() = check(arrived.await(30, TimeUnit.SECONDS)) { "no thread arrived at $step" }

        fun open() = opened.countDown()

        fun close() {
            arrived = CountDownLatch(1)
            opened = CountDownLatch(1)
        }
    }

    private class Gated(private val gate: Gate) : LocalDrmStorage {
        val memory = MemoryDrmStorage()

        override fun save(key: String, value: ByteArray) {
            gate.at("save")
            memory.save(key, value)
        }

        override fun load(key: String): ByteArray {
            gate.at("load")
            return memory.load(key)
        }

        override fun remove(key: String) = memory.remove(key)
    }
}
