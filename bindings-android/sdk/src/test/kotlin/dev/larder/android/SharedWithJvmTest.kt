package dev.larder.android

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

/** Every test class of the plain JVM once more, whole, on the framework of the level: the same tests, and none skipped. */
@RunWith(ParameterizedRobolectricTestRunner::class)
class SharedWithJvmTest(private val name: String) {
    @Test
    fun `it holds on Android, too`() {
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
            val names = classes.list().orEmpty().filter { it.endsWith("Test.class") }.map { it.removeSuffix(".class") }
            check("WholeFlowTest" in names) { "the tests of the plain JVM are not in $classes" }
            return (names - "OldestAndroidTest").sorted()
        }
    }
}
