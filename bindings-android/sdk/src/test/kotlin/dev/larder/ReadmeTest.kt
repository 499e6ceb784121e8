package dev.larder

import dev.larder.support.CLEAR_TITLE
import dev.larder.support.Device
import dev.larder.support.clearSource
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Test

class ReadmeTest {
    @Test
    fun `the code of the README keeps a film and plays it`(): Unit = runBlocking {
        Device().use { device ->
            LocalAssetsManager(device.context()).use { manager ->
                val film = device.download(CLEAR_TITLE)
                assertNull(play(manager, film))
                keep(manager, film, clearSource)
                assertEquals(true, play(manager, film)?.isLocal)
            }
        }
    }
}

// What the README shows; cli/tests/docs compares the two.

suspend fun keep(manager: LocalAssetsManager, film: String, source: MediaSource) {
    manager.registerAsset(source, film, "film-1")
}

suspend fun play(manager: LocalAssetsManager, film: String): MediaSource? {
    val status = manager.status("film-1")
    if (status.isPlayable) return manager.getLocalMediaSource("film-1", film)
    println("${status.why}, ${status.remedy}: ${status.message}")
    return null
}
