package dev.larder.support

import dev.larder.storage.LocalDrmStorage
import java.io.FileNotFoundException
import java.util.concurrent.ConcurrentHashMap

/** A secret storage that outlives managers, as a phone's does, and stops where a test wants it to. */
class ScriptedStorage : LocalDrmStorage {
    enum class Call { SAVE, LOAD, REMOVE }

    private class Stop(val call: Call, val moment: Moment, val hang: () -> Unit)

    private val values = ConcurrentHashMap<String, ByteArray>()

    @Volatile
    private var stop: Stop? = null

    val size: Int get() = values.size

    /** The next such call does not come back. */
    fun hangAt(call: Call, moment: Moment, hang: () -> Unit) {
        stop = Stop(call, moment, hang)
    }

    override fun save(key: String, value: ByteArray) = passing(Call.SAVE) { values[key] = value }

    override fun load(key: String): ByteArray = passing(Call.LOAD) { values[key] ?: throw FileNotFoundException() }

    override fun remove(key: String) = passing(Call.REMOVE) {
        values.remove(key)
        Unit
    }

    private fun <T> passing(call: Call, work: () -> T): T {
        hangIf(call, Moment.BEFORE)
        return work().also { hangIf(call, Moment.AFTER) }
    }

    private fun hangIf(call: Call, moment: Moment) {
        val here = stop?.takeIf { it.call == call && it.moment == moment } ?: return
        stop = null
        here.hang()
    }
}
