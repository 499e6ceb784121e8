package dev.larder.internal

import dev.larder.AssetRegistration
import dev.larder.Cancellable
import dev.larder.LarderException
import dev.larder.LocalAssetsManager
import dev.larder.ResultListener
import dev.larder.support.CLEAR_TITLE
import dev.larder.support.TestDevice
import dev.larder.support.clearSource
import dev.larder.support.eventually
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import java.util.concurrent.Executor
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicInteger

/** Tests that every call notifies its listener exactly once. */
class CallbacksTest {
    private val device = TestDevice()
    private val film = device.download(CLEAR_TITLE)
    private val pool = Executors.newFixedThreadPool(4)

    @AfterEach
    fun end() {
        pool.shutdown()
        device.close()
    }

    /** Counts the notifications of any kind of listener. */
    private class Told(val call: String) :
        ResultListener<Any?>,
        LocalAssetsManager.AssetRegistrationListener,
        LocalAssetsManager.AssetRemovalListener {
        val times = AtomicInteger()

        val ofStatus = object : LocalAssetsManager.AssetStatusListener {
            override fun onStatus(
                localAssetPath: String,
                expiryTimeSeconds: Long,
                availableTimeSeconds: Long,
                isRegistered: Boolean,
            ) = tell()
        }

        private fun tell() {
            times.incrementAndGet()
        }

        override fun onSuccess(result: Any?) = tell()

        override fun onFailed(error: LarderException) = tell()

        override fun onRegistered(assetPath: String) = tell()

        override fun onRemoved(assetPath: String) = tell()

        override fun onFailed(assetPath: String, error: Exception) = tell()
    }

    private val calls: Map<String, (LocalAssetsManager, Told, Executor?) -> Cancellable> = mapOf(
        "open" to { it, told, on -> it.open(told, on) },
        "register" to { it, told, on -> it.registerAsset(clearSource, film, "film", told, on) },
        "register a record" to { it, told, on -> it.registerAsset(AssetRegistration("all", film, clearSource), told, on) },
        "register nothing" to { it, told, on -> it.registerAsset(clearSource, "nowhere", "", told, on) },
        "refresh" to { it, told, on -> it.refreshAsset(clearSource, film, "film", told, on) },
        "refresh unknown" to { it, told, on -> it.refreshAsset("nobody", told, on) },
        "status" to { it, told, on -> it.status("film", told, on) },
        "check" to { it, told, on -> it.checkAssetStatus(film, "film", told.ofStatus, on) },
        "statuses" to { it, told, on -> it.allStatuses(told, on) },
        "verify" to { it, told, on -> it.verifyAsset("film", true, true, told, on) },
        "renew" to { it, told, on -> it.renewAll(60, told, on) },
        "renew badly" to { it, told, on -> it.renewAll(-1, told, on) },
        "import" to { it, told, on -> it.importAssets(emptyList(), told, on) },
        "reconcile" to { it, told, on -> it.reconcile(told, on) },
        "unregister" to { it, told, on -> it.unregisterAsset(film, "film", told, on) },
        "remove" to { it, told, on -> it.removeAll(told, on) },
    )

    private fun begun(manager: LocalAssetsManager, on: Executor?, after: (Cancellable) -> Unit = {}): List<Told> =
        calls.map { (name, call) -> Told(name).also { after(call(manager, it, on)) } }

    @Test
    fun `every call notifies its listener once when it completes, fails, is cancelled, is closed or has a dead executor`() {
        val manager = LocalAssetsManager(device.setup())
        val gone = Executors.newSingleThreadExecutor().apply { shutdown() }
        val running = mutableListOf<Cancellable>()
        val told = begun(manager, pool) { running += it } +
            begun(manager, on = null) { it.cancel() } +
            begun(manager, Executor(Runnable::run)) {
                it.cancel()
                it.cancel()
            } +
            begun(manager, gone)
        eventually("every listener is notified") { told.all { it.times.get() > 0 } }
        running.forEach(Cancellable::cancel)
        val late = begun(manager, pool)
        manager.close()
        val closed = begun(manager, pool)
        eventually("every listener is notified") { (late + closed).all { it.times.get() > 0 } }

        // Every earlier notification has been delivered when the call of a later manager has completed.
        runBlocking { LocalAssetsManager(device.setup()).use { it.open() } }
        pool.shutdown()
        pool.awaitTermination(30, TimeUnit.SECONDS)
        val otherThanOnce = (told + late + closed).filter { it.times.get() != 1 }.map { "${it.call}: ${it.times}" }
        assertEquals(emptyList<String>(), otherThanOnce)
    }
}
