package dev.larder.support

import org.codehaus.mojo.animal_sniffer.SignatureChecker
import org.codehaus.mojo.animal_sniffer.logging.Logger
import java.io.File

/** Returns the references of compiled classes that API 24 does not declare, with the referring class. Ignores [libraries]. */
fun missingInApi24(classes: File, vararg libraries: String): List<Pair<String, String>> {
    val found = Collector()
    File(System.getProperty("larder.android24")).inputStream().use { signature ->
        val others = setOf("dev.larder.*", "kotlin.*", "kotlinx.*") + libraries
        val checker = SignatureChecker(signature, others, found)
        checker.setSourcePath(emptyList())
        checker.process(classes)
    }
    return found.references
}

/** Collects the checker's findings, which it logs as errors. */
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
