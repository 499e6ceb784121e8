package dev.larder.media3

import dev.larder.support.missingInApi24
import org.junit.Assert.assertEquals
import org.junit.Test
import java.io.File

/** The module's classes against what API 24 declares. Media3's own promise is API 23. */
class OldestAndroidTest {
    @Test
    fun `nothing is referenced that API 24 lacks`() {
        val classes = File(System.getProperty("larder.classes"), "dev/larder")
        assertEquals(emptyList<Any>(), missingInApi24(classes, "androidx.*", "com.google.common.*"))
    }
}
