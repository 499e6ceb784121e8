package dev.larder

import android.os.Build
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment

@RunWith(RobolectricTestRunner::class)
class SandboxTest {
    @Test
    fun `the framework has the configured level and the native library answers`() {
        assertEquals(System.getProperty("robolectric.enabledSdks"), Build.VERSION.SDK_INT.toString())
        assertTrue(RuntimeEnvironment.getApplication().filesDir.isDirectory)
        assertTrue(Larder.version().isNotEmpty())
    }
}
