package dev.larder.storage

import java.io.File
import java.io.FileNotFoundException
import java.io.FileOutputStream
import java.io.IOException
import java.nio.channels.FileChannel
import java.nio.file.StandardOpenOption
import java.util.concurrent.atomic.AtomicLong

/**
 * A secret storage of one file a value, readable by whoever may read the app's files: for desktops and tests. On Android
 * use [SharedPreferencesDrmStorage] or [SealedDrmStorage].
 *
 * A value is written to a file of its own, forced to the disk and then renamed, so that a crash leaves the old value or
 * the new one. Made for one process at a time on a folder.
 */
public class FileDrmStorage internal constructor(private val folder: () -> File, private val makeDurable: (File) -> Unit) :
    LocalDrmStorage {
    /** @param folder made when missing. */
    public constructor(folder: File) : this({ folder }, ::syncWithNio)

    private val written = AtomicLong()

    override fun save(key: String, value: ByteArray) {
        val folder = folder()
        if (!folder.isDirectory && !folder.mkdirs() && !folder.isDirectory) throw IOException("the folder cannot be made")
        val unfinished = File(folder, "${fileName(key)}.${written.incrementAndGet()}.new")
        try {
            FileOutputStream(unfinished).use {
                it.write(value)
                it.fd.sync()
            }
            if (!unfinished.renameTo(file(key))) throw IOException("the value cannot be put in place")
            // The new name is durable only when the folder is.
            makeDurable(folder)
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

    /** How many values there are. */
    internal fun count(): Int = folder().list().orEmpty().count { it.endsWith(SUFFIX) }

    /** Removes every value. */
    internal fun clear() {
        for (name in folder().list().orEmpty().filter { it.endsWith(SUFFIX) }) {
            val file = File(folder(), name)
            if (!file.delete() && file.exists()) throw IOException("a value cannot be removed")
        }
    }

    private fun file(key: String) = File(folder(), fileName(key))

    /** A key is data and may be anything: what a file name should not have is written as `%` and its value. */
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
