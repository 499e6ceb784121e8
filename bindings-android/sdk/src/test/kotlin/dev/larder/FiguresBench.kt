package dev.larder

import com.sun.jna.Library
import com.sun.jna.Native
import dev.larder.storage.MemoryDrmStorage
import dev.larder.support.CLEAR_TITLE
import dev.larder.support.TestDevice
import dev.larder.support.clearSource
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Test
import java.io.File
import java.util.Locale

/**
 * Measures calls on the JVM beside the same calls of JNA alone. Not a test: `scripts/bench` runs this class by its name, and
 * puts the rows that it writes into the table.
 */
class FiguresBench {
    /** A native call that only passes a string there and back. */
    private interface LibC : Library {
        fun strchr(text: String, character: Int): String?
    }

    @Test
    fun figures(): Unit = runBlocking {
        // JNA first, so that its own start is not counted.
        val begun = System.nanoTime()
        val libC = Native.load("c", LibC::class.java)
        libC.strchr("warm", 'w'.code)
        val jnaAwake = System.nanoTime()
        Larder.version()
        val larderAwake = System.nanoTime()
        row(
            "first call on the JVM",
            ms(larderAwake - jnaAwake),
            "${ms(jnaAwake - begun)} (JNA's own first call)",
            ratio((larderAwake - jnaAwake).toDouble() / (jnaAwake - begun)),
            "",
        )

        TestDevice().use { device ->
            LocalAssetsManager(device.setup()).use { manager ->
                val film = device.download(CLEAR_TITLE)
                repeat(ASSETS) { manager.registerAsset(clearSource, film, "film-$it") }
                manager.setSourceUrlMode(SourceUrlMode.LOCAL_ALWAYS)
                val provider = manager.sourceURLProvider
                checkNotNull(provider.getURL("film-1"))
                val entries = List(ASSETS) { "film-$it" }
                var next = 0
                val (ours, theirs) = inTurns(
                    { checkNotNull(provider.getURL(entries[next++ % ASSETS])) },
                    { checkNotNull(libC.strchr(entries[next++ % ASSETS], 'f'.code)) },
                )
                row("Kotlin getURL", us(ours), "${us(theirs)} (an empty JNA string call)", ratio(ours / theirs), "<= 1.5x")
            }
        }
    }

    /** Measures a list of all statuses over the FFI. */
    @Test
    fun statuses(): Unit = runBlocking {
        val catalogue = checkNotNull(System.getProperty("larder.catalogue")) { "scripts/bench says where it is" }
        val config = LarderConfig(
            "$catalogue/store",
            roots = listOf(StorageRoot("downloads", "$catalogue/downloads")),
            softwareClearKey = true,
            network = NetworkState.OFFLINE,
        )
        val begun = System.nanoTime()
        LocalAssetsManager(LarderSetup(config, MemoryDrmStorage())).use { manager ->
            manager.open()
            val opened = System.nanoTime()
            check(manager.allStatuses().size == 10_000)
            val asked = (1..20).minOf {
                val since = System.nanoTime()
                manager.allStatuses()
                System.nanoTime() - since
            }
            row("10,000 statuses in Kotlin", ms(asked), "${ms(opened - begun)} (opening that store from Kotlin)", "", "")
        }
    }

    /** Returns the nanoseconds per call of both, from the best of many short alternating runs. */
    private fun inTurns(subject: () -> Any, peer: () -> Any): Pair<Double, Double> {
        var (ours, theirs) = Double.MAX_VALUE to Double.MAX_VALUE
        repeat(TURNS) {
            ours = minOf(ours, turn(subject))
            theirs = minOf(theirs, turn(peer))
        }
        return ours to theirs
    }

    private fun turn(call: () -> Any): Double {
        val begun = System.nanoTime()
        repeat(CALLS) { call() }
        return (System.nanoTime() - begun).toDouble() / CALLS
    }

    private fun row(vararg cells: String) {
        val rows = checkNotNull(System.getProperty("larder.rows")) { "scripts/bench says where the rows go" }
        File(rows).appendText(cells.joinToString("\t", postfix = "\n"))
    }

    private fun ms(ns: Long) = String.format(Locale.ROOT, "%.1f ms", ns / 1e6)

    private fun us(ns: Double) = String.format(Locale.ROOT, "%.2f us", ns / 1e3)

    private fun ratio(ratio: Double) = String.format(Locale.ROOT, "%.2fx", ratio)

    private companion object {
        const val ASSETS = 100
        const val TURNS = 500
        const val CALLS = 500
    }
}
