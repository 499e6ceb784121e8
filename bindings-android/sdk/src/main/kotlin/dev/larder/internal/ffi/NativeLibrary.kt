package dev.larder.internal.ffi

import dev.larder.Larder
import dev.larder.LarderException
import dev.larder.Remedy
import dev.larder.internal.Core

/**
 * The native library, loaded once in a process. It takes a tenth of a second or more and reads files, so every way to it
 * that may begin on the main thread goes over another one ([Core], [Larder.open]).
 */
internal object NativeLibrary {
    @Volatile
    private var isLoaded = false

    /**
     * True if the virtual machine itself has loaded it, too, so that [NativeLookup] finds its function. It loads a library
     * for one class loader only: where there are several, as in tests, the others go without.
     */
    @Volatile
    var isLinked = false
        private set

    /**
     * Loads it, unless that is done.
     *
     * @throws LarderException `INTERNAL` if it is not there for this device, or was built from another contract.
     */
    fun load() {
        if (!isLoaded) loadOnce()
    }

    @Synchronized
    private fun loadOnce() {
        if (isLoaded) return
        try {
            // The system's own way first: only that one tells the library of the JVM (JNI_OnLoad), which Android below
            // API 31 has no other way to find, and it finds a library that lies in the app's package unextracted.
            System.loadLibrary(NAME)
            isLinked = true
        } catch (_: UnsatisfiedLinkError) {
            // On a desktop JNA knows where it is (jna.library.path); if it does not, it says so next.
        }
        try {
            uniffiEnsureInitialized()
            if (!isLinked) isLinked = link()
        } catch (e: LinkageError) {
            throw unavailable(e)
        } catch (e: RuntimeException) {
            // UniFFI's: the library was built from another contract than this code.
            throw unavailable(e)
        }
        isLoaded = true
    }

    /** From where JNA has found it. */
    private fun link(): Boolean = try {
        System.load(com.sun.jna.NativeLibrary.getInstance(NAME).file.absolutePath)
        true
    } catch (_: UnsatisfiedLinkError) {
        false
    }

    private fun unavailable(cause: Throwable) = LarderException(
        LarderException.Code.INTERNAL,
        "the native library $NAME cannot be loaded (${cause.javaClass.name}): the app's package lacks it for this " +
            "device, or has one of another version",
        Remedy.CONTACT_SUPPORT,
    ).apply { initCause(cause) }

    private const val NAME = "larder_ffi"
}
