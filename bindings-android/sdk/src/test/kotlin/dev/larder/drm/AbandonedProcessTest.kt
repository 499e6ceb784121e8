package dev.larder.drm

import dev.larder.LocalAssetsManager
import dev.larder.PlayabilityReason
import dev.larder.support.CallPoint.AFTER
import dev.larder.support.CallPoint.BEFORE
import dev.larder.support.CdmCall
import dev.larder.support.ScriptedStorage
import dev.larder.support.ScriptedStorage.Call
import dev.larder.support.TestDevice
import dev.larder.support.TestServersRule
import dev.larder.support.VirtualCdm
import dev.larder.support.eventually
import dev.larder.support.widevineSource
import kotlinx.coroutines.runBlocking
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.ClassRule
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.ParameterizedRobolectricTestRunner
import org.robolectric.ParameterizedRobolectricTestRunner.Parameters
import java.io.File
import java.util.concurrent.CountDownLatch
import kotlin.concurrent.thread

/**
 * Tests the death of the process between any two steps. A dead process is a manager that hangs in the CDM or in the storage for
 * ever, and a copy of its folder at that moment. Device, storage and servers continue, and the app restarts with the copy.
 */
@RunWith(ParameterizedRobolectricTestRunner::class)
class AbandonedProcessTest(private val verb: Verb, private val point: Point) {
    enum class Verb { REGISTERING, REFRESHING, UNREGISTERING }

    /** The point of the death. [lost] is the number of licenses that the server granted and the device did not get. */
    class Point(private val name: String, val lost: Int = 0, val hang: (ScriptedStorage, () -> Unit) -> Unit) {
        override fun toString(): String = name
    }

    private val device = TestDevice()
    private val storage = ScriptedStorage()
    private val film = device.download("dash-cenc")
    private val source = widevineSource(servers)

    init {
        servers.reset()
        VirtualCdm.reset()
        VirtualCdm.provisioningUrl = servers.url("/widevine/provision")
    }

    @Test
    fun `a process death loses no license and leaks none`() = when (verb) {
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

    /** Unregisters, and checks that device, storage and server hold no license except the lost ones. */
    private fun balances(manager: LocalAssetsManager) {
        runBlocking { manager.unregisterAsset("film") }
        eventually("it is reconciled") { runBlocking { manager.reconcile() }.pending == 0 }
        assertEquals(0 to 0, VirtualCdm.ids.size to storage.size)
        assertEquals(point.lost, servers.live)
        manager.close()
        device.close()
    }

    /** Runs [work] until it hangs at the point, and restarts the app with a copy of the disk. */
    private fun dying(manager: LocalAssetsManager, work: suspend (LocalAssetsManager) -> Unit): LocalAssetsManager {
        val hangs = CountDownLatch(1)
        point.hang(storage) {
            hangs.countDown()
            // Hang for ever: a dead process does nothing any more.
            CountDownLatch(1).await()
        }
        thread(isDaemon = true) { runCatching { runBlocking { work(manager) } } }
        eventually("it comes to the point") { hangs.count == 0L }
        File(device.folder, "larder").copyRecursively(File(device.folder, "after"))
        return start("after").also { runBlocking { it.open() } }
    }

    private fun start(folder: String): LocalAssetsManager = LocalAssetsManager(
        device.setup(storage, MediaDrmEngine()) {
            // Longer than any test, so that a hanging call never returns.
            it.copy(dataDir = File(device.folder, folder).path, engineTimeoutSeconds = 3000, delegateTimeoutSeconds = 3000)
        },
    )

    companion object {
        @ClassRule @JvmField
        val servers = TestServersRule()

        private fun cdm(step: CdmCall, at: dev.larder.support.CallPoint, lost: Int = 0) =
            Point("$at $step", lost) { _, hang -> VirtualCdm.plan(step, at) { hang() } }

        private fun storage(call: Call, at: dev.larder.support.CallPoint) =
            Point("$at $call") { storage, hang -> storage.hangAt(call, at, hang) }

        /** The points of an acquisition. */
        private val getting = listOf(
            cdm(CdmCall.OPEN_SESSION, BEFORE),
            cdm(CdmCall.CHALLENGE, AFTER),
            cdm(CdmCall.LICENSE, BEFORE, lost = 1),
            cdm(CdmCall.LICENSE, AFTER),
            storage(Call.SAVE, BEFORE),
            storage(Call.SAVE, AFTER),
            storage(Call.LOAD, AFTER),
        )

        /** The points of a release. */
        private val giving = listOf(
            cdm(CdmCall.RELEASE_CHALLENGE, BEFORE),
            cdm(CdmCall.RELEASE_CHALLENGE, AFTER),
            cdm(CdmCall.RELEASE_ANSWER, BEFORE),
            cdm(CdmCall.RELEASE_ANSWER, AFTER),
            storage(Call.REMOVE, BEFORE),
            storage(Call.REMOVE, AFTER),
        )

        @JvmStatic
        @Parameters(name = "{0} {1}")
        fun deaths(): List<Array<Any>> = getting.map { arrayOf(Verb.REGISTERING, it) } +
            (getting + giving).map { arrayOf(Verb.REFRESHING, it) } +
            giving.map { arrayOf(Verb.UNREGISTERING, it) }
    }
}
