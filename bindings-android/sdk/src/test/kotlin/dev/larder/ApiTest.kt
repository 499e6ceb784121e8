package dev.larder

import java.io.File
import java.util.ServiceLoader
import org.jetbrains.kotlin.abi.tools.AbiFilters
import org.jetbrains.kotlin.abi.tools.AbiToolsFactory
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class ApiTest {
    /** What UniFFI adds for itself: wrapped by what is written by hand, and not for apps. */
    private val generated = setOf("Ffi**", "Uniffi**", "RustBuffer**", "Disposable**", "InternalException**", "NoHandle**", "LarderKt")

    @Test
    fun `the public API is written down for check-api, without what UniFFI adds for itself`() {
        val classes = File(LocalAssetsManager::class.java.protectionDomain.codeSource.location.toURI())
        val files = classes.walk().filter { it.extension == "class" }.sorted().toList()
        val filters = AbiFilters(
            includedClasses = emptySet(),
            excludedClasses = generated.map { "dev.larder.$it" }.toSet(),
            includedAnnotatedWith = emptySet(),
            excludedAnnotatedWith = emptySet(),
        )
        val dump = StringBuilder()
        ServiceLoader.load(AbiToolsFactory::class.java).first().get().printJvmDump(dump, files, filters)
        val record = File(classes.parentFile, "api/larder.api")
        record.parentFile.mkdirs()
        record.writeText(dump.toString())
        assertTrue("class dev/larder/LocalAssetsManager " in dump)
        for (line in dump.lines().filter { "class " in it }) {
            assertFalse("/Ffi" in line.substringBefore(':') || "Adapter " in line && "RequestAdapter " !in line, line)
        }
    }
}
