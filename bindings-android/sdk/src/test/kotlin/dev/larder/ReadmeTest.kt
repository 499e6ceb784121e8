package dev.larder

import dev.larder.storage.SharedPreferencesDrmStorage
import dev.larder.support.PROTECTED_TITLE
import dev.larder.support.TestDevice
import dev.larder.support.TestServers
import dev.larder.support.protectedSource
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.w3c.dom.Element
import java.io.File
import javax.xml.parsers.DocumentBuilderFactory

class ReadmeTest {
    private val repository = File(System.getProperty("larder.repository"))

    @Test
    fun `the READMEs show the lines below`() {
        val here = repository.resolve("bindings-android/sdk/src/test/kotlin/dev/larder/ReadmeTest.kt").readText()
        val shown = here.substringAfter("\n// What the READMEs show.\n\n").trim()
        for (page in listOf("README.md", "bindings-android/README.md")) {
            val kotlin = repository.resolve(page).readText().substringAfter("```kotlin\n").substringBefore("```")
            val lines = kotlin.lines().filterNot { it.startsWith("import ") }.joinToString("\n").trim()
            assertEquals(shown, lines, page)
        }
    }

    @Test
    fun `the guide's three backup rules exclude the preferences with the handles`() {
        val shown = repository.resolve("docs/guides/integrating.md").readText()
            .substringAfter("```xml backup\n").substringBefore("```")
        val rules = DocumentBuilderFactory.newInstance().newDocumentBuilder().parse("<all>$shown</all>".byteInputStream())
        val found = rules.getElementsByTagName("exclude")
        val excluded = List(found.length) { found.item(it) as Element }
        assertEquals(
            listOf("cloud-backup", "device-transfer", "full-backup-content"),
            excluded.map { it.parentNode.nodeName },
        )
        for (rule in excluded) {
            assertEquals("sharedpref", rule.getAttribute("domain"))
            assertEquals("${SharedPreferencesDrmStorage.DEFAULT_NAME}.xml", rule.getAttribute("path"))
        }
    }

    @Test
    fun `the README's lines work`(): Unit = runBlocking {
        TestServers().use { online ->
            TestDevice().use { device ->
                val film = device.download(PROTECTED_TITLE)
                LocalAssetsManager(device.setup()).use { manager ->
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
