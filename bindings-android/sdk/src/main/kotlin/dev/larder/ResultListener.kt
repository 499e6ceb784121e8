package dev.larder

/**
 * The listener of a call from Java. Exactly one of its functions is called, once.
 *
 * The calls that PlayKit's guide shows have listeners of their own in [LocalAssetsManager].
 */
public interface ResultListener<in T> {
    /** The call succeeded. */
    public fun onSuccess(result: T)

    /** The call failed, or was cancelled (`CANCELLED`). */
    public fun onFailed(error: LarderException)
}
