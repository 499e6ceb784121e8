package dev.larder

import dev.larder.internal.Callbacks
import dev.larder.internal.ffi.LogSinkAdapter
import dev.larder.internal.ffi.NativeLibrary
import dev.larder.internal.ffi.libraryVersion
import dev.larder.internal.ffi.translating
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import java.util.concurrent.Executor
import dev.larder.internal.ffi.findInitData as findInitDataNatively
import dev.larder.internal.ffi.playKitStatus as playKitStatusNatively
import dev.larder.internal.ffi.setLogSink as setLogSinkNatively

/** The functions of the library that need no manager: version, log, init data. */
public object Larder {
    private val callbacks = Callbacks(null)

    /**
     * Loads the native library in the background and returns its version.
     *
     * A manager loads the library by itself. An app that calls this function at its start does not wait for the library
     * when it makes its first manager. Every other function of this object loads the library on the caller's thread if it
     * is not loaded yet, which takes a tenth of a second or more.
     *
     * @throws LarderException `INTERNAL` if the app's package has no native library for this device: report it.
     */
    @JvmSynthetic
    public suspend fun open(): String = withContext(Dispatchers.IO) { version() }

    /** [open] for Java. The listener is called on [executor]. */
    @JvmStatic
    public fun open(listener: ResultListener<String>, executor: Executor): Cancellable =
        callbacks.start(executor, listener, { open() }) { target, outcome ->
            outcome.fold(onSuccess = target::onSuccess, onFailure = { target.onFailed(it as LarderException) })
        }

    /** Returns the version of the native library. */
    @JvmStatic
    public fun version(): String = calling { libraryVersion() }

    /**
     * Sends Larder's log lines of [level] and above to [sink]. `null` removes the sink. A process has one sink.
     *
     * The platform's own log gets every line as well. No line contains a key, a handle, a challenge, a token or a query.
     */
    @JvmStatic
    @JvmOverloads
    public fun setLogSink(sink: LogSink?, level: LogLevel = LogLevel.INFO): Unit = calling {
        setLogSinkNatively(sink?.let(::LogSinkAdapter), level)
    }

    /**
     * Finds the init data of every key system, track and key in the media at [path]. Fetches nothing.
     *
     * Reads files, so call it off the main thread.
     *
     * @param path the absolute path of a manifest, of a media file, or of a folder that contains one manifest.
     * @throws LarderException `MEDIA_NOT_FOUND`, `MEDIA_UNREADABLE`, `MANIFEST_INVALID`, `MANIFEST_TOO_LARGE` or
     *   `FORMAT_UNSUPPORTED` for media that cannot be read; `INIT_DATA_MISSING` or `SESSION_KEY_MISSING` for protected media
     *   without init data.
     */
    @JvmStatic
    public fun findInitData(path: String): List<InitData> = calling { findInitDataNatively(path) }

    /**
     * Converts a status to the values that PlayKit's `checkAssetStatus` reported: two times in seconds, with PlayKit's
     * sentinels, and a flag. For apps that migrate from PlayKit; new code reads the status itself.
     */
    @JvmStatic
    public fun playKitStatus(status: AssetStatus): PlayKitStatus = calling { playKitStatusNatively(status) }

    private inline fun <T> calling(call: () -> T): T = translating {
        NativeLibrary.load()
        call()
    }
}
