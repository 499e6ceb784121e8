package dev.larder.app

import dev.larder.DrmParams
import dev.larder.DrmScheme
import dev.larder.ExchangeKind
import dev.larder.ExchangeMessage
import dev.larder.KeyRequest
import dev.larder.Larder
import dev.larder.LarderConfig
import dev.larder.LarderException
import dev.larder.LarderSetup
import dev.larder.LicenseGrant
import dev.larder.LicenseTimes
import dev.larder.LocalAssetsManager
import dev.larder.LogLevel
import dev.larder.MediaSource
import dev.larder.PlayabilityReason
import dev.larder.ReleaseOutcome
import dev.larder.ResultListener
import dev.larder.SourceUrlMode
import dev.larder.StoredLicense
import dev.larder.UnregisterResult
import dev.larder.drm.DrmEngine
import dev.larder.drm.LicenseExchange
import dev.larder.storage.LocalDrmStorage
import kotlinx.coroutines.runBlocking
import java.io.FileNotFoundException
import java.nio.file.Files
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit
import kotlin.system.exitProcess

/**
 * An app that R8 shrinks in full mode. It registers, queries, plays, fails and removes with its own storage and engine, so that
 * it uses every path into the native library and back. ConsumerRulesTest runs it.
 */
object Main {
    @JvmStatic
    fun main(arguments: Array<String>) {
        val (clear, protected) = arguments
        val storage = Storage()
        val engine = RefusingEngine()
        Larder.setLogSink({ _, _, _ -> }, LogLevel.ERROR)
        val config = LarderConfig(dataDir = Files.createTempDirectory("larder-app").toString())
        LocalAssetsManager(LarderSetup(config, storage, engines = listOf(engine))).use { manager ->
            runBlocking {
                val status = manager.registerAsset(MediaSource("1", "https://origin.example/1.mpd"), clear, "clear", "entry")
                check(status.why == PlayabilityReason.PLAYABLE) { "${status.why}" }
                check(manager.getLocalMediaSource("clear", clear).isLocal)
                val drm = listOf(DrmParams(DrmScheme.CLEAR_KEY, "http://127.0.0.1:9/license"))
                try {
                    manager.registerAsset(
                        MediaSource("2", "https://origin.example/2.mpd", drm = drm),
                        protected,
                        "protected",
                    )
                    error("registered")
                } catch (e: LarderException) {
                    check(e.code == LarderException.Code.OFFLINE) { e.toString() }
                }
                check(engine.wasAsked)
            }
            manager.setSourceUrlMode(SourceUrlMode.LOCAL_ALWAYS)
            check(manager.sourceUrl("entry", "https://origin.example/1.mpd")?.startsWith("file:") == true)
            val removed = CountDownLatch(1)
            manager.removeAll(object : ResultListener<Int> {
                override fun onSuccess(result: Int) {
                    if (result == 1) removed.countDown()
                }

                override fun onFailed(error: LarderException): Unit = error.printStackTrace()
            })
            check(removed.await(30, TimeUnit.SECONDS)) { "no listener was called" }
        }
        println("OK ${Larder.version()}, renamed: ${UnregisterResult::class.java.name != "dev.larder." + "Unregistered"}")
        exitProcess(0)
    }
}

private class Storage : LocalDrmStorage {
    private val values = ConcurrentHashMap<String, ByteArray>()

    override fun save(key: String, value: ByteArray) {
        values[key] = value
    }

    override fun load(key: String): ByteArray = values[key] ?: throw FileNotFoundException(key)

    override fun remove(key: String) {
        values.remove(key)
    }
}

/** Uses an exchange without a server. */
private class RefusingEngine : DrmEngine {
    @Volatile
    var wasAsked = false

    override val scheme: DrmScheme
        get() = DrmScheme.CLEAR_KEY

    override fun acquire(request: KeyRequest, exchange: LicenseExchange): LicenseGrant {
        wasAsked = true
        exchange.send(ExchangeMessage(ExchangeKind.LICENSE, request.initData))
        error("there is no server")
    }

    override fun inspect(held: StoredLicense): LicenseTimes = error("not asked")

    override fun release(held: StoredLicense, exchange: LicenseExchange): ReleaseOutcome = error("not asked")
}
