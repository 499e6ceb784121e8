package dev.larder

/** Takes Larder's own log, for the app's. See [Larder.setLogSink]. */
public fun interface LogSink {
    /**
     * One line, without a line break. Called from one thread, in order, never under a lock of Larder's. What it throws
     * is ignored; while it is slow, lines are dropped and counted.
     */
    public fun log(level: LogLevel, target: String, message: String)
}

/** The app's sink as the core sees it. */
internal class LogSinkAdapter(private val sink: LogSink) : FfiLogSink {
    override fun log(level: LogLevel, target: String, message: String) =
        guarding("the log sink", LarderException.Code.DELEGATE_FAILED) { sink.log(level, target, message) }
}
