package dev.larder.sample

import android.content.Intent
import android.os.Environment
import android.view.View
import androidx.test.platform.app.InstrumentationRegistry
import org.junit.Assert.assertFalse
import org.junit.Test
import java.io.File

/** Tests the screen on a device or an emulator, with the published library and the device's folders, storage and looper. */
class SampleActivityInstrumentedTest {
    private val instrumentation = InstrumentationRegistry.getInstrumentation()

    @Test
    fun aPressRegistersAndAPressDeletesAClearFilm() {
        val app = instrumentation.targetContext
        val film = File(checkNotNull(app.getExternalFilesDir(Environment.DIRECTORY_DOWNLOADS)), "film")
        copyAssets("cmaf-clear", film)
        // Leave one manifest, so that the folder can be registered.
        film.listFiles().orEmpty().filter { it.extension == "m3u8" }.forEach { it.delete() }
        val intent = Intent(app, SampleActivity::class.java).addFlags(Intent.FLAG_ACTIVITY_NEW_TASK)
        val activity = instrumentation.startActivitySync(intent)
        val screen = checkNotNull(activity.findViewById<View>(android.R.id.content))
        val story = ScreenStory(screen) { work ->
            var result: Any? = null
            instrumentation.runOnMainSync { result = work() }
            result
        }
        story.registersAClearFilm()
        story.deletesIt()
        assertFalse(film.exists())
        instrumentation.runOnMainSync { activity.finish() }
    }

    private fun copyAssets(from: String, to: File) {
        val assets = instrumentation.context.assets
        val children = assets.list(from).orEmpty()
        if (children.isEmpty()) {
            checkNotNull(to.parentFile).mkdirs()
            assets.open(from).use { input -> to.outputStream().use { input.copyTo(it) } }
        }
        children.forEach { copyAssets("$from/$it", File(to, it)) }
    }
}
