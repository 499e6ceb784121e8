package dev.larder

import dev.larder.support.missingInApi24
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File

/**
 * The SDK's classes against what the SDK of API 24 declares. What a newer Android has is used behind a look at `SDK_INT` only;
 * each such use is named in `resources/above-api-24.txt`.
 */
class OldestAndroidTest {
    private val classes = File(System.getProperty("larder.classes"), "dev/larder")

    @Test
    fun `nothing is referenced that API 24 lacks, but what is listed with its reason`() {
        val missing = missingInApi24(classes, "com.sun.jna.*").map { (owner, reference) ->
            "$owner: $reference"
        }.toSortedSet()
        val listed = listed().map { it.substringBeforeLast(" // ") }.toSortedSet()
        assertEquals("", (missing - listed).joinToString("\n"), "not listed")
        assertEquals("", (listed - missing).joinToString("\n"), "listed, and not used")
    }

    @Test
    fun `who uses something newer looks at SDK_INT`() {
        for (owner in listed().filter { " // API " in it }.map { it.substringBefore(':') }.toSet()) {
            val bytes = classes.walk().single { it.name == "$owner.class" }.readBytes().toString(Charsets.ISO_8859_1)
            assertTrue("SDK_INT" in bytes) { "$owner never looks at SDK_INT" }
        }
    }

    private fun listed(): List<String> = File(System.getProperty("larder.repository"))
        .resolve("bindings-android/sdk/src/test/resources/above-api-24.txt").readLines()
        .filter { it.isNotBlank() && !it.startsWith("#") }
}
