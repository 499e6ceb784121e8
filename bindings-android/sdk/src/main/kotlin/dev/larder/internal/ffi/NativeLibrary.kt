package dev.larder.internal.ffi

import dev.larder.Larder
import dev.larder.LarderException
import dev.larder.Remedy
import dev.larder.internal.Core

/**
 * Loads the native library, once in a process. That takes a tenth of a second or more and reads files, so every call that may
 * start on the main thread loads it on another one ([Core], [Larder.open]).
 */
internal object NativeLibrary {
    @Volatile
    private var isLoaded = false

    /**
     * True if the virtual machine has loaded the library as well, so that [NativeLookup] finds its function. A virtual machine
     * loads a library for one class loader only; the others, as in tests, use JNA alone.
     */
    @Volatile
    var isLinked = false
        private set

    /**
     * Loads the library, unless it is loaded.
     *
     * @throws LarderException `INTERNAL` if the app has no library for this device, or one of another version.
     */
    fun load() {
        if (!isLoaded) loadOnce()
    }

    @Synchronized
    private fun loadOnce() {
        if (isLoaded) return
        try {
            // The system's loader comes first. It alone calls JNI_OnLoad, through which the library gets the JVM (Android
            // below API 31 has no other way), and it finds a library that is stored in the app's package uncompressed.
            System.loadLibrary(NAME)
            isLinked = true
        } catch (_: UnsatisfiedLinkError) {
            // On a desktop JNA finds the library (jna.library.path). If it does not, the next step fails.
        }
        try {
            uniffiEnsureInitialized()
            if (!isLinked) isLinked = link()
        } catch (e: LinkageError) {
            throw unavailable(e)
        } catch (e: RuntimeException) {
            // UniFFI throws it if library and generated code have different contracts.
            throw unavailable(e)
        }
        isLoaded = true
    }

    /** Loads the file that JNA has found into the virtual machine. */
    private fun link(): Boolean = try {
        System.load(com.sun.jna.NativeLibrary.getInstance(NAME).file.absolutePath)
        true
    } catch (_: UnsatisfiedLinkError) {
        false
    }

    private fun unavailable(cause: Throwable) = LarderException(
        LarderException.Code.INTERNAL,
        "the native library $NAME cannot be loaded (${cause.javaClass.name}): the app's package has none for this " +
            "device, or one of another version",
    ).apply { initCause(cause) }

    private const val NAME = "larder_ffi"
}
