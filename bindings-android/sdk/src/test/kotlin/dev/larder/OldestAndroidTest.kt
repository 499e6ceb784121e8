package dev.larder

import dev.larder.support.missingInApi24
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File

/**
 * Checks the SDK's classes against the declarations of API 24. Newer functions are used after a check of `SDK_INT` only; each such
 * use is listed in `resources/above-api-24.txt`.
 */
class OldestAndroidTest {
    private val classes = File(System.getProperty("larder.classes"), "dev/larder")

    @Test
    fun `every reference beyond API 24 is listed with its reason`() {
        val missing = missingInApi24(classes, "com.sun.jna.*").map { (owner, reference) ->
            "$owner: $reference"
        }.toSortedSet()
        val listed = listed().map { it.substringBeforeLast(" // ") }.toSortedSet()
        assertEquals("", (missing - listed).joinToString("\n"), "not listed")
        assertEquals("", (listed - missing).joinToString("\n"), "listed, and not used")
    }

    @Test
    fun `every class with newer functions checks SDK_INT`() {
        for (owner in listed().filter { " // API " in it }.map { it.substringBefore(':') }.toSet()) {
            val bytes = classes.walk().single { it.name == "$owner.class" }.readBytes().toString(Charsets.ISO_8859_1)
            assertTrue("SDK_INT" in bytes) { "$owner does not check SDK_INT" }
        }
    }

    private fun listed(): List<String> = File(System.getProperty("larder.repository"))
        .resolve("bindings-android/sdk/src/test/resources/above-api-24.txt").readLines()
        .filter { it.isNotBlank() && !it.startsWith("#") }
}
