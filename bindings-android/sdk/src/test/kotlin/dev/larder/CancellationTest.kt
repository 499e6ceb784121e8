package dev.larder

import dev.larder.storage.LocalDrmStorage
import dev.larder.storage.MemoryDrmStorage
import dev.larder.support.Device
import dev.larder.support.KotlinClearKeyEngine
import dev.larder.support.PROTECTED_TITLE
import dev.larder.support.TestServers
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
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit

/** A coroutine cancelled anywhere in a registration leaves no half state, and no live license that nobody releases. */
class CancellationTest {
    private val online = TestServers.start()

    @AfterEach
    fun end() = online.close()

    /** Every point at which a registration waits for somebody else's code. */
    private val steps = listOf("acquire", "before send", "after send", "granted", "save", "load")

    @TestFactory
    fun `a registration cancelled at each of its steps leaves nothing`(): List<DynamicTest> =
        steps.map { step -> dynamicTest("cancelled at: $step") { cancelledAt(step) } }

    private fun cancelledAt(step: String): Unit = runBlocking {
        val gate = Gate(step)
        Device().use { device ->
            val path = device.download(PROTECTED_TITLE)
            val storage = Gated(gate)
            LocalAssetsManager(device.context(storage, KotlinClearKeyEngine(gate::at))).use { manager ->
                val registration = async(Dispatchers.Default) { manager.registerAsset(protectedSource(online), path, "a") }
                gate.awaitArrival()
                // It returns at once, while the step still runs.
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
                // And it can be registered at once.
                assertTrue(manager.registerAsset(protectedSource(online), path, "a").isPlayable)
                manager.unregisterAsset("a")
                eventually("the second license is given back") { online.live == 0 }
            }
        }
    }

    @Test
    fun `cancelled at any time at all, it is whole or nothing`(): Unit = runBlocking {
        Device().use { device ->
            val path = device.download(PROTECTED_TITLE)
            LocalAssetsManager(device.context(engine = KotlinClearKeyEngine())).use { manager ->
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
                eventually("every license is given back") {
                    runBlocking { manager.reconcile() }
                    online.live == 0
                }
            }
        }
    }

    @Test
    fun `a refresh that is cancelled keeps the license that works`(): Unit = runBlocking {
        val gate = Gate("granted")
        Device().use { device ->
            val path = device.download(PROTECTED_TITLE)
            LocalAssetsManager(device.context(engine = KotlinClearKeyEngine(gate::at))).use { manager ->
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

    /** Holds whoever arrives at one step until it is opened. */
    private class Gate(private val step: String) {
        @Volatile private var arrived = CountDownLatch(1)

        @Volatile private var opened = CountDownLatch(1)

        fun at(step: String) {
            if (step != this.step) return
            arrived.countDown()
            check(opened.await(30, TimeUnit.SECONDS)) { "nobody opened $step" }
        }

        fun awaitArrival() = check(arrived.await(30, TimeUnit.SECONDS)) { "nobody came to $step" }

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
