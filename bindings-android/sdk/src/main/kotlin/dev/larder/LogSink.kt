package dev.larder

import dev.larder.internal.ffi.setLogSink

/** Receives Larder's log lines for the app's own log. See [Larder.setLogSink]. */
public fun interface LogSink {
    /**
     * Receives one line, without a line break. Called from one thread, in order, never under a lock of Larder.
     *
     * Exceptions are ignored. While the sink is slow, lines are dropped and counted.
     */
    public fun log(level: LogLevel, target: String, message: String)
}
