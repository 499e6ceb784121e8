package dev.larder

import dev.larder.support.Device
import dev.larder.support.PROTECTED_TITLE
import dev.larder.support.TestServers
import dev.larder.support.protectedSource
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File

class ReadmeTest {
    private val repository = File(System.getProperty("larder.repository"))

    @Test
    fun `the lines that the READMEs show are those below`() {
        val here = repository.resolve("bindings-android/sdk/src/test/kotlin/dev/larder/ReadmeTest.kt").readText()
        val shown = here.substringAfter("\n// What the READMEs show.\n\n").trim()
        for (page in listOf("README.md", "bindings-android/README.md")) {
            val kotlin = repository.resolve(page).readText().substringAfter("```kotlin\n").substringBefore("```")
            val lines = kotlin.lines().filterNot { it.startsWith("import ") }.joinToString("\n").trim()
            assertEquals(shown, lines, page)
        }
    }

    @Test
    fun `they work`(): Unit = runBlocking {
        TestServers.start().use { online ->
            Device().use { device ->
                val film = device.download(PROTECTED_TITLE)
                LocalAssetsManager(device.context()).use { manager ->
                    assertNull(play(manager, film))
                    keep(manager, film, protectedSource(online))
                    online.stop()
                    assertTrue(play(manager, film)?.isLocal == true)
                }
            }
        }
    }
}

// What the READMEs show.

suspend fun keep(manager: LocalAssetsManager, film: String, source: MediaSource) {
    manager.registerAsset(source, film, "film-1")
}

suspend fun play(manager: LocalAssetsManager, film: String): MediaSource? {
    val status = manager.status("film-1")
    if (status.isPlayable) return manager.getLocalMediaSource("film-1", film)
    println("${status.why}, ${status.remedy}: ${status.message}")
    return null
}
