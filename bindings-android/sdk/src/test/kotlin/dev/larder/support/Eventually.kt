package dev.larder.support

/** A condition that a test waits for. Java's may throw checked exceptions. */
fun interface Condition {
    @Throws(Exception::class)
    fun holds(): Boolean
}

/**
 * Waits until a condition holds, and fails after 30 seconds.
 *
 * @param what the condition in words, for the failure.
 * @param pause runs between two checks: waits, or lets the main looper work.
 */
@JvmOverloads
fun eventually(what: String, pause: () -> Unit = { Thread.sleep(10) }, condition: Condition) {
    val end = System.nanoTime() + 30_000_000_000
    while (!condition.holds()) {
        check(System.nanoTime() < end) { "never: $what" }
        pause()
    }
}
