package dev.larder.drm

import dev.larder.LocalAssetsManager
import dev.larder.PlayabilityReason
import dev.larder.support.Device
import dev.larder.support.Moment.AFTER
import dev.larder.support.Moment.BEFORE
import dev.larder.support.ScriptedStorage
import dev.larder.support.ScriptedStorage.Call
import dev.larder.support.Step
import dev.larder.support.TestServers
import dev.larder.support.VirtualCdm
import dev.larder.support.eventually
import dev.larder.support.widevineSource
import kotlinx.coroutines.runBlocking
import org.junit.AfterClass
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.BeforeClass
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.ParameterizedRobolectricTestRunner
import org.robolectric.ParameterizedRobolectricTestRunner.Parameters
import java.io.File
import java.util.concurrent.CountDownLatch
import kotlin.concurrent.thread

/**
 * The app dies between any two neighbouring steps. A death is a manager that hangs in the CDM or in the storage and is never
 * heard of again, and a copy of its folder at that moment; device, storage and servers go on. The app is then started over
 * the copy.
 */
@RunWith(ParameterizedRobolectricTestRunner::class)
class AbandonedProcessTest(private val verb: Verb, private val point: Point) {
    enum class Verb { REGISTERING, REFRESHING, UNREGISTERING }

    /** Where it dies. [lost]: the server has granted what never came onto the device. */
    class Point(private val name: String, val lost: Int = 0, val hang: (ScriptedStorage, () -> Unit) -> Unit) {
        override fun toString(): String = name
    }

    private val device = Device()
    private val storage = ScriptedStorage()
    private val film = device.download("dash-cenc")
    private val source = widevineSource(servers)

    init {
        servers.reset()
        VirtualCdm.reset()
        VirtualCdm.provisioningUrl = servers.url("/widevine/provision")
    }

    @Test
    fun `nothing is lost, and nothing leaks`() = when (verb) {
        Verb.REGISTERING -> registeringItLeavesTheWholeOrNothing()
        Verb.REFRESHING -> refreshingItLeavesAnAssetThatPlaysWithOneLicense()
        Verb.UNREGISTERING -> unregisteringItIsGoneAndItsLicenseGoesBack()
    }

    private fun registeringItLeavesTheWholeOrNothing() {
        val manager = dying(start("larder")) { it.registerAsset(source, film, "film") }
        eventually("it is reconciled") { runBlocking { manager.reconcile() }.pending == 0 }
        val status = runBlocking { manager.status("film") }
        if (status.isRegistered) {
            assertTrue(status.message, runBlocking { manager.verifyAsset("film") }.isPlayable)
            assertEquals(1 to 1, VirtualCdm.ids.size to storage.size)
        } else {
            assertEquals(PlayabilityReason.NOT_REGISTERED, status.why)
            assertEquals(0 to 0, VirtualCdm.ids.size to storage.size)
        }
        runBlocking { manager.registerAsset(source, film, "film") }
        balances(manager)
    }

    private fun refreshingItLeavesAnAssetThatPlaysWithOneLicense() {
        val before = start("larder")
        runBlocking { before.registerAsset(source, film, "film") }
        val manager = dying(before) { it.refreshAsset("film") }
        assertTrue(runBlocking { manager.status("film") }.isPlayable)
        eventually("it is reconciled") { runBlocking { manager.reconcile() }.pending == 0 }
        assertTrue(runBlocking { manager.verifyAsset("film") }.isPlayable)
        assertEquals(1 to 1, VirtualCdm.ids.size to storage.size)
        balances(manager)
    }

    private fun unregisteringItIsGoneAndItsLicenseGoesBack() {
        val before = start("larder")
        runBlocking { before.registerAsset(source, film, "film") }
        val manager = dying(before) { it.unregisterAsset("film") }
        assertEquals(PlayabilityReason.NOT_REGISTERED, runBlocking { manager.status("film") }.why)
        balances(manager)
    }

    /** Everything goes back: device, storage and book are empty, but for what never came onto the device. */
    private fun balances(manager: LocalAssetsManager) {
        runBlocking { manager.unregisterAsset("film") }
        eventually("it is reconciled") { runBlocking { manager.reconcile() }.pending == 0 }
        assertEquals(0 to 0, VirtualCdm.ids.size to storage.size)
        assertEquals(point.lost, servers.live)
        manager.close()
        device.close()
    }

    /** Works until it hangs at the point, and starts the app over what is on the disk then. */
    private fun dying(manager: LocalAssetsManager, work: suspend (LocalAssetsManager) -> Unit): LocalAssetsManager {
        val hangs = CountDownLatch(1)
        point.hang(storage) {
            hangs.countDown()
            // Never let go: what has died does nothing any more.
            CountDownLatch(1).await()
        }
        thread(isDaemon = true) { runCatching { runBlocking { work(manager) } } }
        eventually("it comes to the point") { hangs.count == 0L }
        File(device.folder, "larder").copyRecursively(File(device.folder, "after"))
        return start("after").also { runBlocking { it.open() } }
    }

    private fun start(folder: String): LocalAssetsManager = LocalAssetsManager(
        device.context(storage, MediaDrmEngine()) {
            // Longer than any test: nobody comes back from the dead.
            it.copy(dataDir = File(device.folder, folder).path, engineTimeoutSeconds = 3000, delegateTimeoutSeconds = 3000)
        },
    )

    companion object {
        private lateinit var servers: TestServers

        private fun cdm(step: Step, moment: dev.larder.support.Moment, lost: Int = 0) =
            Point("$moment $step", lost) { _, hang -> VirtualCdm.plan(step, moment) { hang() } }

        private fun storage(call: Call, moment: dev.larder.support.Moment) =
            Point("$moment $call") { storage, hang -> storage.hangAt(call, moment, hang) }

        /** On the way to a license. */
        private val getting = listOf(
            cdm(Step.OPEN_SESSION, BEFORE),
            cdm(Step.CHALLENGE, AFTER),
            cdm(Step.LICENSE, BEFORE, lost = 1),
            cdm(Step.LICENSE, AFTER),
            storage(Call.SAVE, BEFORE),
            storage(Call.SAVE, AFTER),
            storage(Call.LOAD, AFTER),
        )

        /** On the way back. */
        private val giving = listOf(
            cdm(Step.RELEASE_CHALLENGE, BEFORE),
            cdm(Step.RELEASE_CHALLENGE, AFTER),
            cdm(Step.RELEASE_ANSWER, BEFORE),
            cdm(Step.RELEASE_ANSWER, AFTER),
            storage(Call.REMOVE, BEFORE),
            storage(Call.REMOVE, AFTER),
        )

        @JvmStatic
        @Parameters(name = "{0} {1}")
        fun deaths(): List<Array<Any>> = getting.map { arrayOf(Verb.REGISTERING, it) } +
            (getting + giving).map { arrayOf(Verb.REFRESHING, it) } +
            giving.map { arrayOf(Verb.UNREGISTERING, it) }

        @JvmStatic
        @BeforeClass
        fun startServers() {
            servers = TestServers.start()
        }

        @JvmStatic
        @AfterClass
        fun stopServers() = servers.close()
    }
}
