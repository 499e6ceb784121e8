package dev.larder

import dev.larder.support.FirstManager
import dev.larder.support.TestDevice
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File
import java.util.concurrent.TimeUnit

class FirstManagerTest {
    @Test
    fun `the native libraries are loaded off the thread that makes and calls the first manager`() {
        val lines = TestDevice().use { device ->
            val java = File(System.getProperty("java.home"), "bin/java").path
            val process = ProcessBuilder(
                java,
                "-Djava.security.manager=allow",
                "-XX:TieredStopAtLevel=1",
                "-Djna.library.path=${System.getProperty("jna.library.path")}",
                "-cp",
                System.getProperty("java.class.path"),
                FirstManager::class.java.name,
                device.folder.resolve("larder").path,
            ).redirectError(ProcessBuilder.Redirect.DISCARD).start()
            val lines = process.inputStream.use { it.readBytes().decodeToString() }.lines()
            assertTrue(process.waitFor(30, TimeUnit.SECONDS))
            lines
        }
        assertTrue("constructed" in lines, "$lines")
        assertTrue(lines.any { "larder_ffi" in it } && lines.any { "jnidispatch" in it || "jna" in it }, "$lines")
        assertEquals(
            emptyList<String>(),
            lines.filter {
                it.startsWith("the app's main thread") &&
                    ("larder" in it || "jna" in it)
            },
        )
        // The system's loader comes first: JNA's loader does not call JNI_OnLoad.
        assertTrue(
            lines.indexOfFirst {
                it.endsWith(" larder_ffi")
            } < lines.indexOfFirst { "jna" in it || "jnidispatch" in it },
            "$lines",
        )
    }
}
