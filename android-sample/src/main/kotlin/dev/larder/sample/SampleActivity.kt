package dev.larder.sample

import android.app.Activity
import android.os.Bundle
import android.os.Environment
import android.view.SurfaceView
import android.view.View
import android.view.ViewGroup.LayoutParams.MATCH_PARENT
import android.view.ViewGroup.LayoutParams.WRAP_CONTENT
import android.widget.Button
import android.widget.EditText
import android.widget.LinearLayout
import android.widget.ScrollView
import android.widget.TextView
import androidx.media3.common.PlaybackException
import androidx.media3.common.Player
import androidx.media3.common.util.UnstableApi
import androidx.media3.exoplayer.ExoPlayer
import dev.larder.DrmScheme
import dev.larder.LocalAssetsManager
import dev.larder.LocalMediaSource
import dev.larder.media3.LarderMediaSourceFactory
import dev.larder.media3.reportPlaybackTo
import dev.larder.media3.toLarderException
import dev.larder.media3.toMediaItem
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.cancel
import java.io.File
import java.util.concurrent.Executor

/**
 * The screen: the app's downloads with their states and actions, and a player. Copy a folder with a film to the downloads
 * (`adb push`), type the URL of its license server if it is protected, register it, switch to airplane mode, play it.
 */
@androidx.annotation.OptIn(UnstableApi::class)
class SampleActivity :
    Activity(),
    LibraryView {
    private val scope = CoroutineScope(SupervisorJob() + Executor(::runOnUiThread).asCoroutineDispatcher())
    private lateinit var manager: LocalAssetsManager
    private lateinit var presenter: LibraryPresenter
    private lateinit var player: ExoPlayer
    private lateinit var reports: AutoCloseable

    private lateinit var message: TextView
    private lateinit var licenseUrl: EditText
    private lateinit var films: LinearLayout

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        manager = LocalAssetsManager(this)
        player = ExoPlayer.Builder(this).setMediaSourceFactory(LarderMediaSourceFactory(this, manager)).build()
        player.addListener(object : Player.Listener {
            override fun onPlayerError(error: PlaybackException) {
                val reason = error.toLarderException()
                tell("${reason.message}. ${advice(reason.remedy)}")
            }
        })
        reports = player.reportPlaybackTo(manager)
        setContentView(screen())
        val downloads = getExternalFilesDir(Environment.DIRECTORY_DOWNLOADS) ?: File(filesDir, "downloads")
        presenter = LibraryPresenter(manager, downloads, scope, this)
        presenter.start()
    }

    override fun onDestroy() {
        scope.cancel()
        reports.close()
        player.release()
        manager.close()
        super.onDestroy()
    }

    override fun show(films: List<Film>) {
        this.films.removeAllViews()
        films.forEach { this.films.addView(row(it)) }
    }

    override fun play(source: LocalMediaSource) {
        player.setMediaItem(source.toMediaItem())
        player.prepare()
        player.play()
    }

    override fun tell(message: String) {
        this.message.text = message
    }

    private fun screen(): View {
        val picture = SurfaceView(this)
        player.setVideoSurfaceView(picture)
        message = TextView(this)
        licenseUrl = EditText(this).apply { hint = "license server's URL, empty for clear media" }
        films = column()
        return column().apply {
            addView(picture, LinearLayout.LayoutParams(MATCH_PARENT, PICTURE_HEIGHT))
            addView(message)
            addView(licenseUrl)
            addView(ScrollView(context).apply { addView(films) })
        }
    }

    private fun row(film: Film): View = column().apply {
        addView(TextView(context).apply { text = "${film.id}: ${film.state}" })
        addView(
            LinearLayout(context).apply {
                if (film.isRegistered) {
                    addView(button("Play", film.canPlay) { presenter.play(film) })
                    addView(button("Renew") { presenter.renew(film) })
                    addView(button("Delete") { presenter.delete(film) })
                } else {
                    addView(button("Register") { presenter.register(film, DrmScheme.WIDEVINE, "${licenseUrl.text}") })
                }
            },
        )
    }

    private fun button(label: String, isOn: Boolean = true, action: () -> Unit) = Button(this).apply {
        text = label
        isEnabled = isOn
        setOnClickListener { action() }
    }

    private fun column() = LinearLayout(this).apply {
        orientation = LinearLayout.VERTICAL
        layoutParams = LinearLayout.LayoutParams(MATCH_PARENT, WRAP_CONTENT)
    }

    private companion object {
        const val PICTURE_HEIGHT = 480
    }
}
