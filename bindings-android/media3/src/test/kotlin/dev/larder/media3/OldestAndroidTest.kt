package dev.larder.media3

import dev.larder.support.missingInApi24
import org.junit.Assert.assertEquals
import org.junit.Test
import java.io.File

/** Checks the module's classes against the declarations of API 24. Media3 itself supports API 23. */
class OldestAndroidTest {
    @Test
    fun `no class refers beyond API 24`() {
        val classes = File(System.getProperty("larder.classes"), "dev/larder")
        assertEquals(emptyList<Any>(), missingInApi24(classes, "androidx.*", "com.google.common.*"))
    }
}
