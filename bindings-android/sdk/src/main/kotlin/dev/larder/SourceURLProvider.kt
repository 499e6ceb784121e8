package dev.larder

/**
 * Chooses the URL that a player plays. Called at the start of every playback and every replay; Larder never caches the result.
 *
 * An app's provider is called on a background thread, never under a lock of Larder, for at most
 * `LarderConfig.delegateTimeoutSeconds`. If it fails, the registry decides. [LocalPlayback.sourceURLProvider] is a provider that
 * the registry backs.
 */
public fun interface SourceURLProvider {
    /** Returns the URL to play for an entry, `null` for the default URL. */
    public fun getURL(entryId: String): String?

    /** Returns the URL to play for an entry instead of [currentURL]; `null` keeps [currentURL]. */
    public fun getURL(entryId: String, currentURL: String?): String? = getURL(entryId)
}
