package dev.larder.storage

import java.io.FileNotFoundException
import java.util.concurrent.ConcurrentHashMap

/** A secret storage in the memory of the process: for tests. */
public class MemoryDrmStorage : LocalDrmStorage {
    private val values = ConcurrentHashMap<String, ByteArray>()

    /** The keys with a value. */
    public val keys: Set<String>
        get() = values.keys.toSet()

    override fun save(key: String, value: ByteArray) {
        values[key] = value.copyOf()
    }

    override fun load(key: String): ByteArray = values[key]?.copyOf() ?: throw FileNotFoundException(key)

    override fun remove(key: String) {
        values.remove(key)
    }
}
