package dev.larder

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.jupiter.engine.JupiterTestEngine
import org.junit.platform.engine.discovery.DiscoverySelectors.selectClass
import org.junit.platform.launcher.core.LauncherConfig
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder
import org.junit.platform.launcher.core.LauncherFactory
import org.junit.platform.launcher.listeners.SummaryGeneratingListener
import org.junit.runner.RunWith
import org.robolectric.ParameterizedRobolectricTestRunner
import org.robolectric.ParameterizedRobolectricTestRunner.Parameters
import java.io.File
import java.io.PrintWriter
import java.io.StringWriter

/** Runs every test class of the plain JVM on Android's framework, with the same tests and none skipped. */
@RunWith(ParameterizedRobolectricTestRunner::class)
class SharedWithJvmTest(private val name: String) {
    @Test
    fun `the JVM test class passes on Android`() {
        val jupiter = LauncherConfig.builder()
            .enableTestEngineAutoRegistration(false)
            .addTestEngines(JupiterTestEngine())
            .build()
        val request = LauncherDiscoveryRequestBuilder.request()
            .selectors(selectClass(Class.forName("dev.larder.$name", true, javaClass.classLoader)))
            .build()
        val outcome = SummaryGeneratingListener()
        LauncherFactory.create(jupiter).execute(request, outcome)

        val failures = StringWriter().also { outcome.summary.printFailuresTo(PrintWriter(it), 30) }.toString()
        assertEquals("", failures)
        assertTrue("no test ran", outcome.summary.testsSucceededCount > 0)
        assertEquals(outcome.summary.testsFoundCount, outcome.summary.testsSucceededCount)
    }

    companion object {
        @JvmStatic
        @Parameters(name = "{0}")
        fun names(): List<String> {
            val classes =
                File(System.getProperty("larder.repository"), "bindings-android/sdk/target/test-classes/dev/larder")
            val names = classes.walk()
                .filter { it.name.endsWith("Test.class") && isJupiterTest(it) }
                .map { it.relativeTo(classes).path.removeSuffix(".class").replace(File.separatorChar, '.') }
                .toSet()
            check("WholeFlowTest" in names) { "the tests of the plain JVM are not in $classes" }
            return (names - setOf("OldestAndroidTest", "PublicApiTest")).sorted()
        }

        /** Android's tests use JUnit 4. A class file contains the names of its annotations as text. */
        private fun isJupiterTest(file: File): Boolean =
            "Lorg/junit/jupiter/api/Test" in file.readBytes().toString(Charsets.ISO_8859_1)
    }
}
