package dev.larder.sample

import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.TextView

/**
 * The steps of a user on the screen, which run under Robolectric and on a device.
 *
 * @param screen the activity's content.
 * @param onMainThread runs its argument on the main thread after the waiting work, and returns the result.
 */
class ScreenStory(private val screen: View, private val onMainThread: (() -> Any?) -> Any?) {
    /** Finds a clear film in the folder `film` of the downloads, and registers it by a press. */
    fun registersAClearFilm() {
        until("film: downloaded, not registered")
        press("Register")
        until("film is registered")
        until("film: ready, without an end")
    }

    /** Deletes the film of [registersAClearFilm] by a press. */
    fun deletesIt() {
        press("Delete")
        until("film is deleted")
    }

    private fun press(label: String) {
        onMainThread { views(screen).filterIsInstance<Button>().first { it.text == label && it.isEnabled }.performClick() }
    }

    private fun until(text: String) {
        val end = System.nanoTime() + 30_000_000_000
        while (onMainThread { texts().contains(text) } != true) {
            if (System.nanoTime() > end) throw AssertionError("never: $text, but ${onMainThread { texts() }}")
            Thread.sleep(10)
        }
    }

    private fun texts(): List<String> = views(screen).filterIsInstance<TextView>().map { "${it.text}" }

    private fun views(view: View): List<View> {
        val children = (view as? ViewGroup)?.let { group -> List(group.childCount, group::getChildAt) }.orEmpty()
        return listOf(view) + children.flatMap(::views)
    }
}
