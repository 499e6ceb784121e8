package dev.larder

/** What needs no manager. */
public object Larder {
    /**
     * The version of the native library. The first call of anything loads it, which takes a tenth of a second or more:
     * make it off the main thread.
     */
    @JvmStatic
    public fun version(): String = translating { libraryVersion() }

    /**
     * Sends Larder's own log to a sink, from this level on; `null` takes the sink away. The platform's log gets it in any
     * case. There is one sink in a process.
     *
     * No line holds a key, a handle, a challenge, a token or a query.
     */
    @JvmStatic
    @JvmOverloads
    public fun setLogSink(sink: LogSink?, level: LogLevel = LogLevel.INFO): Unit = translating {
        setLogSink(sink?.let(::LogSinkAdapter), level)
    }

    /**
     * Which key systems the media at a path asks for, and with what: all systems, all tracks, all keys. Nothing is
     * fetched. Reads files: call it off the main thread.
     *
     * @param path absolute: a manifest, a media file, or a folder that holds one manifest.
     */
    @JvmStatic
    public fun findInitData(path: String): List<InitData> = translating { dev.larder.findInitData(path) }

    /**
     * What PlayKit's `checkAssetStatus` reported for such an asset: seconds and a flag, sentinels and all. For apps that
     * move from PlayKit; new code reads the status itself.
     */
    @JvmStatic
    public fun playKitStatus(status: AssetStatus): PlayKitStatus = translating { dev.larder.playKitStatus(status) }
}
