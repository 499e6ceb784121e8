package dev.larder.sample

import dev.larder.AssetStatus
import dev.larder.DrmParams
import dev.larder.DrmScheme
import dev.larder.Expiry
import dev.larder.LarderException
import dev.larder.LocalAssetsManager
import dev.larder.LocalMediaSource
import dev.larder.MediaSource
import dev.larder.Remedy
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.launch
import java.io.File

/** One film on the screen: registered, or only present among the downloads. */
data class Film(val id: String, val path: String, val isRegistered: Boolean, val canPlay: Boolean, val state: String)

/** The screen. Called on the presenter's scope. */
interface LibraryView {
    fun show(films: List<Film>)

    fun play(source: LocalMediaSource)

    fun tell(message: String)
}

/**
 * The logic of the screen, without Android's classes, so that tests need no device and apps can copy it.
 *
 * @param downloads the folder with one folder for each film.
 * @param scope the scope of the view, for example on the main thread. Its end cancels running calls, which roll back.
 */
class LibraryPresenter(
    private val manager: LocalAssetsManager,
    private val downloads: File,
    private val scope: CoroutineScope,
    private val view: LibraryView,
) {
    fun start() = attempt {}

    /** Registers a downloaded film. An empty license URL means clear media. */
    fun register(film: Film, scheme: DrmScheme, licenseUrl: String) = attempt {
        val drm = if (licenseUrl.isBlank()) emptyList() else listOf(DrmParams(scheme, licenseUrl.trim()))
        manager.registerAsset(MediaSource(film.id, "https://origin.example/${film.id}", drm = drm), film.path, film.id)
        view.tell("${film.id} is registered")
    }

    fun renew(film: Film) = attempt {
        manager.refreshAsset(film.id)
        view.tell("${film.id} is renewed")
    }

    /** Releases the license and deletes the media. */
    fun delete(film: Film) = attempt {
        val removed = manager.unregisterAsset(film.id)
        File(downloads, film.id).deleteRecursively()
        val later = if (removed.pendingReleases > 0) "; its license is released when a network is available" else ""
        view.tell("${film.id} is deleted$later")
    }

    fun play(film: Film) = attempt {
        val status = manager.status(film.id)
        if (status.isPlayable) view.play(manager.localMediaSource(film.id)) else view.tell(describe(status))
    }

    private fun attempt(work: suspend () -> Unit) = scope.launch {
        try {
            work()
        } catch (e: LarderException) {
            view.tell("${e.message}. ${advice(e.remedy)}")
        }
        try {
            view.show(films())
        } catch (e: LarderException) {
            view.tell("${e.message}. ${advice(e.remedy)}")
        }
    }

    private suspend fun films(): List<Film> {
        manager.open()
        val registered = manager.allStatuses().map { status ->
            val path = manager.asset(status.assetId)?.path.orEmpty()
            Film(status.assetId, path, isRegistered = true, status.isPlayable, describe(status))
        }
        val known = registered.mapTo(HashSet()) { it.id }
        val found = downloads.listFiles().orEmpty().filter { it.isDirectory && it.name !in known }.map {
            Film(it.name, it.path, isRegistered = false, canPlay = false, "downloaded, not registered")
        }
        return (registered + found).sortedBy { it.id }
    }
}

/** Describes whether an asset plays, until when, and what the user can do. */
internal fun describe(status: AssetStatus): String = when {
    !status.isPlayable -> "${status.message}. ${advice(status.remedy)}"

    else -> when (val end = status.expires) {
        Expiry.Never -> "ready, without an end"
        Expiry.Unknown -> "ready"
        is Expiry.At -> "ready for ${remaining(status.remainingSeconds ?: ((end.atMs - status.checkedAtMs) / 1000))}"
    }
}

private fun remaining(seconds: Long): String = when {
    seconds < 120 -> "$seconds seconds"
    seconds < 2 * 3600 -> "${seconds / 60} minutes"
    seconds < 2 * 86_400 -> "${seconds / 3600} hours"
    else -> "${seconds / 86_400} days"
}

internal fun advice(remedy: Remedy): String = when (remedy) {
    Remedy.NOTHING -> ""
    Remedy.RETRY -> "Try again."
    Remedy.GO_ONLINE -> "Connect to a network and try again."
    Remedy.SIGN_IN -> "Sign in again."
    Remedy.REREGISTER -> "Register it again while online."
    Remedy.REPAIR -> "Download it again."
    Remedy.FREE_SPACE -> "Free space on the device."
    Remedy.SET_CLOCK -> "Set the device's clock."
    Remedy.FIX_INPUT -> "Check what was entered."
    Remedy.CONTACT_SUPPORT -> "Ask the service's support."
}
