package dev.larder

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File
import java.lang.reflect.Modifier

class LarderExceptionTest {
    @Test
    fun `the codes are those of the core`() {
        val page = File(System.getProperty("larder.repository"), "docs/errors.md").readLines()
        val documented = page.mapNotNull { Regex("^\\| `([A-Z_]+)` \\|").find(it)?.groupValues?.get(1) }
        val constants = LarderException.Code::class.java.fields
            .filter { Modifier.isStatic(it.modifiers) && it.type == String::class.java }
            .onEach { assertEquals(it.name, it.get(null)) }
            .map { it.name }
        assertTrue(documented.size > 40)
        assertEquals(documented.sorted(), constants.sorted())
    }

    @Test
    fun `the text has code and message`() {
        val error = LarderException(LarderException.Code.OFFLINE, "no network", Remedy.GO_ONLINE, isRetryable = true)
        assertEquals("LarderException(OFFLINE: no network)", error.toString())
    }
}
