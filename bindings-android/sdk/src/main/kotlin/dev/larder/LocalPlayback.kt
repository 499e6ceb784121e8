package dev.larder

/**
 * The functions that a player needs. Every function answers from memory (handles come from the secret storage) and may be
 * called on the main thread once [LocalAssetsManager.open] has returned; an earlier call waits for the store. Every function
 * throws [LarderException].
 */
public interface LocalPlayback {
    /**
     * Returns the source to play for an asset. Its URL is a `file:` URL, and [MediaSource.isLocal] is true. It goes into a
     * [MediaEntry] that the player prepares. [localMediaSource] returns the licenses as well.
     *
     * An expired asset still has a source; its status says why it does not play.
     *
     * @param localAssetPath the registered path.
     * @throws LarderException `ASSET_NOT_FOUND` for an asset that is unknown, unfinished or at another path.
     */
    public fun getLocalMediaSource(assetId: String, localAssetPath: String): MediaSource

    /** Returns the source to play with its licenses. [localAssetPath] must be the registered path, if it is given. */
    public fun localMediaSource(assetId: String, localAssetPath: String? = null): LocalMediaSource

    /**
     * Returns the CDM's handle of a license, for the player. Keep it no longer than the playback.
     *
     * @throws LarderException `LICENSE_MISSING` or `LICENSE_UNREADABLE`.
     */
    public fun licenseHandle(licenseId: String): ByteArray

    /**
     * Stores a handle that the CDM changed by itself, and returns the id that the license has from then on. The handle is
     * durable when this returns.
     */
    public fun licenseHandleChanged(licenseId: String, handle: ByteArray, times: LicenseTimes): String

    /** Records that a playback of this asset has started. The first playback starts the playback window. */
    public fun playbackStarted(assetId: String, atMs: Long = System.currentTimeMillis())

    /**
     * Returns the URL to play for an entry: the registry's or that of the app's provider, in the set order. `null` keeps
     * [currentUrl]. Call it at the start of every playback and do not cache the result.
     */
    public fun sourceUrl(entryId: String, currentUrl: String? = null): String?

    /** Sets when the registry answers [sourceUrl], and whether the app or the registry comes first. Applies to the next call. */
    public fun setSourceUrlMode(mode: SourceUrlMode, order: SourceUrlOrder = SourceUrlOrder.APP_FIRST)

    /** [sourceUrl] as a provider, for a player that takes a provider. */
    public val sourceURLProvider: SourceURLProvider
}
