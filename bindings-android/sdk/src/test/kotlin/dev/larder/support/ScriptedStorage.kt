package dev.larder.support

import dev.larder.storage.LocalDrmStorage
import java.io.FileNotFoundException
import java.util.concurrent.ConcurrentHashMap

/** A secret storage that outlives managers, and hangs at the call that a test sets. */
class ScriptedStorage : LocalDrmStorage {
    enum class Call { SAVE, LOAD, REMOVE }

    private class Stop(val call: Call, val point: CallPoint, val hang: () -> Unit)

    private val values = ConcurrentHashMap<String, ByteArray>()

    @Volatile
    private var stop: Stop? = null

    val size: Int get() = values.size

    /** Makes the next such call hang. */
    fun hangAt(call: Call, point: CallPoint, hang: () -> Unit) {
        stop = Stop(call, point, hang)
    }

    override fun save(key: String, value: ByteArray) = passing(Call.SAVE) { values[key] = value }

    override fun load(key: String): ByteArray = passing(Call.LOAD) { values[key] ?: throw FileNotFoundException() }

    override fun remove(key: String) = passing(Call.REMOVE) {
        values.remove(key)
        Unit
    }

    private fun <T> passing(call: Call, work: () -> T): T {
        hangIf(call, CallPoint.BEFORE)
        return work().also { hangIf(call, CallPoint.AFTER) }
    }

    private fun hangIf(call: Call, point: CallPoint) {
        val here = stop?.takeIf { it.call == call && it.point == point } ?: return
        stop = null
        here.hang()
    }
}
