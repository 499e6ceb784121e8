package dev.larder.sample

import dev.larder.DrmScheme
import dev.larder.LarderConfig
import dev.larder.LarderSetup
import dev.larder.LocalAssetsManager
import dev.larder.LocalMediaSource
import dev.larder.StorageRoot
import dev.larder.storage.MemoryDrmStorage
import dev.larder.support.Media
import dev.larder.support.TestServersRule
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.runBlocking
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.ClassRule
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import java.io.File

/** Tests the logic of the screen, from a folder among the downloads to the expiry of its license. */
@RunWith(RobolectricTestRunner::class)
class LibraryPresenterTest {
    @get:Rule val folder = TemporaryFolder()
    private val view = RecordingView()
    private val downloads by lazy { folder.newFolder("downloads") }
    private val manager by lazy {
        val config = LarderConfig(
            dataDir = File(folder.root, "larder").path,
            roots = listOf(StorageRoot("downloads", downloads.path)),
            softwareClearKey = true,
        )
        LocalAssetsManager(LarderSetup(config, MemoryDrmStorage()))
    }
    private val presenter by lazy { LibraryPresenter(manager, downloads, CoroutineScope(Dispatchers.Unconfined), view) }

    @After fun close() {
        servers.resume()
        manager.close()
    }

    @Test
    fun `a downloaded film is found, registered, played offline, renewed and deleted`() {
        download("dash-cenc")
        done(presenter.start())
        assertEquals(listOf("dash-cenc" to "downloaded, not registered"), view.films.map { it.id to it.state })

        done(presenter.register(view.films.single(), DrmScheme.CLEAR_KEY, servers.url("/clearkey/license")))
        assertEquals("dash-cenc is registered", view.messages.last())
        assertTrue(view.films.single().state, view.films.single().state.startsWith("ready"))

        servers.stop()
        done(presenter.play(view.films.single()))
        assertEquals("dash-cenc", view.played.single().assetId)
        done(presenter.renew(view.films.single()))
        assertTrue(view.messages.last(), view.messages.last().endsWith("Connect to a network and try again."))
        assertTrue("the old license still works", view.films.single().canPlay)

        servers.resume()
        done(presenter.renew(view.films.single()))
        assertEquals("dash-cenc is renewed", view.messages.last())
        done(presenter.delete(view.films.single()))
        assertEquals(emptyList<Film>(), view.films)
        assertFalse(File(downloads, "dash-cenc").exists())
    }

    @Test
    fun `a protected film without a license URL asks to check the input`() {
        download("dash-cenc")
        done(presenter.start())
        done(presenter.register(view.films.single(), DrmScheme.CLEAR_KEY, " "))
        assertTrue(view.messages.last(), view.messages.last().endsWith("Check what was entered."))
        assertFalse(view.films.single().isRegistered)
    }

    @Test
    fun `an expired license is shown with its remedy`() {
        download("dash-cenc")
        servers.policy("""{"duration_seconds":1}""")
        try {
            done(presenter.start())
            done(presenter.register(view.films.single(), DrmScheme.CLEAR_KEY, servers.url("/clearkey/license")))
            dev.larder.support.eventually("it ends") {
                done(presenter.play(view.films.single()))
                !view.films.single().canPlay
            }
            assertTrue(view.films.single().state, view.films.single().state.endsWith("Connect to a network and try again."))
        } finally {
            servers.policy("""{"duration_seconds":3600}""")
        }
    }

    private fun download(title: String) = Media.folder.resolve(title).copyRecursively(File(downloads, title))

    private fun done(job: Job) = runBlocking { job.join() }

    private class RecordingView : LibraryView {
        @Volatile
        var films: List<Film> = emptyList()
        val messages = java.util.concurrent.CopyOnWriteArrayList<String>()
        val played = java.util.concurrent.CopyOnWriteArrayList<LocalMediaSource>()

        override fun show(films: List<Film>) {
            this.films = films
        }

        override fun play(source: LocalMediaSource) {
            played += source
        }

        override fun tell(message: String) {
            messages += message
        }
    }

    companion object {
        @ClassRule @JvmField
        val servers = TestServersRule()
    }
}
