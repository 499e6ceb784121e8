package dev.larder.internal.ffi

import dev.larder.LarderException
import dev.larder.LogLevel
import dev.larder.LogSink

/** Passes the core's log lines to the app's sink, and converts its exceptions. */
internal class LogSinkAdapter(private val sink: LogSink) : FfiLogSink {
    override fun log(level: LogLevel, target: String, message: String) =
        guarding("the log sink", LarderException.Code.DELEGATE_FAILED) { sink.log(level, target, message) }
}
