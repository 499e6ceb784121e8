package dev.larder.sample

import android.os.Environment
import android.os.Looper
import android.view.View
import dev.larder.support.Media
import org.junit.Assert.assertFalse
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import java.io.File

/** Tests the screen under Robolectric. On API 29 only: its API 35 lacks a class that ExoPlayer's audio needs. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [29])
class SampleActivityTest {
    @Test
    fun `a press registers and a press deletes a clear film`() {
        val app = RuntimeEnvironment.getApplication()
        val film = File(checkNotNull(app.getExternalFilesDir(Environment.DIRECTORY_DOWNLOADS)), "film")
        Media.folder.resolve("cmaf-clear").copyRecursively(film)
        // Leave one manifest, so that the folder can be registered.
        film.listFiles().orEmpty().filter { it.extension == "m3u8" }.forEach { it.delete() }
        val activity = Robolectric.buildActivity(SampleActivity::class.java).setup()
        val screen = checkNotNull(activity.get().findViewById<View>(android.R.id.content))
        val story = ScreenStory(screen) { work ->
            shadowOf(Looper.getMainLooper()).idle()
            work()
        }
        story.registersAClearFilm()
        story.deletesIt()
        assertFalse(film.exists())
        activity.pause().stop().destroy()
    }
}
