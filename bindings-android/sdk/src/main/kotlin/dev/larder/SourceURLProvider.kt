package dev.larder

/**
 * Chooses what a player plays. Asked at the start of every playback, replays too; the answer is never cached.
 *
 * The app's own is called on a background thread, never under a lock of Larder's, and bounded by
 * `LarderConfig.delegateTimeoutSeconds`. If it fails, the registry decides. [LocalPlayback.sourceURLProvider] is a ready one.
 */
public fun interface SourceURLProvider {
    /** The URL to play for an entry, `null` for the default one. */
    public fun getURL(entryId: String): String?

    /** The same, knowing the URL that would be played; `null` keeps it. */
    public fun getURL(entryId: String, currentURL: String?): String? = getURL(entryId)
}

/** The app's provider as the core sees it. */
internal class SourceUrlProviderAdapter(private val provider: SourceURLProvider) : FfiSourceUrlProvider {
    override fun url(entryId: String, currentUrl: String?): String? =
        guarding("the source URL provider", LarderException.Code.DELEGATE_FAILED) {
            provider.getURL(entryId, currentUrl)
        }
}
