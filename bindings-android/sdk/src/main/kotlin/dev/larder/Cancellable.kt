package dev.larder

/** A running call. */
public fun interface Cancellable {
    /**
     * Stops the call between two of its steps. The call rolls back its changes, and its listener gets `CANCELLED`.
     *
     * Does nothing to a call that has ended. Idempotent.
     */
    public fun cancel()
}
