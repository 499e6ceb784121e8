package dev.larder

import org.codehaus.mojo.animal_sniffer.SignatureChecker
import org.codehaus.mojo.animal_sniffer.logging.Logger
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
        val missing = missingReferences().map { (owner, reference) -> "$owner: $reference" }.toSortedSet()
        val listed = listed().map { it.substringBeforeLast(" // ") }.toSortedSet()
        assertEquals("", (missing - listed).joinToString("\n"), "not listed")
        assertEquals("", (listed - missing).joinToString("\n"), "listed, and not used")
    }

    @Test
    fun `who uses something newer looks at SDK_INT`() {
        for (owner in listed().filter { " // API " in it }.map { it.substringBefore(':') }.toSet()) {
            val bytes = classes.resolve("$owner.class").readBytes().toString(Charsets.ISO_8859_1)
            assertTrue("SDK_INT" in bytes) { "$owner never looks at SDK_INT" }
        }
    }

    private fun listed(): List<String> = File(System.getProperty("larder.repository"))
        .resolve("bindings-android/sdk/src/test/resources/above-api-24.txt").readLines()
        .filter { it.isNotBlank() && !it.startsWith("#") }

    private fun missingReferences(): List<Pair<String, String>> {
        val found = Collector()
        File(System.getProperty("larder.android24")).inputStream().use { signature ->
            val others = setOf("dev.larder.*", "kotlin.*", "kotlinx.*", "com.sun.jna.*")
            val checker = SignatureChecker(signature, others, found)
            checker.setSourcePath(emptyList())
            checker.process(classes)
        }
        return found.references
    }

    /** The checker tells what it finds as errors in a log. */
    private class Collector : Logger {
        val references = mutableListOf<Pair<String, String>>()

        override fun error(message: String) {
            val (where, reference) = checkNotNull(line.matchEntire(message)) { message }.destructured
            references += File(where).nameWithoutExtension to reference
        }

        override fun error(message: String, error: Throwable) = throw AssertionError(message, error)
        override fun warn(message: String) = Unit
        override fun warn(message: String, error: Throwable) = throw AssertionError(message, error)
        override fun info(message: String) = Unit
        override fun info(message: String, error: Throwable) = Unit
        override fun debug(message: String) = Unit
        override fun debug(message: String, error: Throwable) = Unit

        private companion object {
            val line =
                Regex("(.+?)(?::\\d+)?: (?:Field .* )?(?:Covariant return type change detected: |Undefined reference: )(.+)")
        }
    }
}
