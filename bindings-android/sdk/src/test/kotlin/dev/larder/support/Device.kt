package dev.larder.support

import dev.larder.DrmParams
import dev.larder.DrmScheme
import dev.larder.LarderConfig
import dev.larder.LarderSetup
import dev.larder.MediaSource
import dev.larder.drm.DrmEngine
import dev.larder.storage.LocalDrmStorage
import dev.larder.storage.MemoryDrmStorage
import java.io.File
import java.nio.file.Files

/** Where the testkit's media lies in the repository. */
object Media {
    val folder: File = File(System.getProperty("larder.repository"), "testkit/media").canonicalFile
}

/** A device: a folder for Larder, a folder of downloads. */
class Device : AutoCloseable {
    val folder: File = Files.createTempDirectory("larder-device").toFile()

    val config = LarderConfig(
        dataDir = File(folder, "larder").path,
        networkTimeoutSeconds = 10,
        engineTimeoutSeconds = 20,
        delegateTimeoutSeconds = 10,
    )

    /** A context with the software ClearKey engine, or with an engine of the test's. */
    fun context(
        storage: LocalDrmStorage = MemoryDrmStorage(),
        engine: DrmEngine? = null,
        change: (LarderConfig) -> LarderConfig = { it },
    ) = LarderSetup(
        change(config.copy(softwareClearKey = engine == null)),
        storage,
        engines = listOfNotNull(engine),
    )

    /** Copies one of the testkit's titles to the device, as a download would. Returns what to register. */
    fun download(what: String): String {
        val title = what.substringBefore('/')
        Media.folder.resolve(title).copyRecursively(folder.resolve("downloads/$title"), overwrite = true)
        return folder.resolve("downloads/$what").path
    }

    override fun close() {
        folder.deleteRecursively()
    }
}

const val CLEAR_TITLE = "cmaf-clear/manifest.mpd"
const val PROTECTED_TITLE = "dash-cenc"

val clearSource = MediaSource(id = "clear", url = "https://origin.example/master.mpd")

fun protectedSource(servers: TestServers, query: String = "") = MediaSource(
    id = "dash",
    url = servers.url("/media/dash-cenc/manifest.mpd"),
    drm = listOf(DrmParams(DrmScheme.CLEAR_KEY, servers.url("/clearkey/license$query"))),
)

/** Looks until it is so, or fails. */
fun eventually(what: String, isSo: () -> Boolean) {
    val end = System.nanoTime() + 30_000_000_000
    while (!isSo()) {
        check(System.nanoTime() < end) { "never: $what" }
        Thread.sleep(10)
    }
}
