package dev.larder.internal.ffi

import dev.larder.LarderException
import dev.larder.LocalAssetsManager
import dev.larder.SourceUrlMode
import dev.larder.support.CLEAR_TITLE
import dev.larder.support.TestDevice
import dev.larder.support.clearSource
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class NativeLookupTest {
    @Test
    fun `the JNI lookup is linked for one class loader and returns the contract's results`(): Unit = runBlocking {
        TestDevice().use { device ->
            LocalAssetsManager(device.setup()).use { manager ->
                val film = device.download(CLEAR_TITLE)
                for (id in listOf("film", "Фильм \uD83C\uDFAC", "a".repeat(1000))) {
                    manager.registerAsset(clearSource, film, id)
                    assertNull(manager.sourceURLProvider.getURL(id), "nothing before it is switched on")
                    manager.setSourceUrlMode(SourceUrlMode.LOCAL_ALWAYS)
                    assertTrue(NativeLibrary.isLinked)
                    val url = checkNotNull(manager.sourceURLProvider.getURL(id, "https://origin.example/x"))
                    assertTrue(url.startsWith("file:///"), url)
                    manager.setSourceUrlMode(SourceUrlMode.OFF)
                }
                manager.setSourceUrlMode(SourceUrlMode.LOCAL_ALWAYS)
                assertNull(manager.sourceURLProvider.getURL("nobody"))
            }
        }
    }

    @Test
    fun `a lookup in a closed manager is CLOSED`() {
        TestDevice().use { device ->
            val manager = LocalAssetsManager(device.setup())
            manager.use { assertNull(it.sourceUrl("film")) }
            val error = assertThrows(LarderException::class.java) { manager.sourceUrl("film") }
            assertEquals(LarderException.Code.CLOSED, error.code)
        }
    }
}
