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

/** The testkit's media. */
object Media {
    val folder: File = File(System.getProperty("larder.repository"), "testkit/media").canonicalFile

    /** Copies a title to a folder, as a download would. Returns the folder. */
    fun copy(title: String, to: File): File {
        folder.resolve(title).copyRecursively(to, overwrite = true)
        return to
    }
}

/** A device of a test: a folder for Larder's database and a folder of downloads, deleted at the end. */
class TestDevice : AutoCloseable {
    val folder: File = Files.createTempDirectory("larder-device").toFile()

    val config = LarderConfig(
        dataDir = File(folder, "larder").path,
        networkTimeoutSeconds = 10,
        engineTimeoutSeconds = 20,
        delegateTimeoutSeconds = 10,
    )

    /** Returns a setup with the software ClearKey engine, or with an engine of the test. */
    fun setup(
        storage: LocalDrmStorage = MemoryDrmStorage(),
        engine: DrmEngine? = null,
        change: (LarderConfig) -> LarderConfig = { it },
    ) = LarderSetup(
        change(config.copy(softwareClearKey = engine == null)),
        storage,
        engines = listOfNotNull(engine),
    )

    /** Copies a title of the testkit to the device. Returns the path to register: of the title, or of a file in it. */
    fun download(titleOrFile: String): String {
        val title = titleOrFile.substringBefore('/')
        Media.copy(title, folder.resolve("downloads/$title"))
        return folder.resolve("downloads/$titleOrFile").path
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
