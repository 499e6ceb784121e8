package dev.larder.packaging

import com.android.tools.r8.CompilationFailedException
import com.android.tools.r8.CompilationMode
import com.android.tools.r8.JdkClassFileProvider
import com.android.tools.r8.OutputMode
import com.android.tools.r8.R8
import com.android.tools.r8.R8Command
import com.android.tools.r8.origin.Origin
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import org.junit.jupiter.api.io.TempDir
import java.io.File
import java.nio.file.Path
import java.util.concurrent.TimeUnit

/**
 * Tests the consumer rules of the AAR. R8 shrinks a small app and its dependencies in full mode, as a customer's build does,
 * and this JVM runs the result. A rule is a paragraph of the file.
 */
class ConsumerRulesTest {
    @TempDir
    lateinit var folder: Path
    private val repository = File(System.getProperty("larder.repository")).canonicalFile
    private val rules = repository.resolve("bindings-android/sdk/consumer-rules.pro").readText()
        .split(Regex("\n\\s*\n"))
        .filter { paragraph -> paragraph.lines().any { it.startsWith("-") } }

    @Test
    fun `the app works with all rules`() {
        val output = run(shrink(program(), rules))
        assertTrue(works(output), output)
        // In full mode R8 renames every class that no rule keeps. Otherwise the test shows nothing.
        assertTrue("renamed: true" in output, output)
    }

    @TestFactory
    fun `the app fails without any one of the rules`(): List<DynamicTest> {
        assertTrue(rules.size > 3, "the rules are gone")
        // Classes that all rules together remove need no second pass: fewer rules keep no more.
        val reached = shrink(program(), rules + "-dontoptimize" + "-dontobfuscate")
        assertTrue(works(run(reached)), "the app alone does not work")
        return rules.filterNot { "Only a warning" in it }.map { rule ->
            DynamicTest.dynamicTest(rule.lines().first { it.startsWith("-") }) {
                val output = try {
                    // Without optimization, which takes most of the time and does not change the kept classes.
                    run(shrink(listOf(reached), rules - rule + "-dontoptimize"))
                } catch (_: CompilationFailedException) {
                    "R8 fails"
                }
                assertFalse(works(output), "this rule is not needed")
                println("without it: ${output.lines().firstOrNull { "Exception" in it || "Error" in it } ?: output}")
            }
        }
    }

    private fun works(output: String) = output.lines().any { it.startsWith("OK ") }

    private fun shrink(program: List<Path>, rules: List<String>): Path {
        val jar = folder.resolve("app-${System.nanoTime()}.jar")
        val appRules = repository.resolve("bindings-android/packaging/app-rules.pro").toPath()
        val command = R8Command.builder()
            .setMode(CompilationMode.RELEASE)
            .setOutput(jar, OutputMode.ClassFile)
            .addLibraryResourceProvider(JdkClassFileProvider.fromJdkHome(Path.of(System.getProperty("java.home"))))
            .addProgramFiles(program)
            .addProguardConfigurationFiles(appRules)
            .addProguardConfiguration(rules, Origin.unknown())
        R8.run(command.build())
        return jar
    }

    /** Returns the class path of an app with this dependency, and the app's own classes. */
    private fun program(): List<Path> = System.getProperty("java.class.path").split(File.pathSeparator)
        .filter { entry -> PROGRAM.any { it in entry } && "test-classes" !in entry }
        .flatMap { entry ->
            val file = File(entry)
            if (file.isFile) listOf(file) else file.walk().filter { it.extension == "class" }.toList()
        }
        .map(File::toPath)

    private fun run(jar: Path): String {
        val native = System.getProperty("jna.library.path")
        val media = repository.resolve("testkit/media")
        val output = folder.resolve("output.txt").toFile()
        val process = ProcessBuilder(
            File(System.getProperty("java.home"), "bin/java").path,
            "-Djna.library.path=$native",
            "-Djava.library.path=$native",
            "-cp",
            jar.toString(),
            "dev.larder.app.Main",
            media.resolve("cmaf-clear/manifest.mpd").path,
            media.resolve("dash-cenc").path,
        ).redirectErrorStream(true).redirectOutput(output).start()
        if (!process.waitFor(120, TimeUnit.SECONDS)) process.destroyForcibly()
        val text = output.readText()
        return if (process.waitFor() == 0) text else "exit ${process.exitValue()}: $text"
    }

    private companion object {
        val PROGRAM = listOf("/target/classes", "/kotlin-stdlib-", "/kotlinx-coroutines-core", "/jna-", "/annotations-")
    }
}
