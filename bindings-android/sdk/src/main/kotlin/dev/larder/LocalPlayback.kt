package dev.larder

/**
 * What a player needs. Every function answers from memory (handles come from the secret storage) and may be called on the
 * main thread once [LocalAssetsManager.open] has returned; before that it waits for the store. All throw
 * [LarderException].
 */
public interface LocalPlayback {
    /**
     * The source to play for an asset: its URL is a `file:` URL, and [MediaSource.isLocal] is true. It goes into a
     * [MediaEntry] that the player prepares. Which licenses it needs is told by [localMediaSource].
     *
     * An expired asset still has a source; its status says why it will not play.
     *
     * @param localAssetPath must be the registered one.
     * @throws LarderException `ASSET_NOT_FOUND` for an asset that is unknown, unfinished or at another path.
     */
    public fun getLocalMediaSource(assetId: String, localAssetPath: String): MediaSource

    /** The same with the licenses that a player needs. [localAssetPath] must be the registered one, if given. */
    public fun localMediaSource(assetId: String, localAssetPath: String? = null): LocalMediaSource

    /**
     * The CDM's handle of a license, for the player. Keep it no longer than the playback.
     *
     * @throws LarderException `LICENSE_MISSING` or `LICENSE_UNREADABLE`.
     */
    public fun licenseHandle(licenseId: String): ByteArray

    /**
     * Stores a handle that the CDM changed by itself; durable when it returns. The license goes on under the id that is
     * returned.
     */
    public fun licenseHandleChanged(licenseId: String, handle: ByteArray, times: LicenseTimes): String

    /** Notes that a playback of this asset has started; the first one starts the playback window. */
    public fun playbackStarted(assetId: String, atMs: Long = System.currentTimeMillis())

    /**
     * The URL to play for an entry: the registry and the app's own provider, in the set order. `null` keeps the current
     * one. Ask at the start of every playback; never cache the answer.
     */
    public fun sourceUrl(entryId: String, currentUrl: String? = null): String?

    /** When the registry answers [sourceUrl], and who is asked first. Takes effect at the next question. */
    public fun setSourceUrlMode(mode: SourceUrlMode, order: SourceUrlOrder = SourceUrlOrder.APP_FIRST)

    /** [sourceUrl] as a provider, for a player that takes one. */
    public val sourceURLProvider: SourceURLProvider
}

internal class CorePlayback(private val core: Core) : LocalPlayback {
    private val lookup = NativeLookup(core)

    override fun getLocalMediaSource(assetId: String, localAssetPath: String): MediaSource {
        val source = localMediaSource(assetId, localAssetPath)
        return MediaSource(id = source.assetId, url = source.url, format = source.format, isLocal = true)
    }

    override fun localMediaSource(assetId: String, localAssetPath: String?): LocalMediaSource =
        core.call { it.localMediaSource(assetId, localAssetPath) }

    override fun licenseHandle(licenseId: String): ByteArray = core.call { it.licenseHandle(licenseId) }

    override fun licenseHandleChanged(licenseId: String, handle: ByteArray, times: LicenseTimes): String =
        core.call { it.licenseHandleChanged(licenseId, handle, times) }

    override fun playbackStarted(assetId: String, atMs: Long): Unit = core.call { it.playbackStarted(assetId, atMs) }

    override fun sourceUrl(entryId: String, currentUrl: String?): String? = lookup.sourceUrl(entryId, currentUrl)

    override fun setSourceUrlMode(mode: SourceUrlMode, order: SourceUrlOrder): Unit =
        core.call { it.setSourceUrlMode(mode, order) }

    override val sourceURLProvider: SourceURLProvider = object : SourceURLProvider {
        override fun getURL(entryId: String): String? = sourceUrl(entryId, null)

        override fun getURL(entryId: String, currentURL: String?): String? = sourceUrl(entryId, currentURL)
    }
}
