package dev.larder.storage

import java.io.File
import java.io.FileNotFoundException
import java.io.FileOutputStream
import java.io.IOException
import java.nio.channels.FileChannel
import java.nio.file.StandardOpenOption
import java.util.concurrent.atomic.AtomicLong

/**
 * A secret storage with one plain file per value: for desktops and tests. On Android use [SharedPreferencesDrmStorage] or
 * [SealedDrmStorage].
 *
 * Writes a value to a temporary file, syncs it and renames it, so that a crash leaves the old or the new value. Only one process
 * at a time may use a folder.
 */
public class FileDrmStorage internal constructor(private val folder: () -> File, private val syncFolder: (File) -> Unit) :
    LocalDrmStorage {
    /** @param folder the folder for the files. Created if it is missing. */
    public constructor(folder: File) : this({ folder }, ::syncWithNio)

    private val written = AtomicLong()

    override fun save(key: String, value: ByteArray) {
        val folder = folder()
        if (!folder.isDirectory && !folder.mkdirs() &&
            !folder.isDirectory
        ) {
            throw IOException("the folder of the values cannot be created")
        }
        val unfinished = File(folder, "${fileName(key)}.${written.incrementAndGet()}.new")
        try {
            FileOutputStream(unfinished).use {
                it.write(value)
                it.fd.sync()
            }
            if (!unfinished.renameTo(file(key))) throw IOException("the file of the value cannot be renamed")
            // The rename is durable after a sync of the folder.
            syncFolder(folder)
        } finally {
            unfinished.delete()
        }
    }

    @Throws(FileNotFoundException::class)
    override fun load(key: String): ByteArray {
        val file = file(key)
        if (!file.exists()) throw FileNotFoundException(key)
        return file.readBytes()
    }

    override fun remove(key: String) {
        val file = file(key)
        if (!file.delete() && file.exists()) throw IOException("the value cannot be removed")
    }

    /** Returns the number of values. */
    internal fun count(): Int = folder().list().orEmpty().count { it.endsWith(SUFFIX) }

    /** Removes every value. */
    internal fun clear() {
        for (name in folder().list().orEmpty().filter { it.endsWith(SUFFIX) }) {
            val file = File(folder(), name)
            if (!file.delete() && file.exists()) throw IOException("a value cannot be removed")
        }
    }

    private fun file(key: String) = File(folder(), fileName(key))

    /** Escapes every byte that is unsafe in a file name as `%` and its hexadecimal value: a key may contain anything. */
    private fun fileName(key: String): String = buildString {
        for (byte in key.encodeToByteArray()) {
            val char = (byte.toInt() and 0xff).toChar()
            if (char in 'a'..'z' || char in '0'..'9' || char == '-') {
                append(char)
            } else {
                append('%').append((byte.toInt() and 0xff).toString(16).padStart(2, '0'))
            }
        }
        append(SUFFIX)
    }

    private companion object {
        const val SUFFIX = ".value"

        fun syncWithNio(folder: File) {
            FileChannel.open(folder.toPath(), StandardOpenOption.READ).use { it.force(true) }
        }
    }
}
