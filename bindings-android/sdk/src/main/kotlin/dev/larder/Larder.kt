package dev.larder

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import java.util.concurrent.Executor

/** What needs no manager. */
public object Larder {
    private val callbacks = Callbacks(null)

    /**
     * Loads the native library in the background and gives its version. A manager does that by itself; an app that calls
     * this when it starts has it done when the first manager is made. Everything else of this object loads the library
     * on the caller's thread if it must, which takes a tenth of a second or more.
     *
     * @throws LarderException `INTERNAL` if the app's package has no library for this device.
     */
    @JvmSynthetic
    public suspend fun open(): String = withContext(Dispatchers.IO) { version() }

    /** [open] for Java. */
    @JvmStatic
    public fun open(listener: ResultListener<String>, executor: Executor): Cancellable =
        callbacks.start(executor, listener, { open() }) { told, outcome ->
            outcome.fold(onSuccess = told::onSuccess, onFailure = { told.onFailed(it as LarderException) })
        }

    /** The version of the native library. */
    @JvmStatic
    public fun version(): String = calling { libraryVersion() }

    /**
     * Sends Larder's own log to a sink, from this level on; `null` takes the sink away. The platform's log gets it in any
     * case. There is one sink in a process.
     *
     * No line holds a key, a handle, a challenge, a token or a query.
     */
    @JvmStatic
    @JvmOverloads
    public fun setLogSink(sink: LogSink?, level: LogLevel = LogLevel.INFO): Unit = calling {
        setLogSink(sink?.let(::LogSinkAdapter), level)
    }

    /**
     * Which key systems the media at a path asks for, and with what: all systems, all tracks, all keys. Nothing is
     * fetched. Reads files: call it off the main thread.
     *
     * @param path absolute: a manifest, a media file, or a folder that holds one manifest.
     */
    @JvmStatic
    public fun findInitData(path: String): List<InitData> = calling { dev.larder.findInitData(path) }

    /**
     * What PlayKit's `checkAssetStatus` reported for such an asset: seconds and a flag, sentinels and all. For apps that
     * move from PlayKit; new code reads the status itself.
     */
    @JvmStatic
    public fun playKitStatus(status: AssetStatus): PlayKitStatus = calling { dev.larder.playKitStatus(status) }

    private inline fun <T> calling(call: () -> T): T = translating {
        NativeLibrary.load()
        call()
    }
}
