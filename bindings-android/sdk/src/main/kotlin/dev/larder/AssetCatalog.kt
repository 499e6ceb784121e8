package dev.larder

/**
 * The registered assets. Every function answers from memory and may be called on the main thread once
 * [LocalAssetsManager.open] has returned; an earlier call waits for the store. Every function throws [LarderException].
 */
public interface AssetCatalog {
    /** Returns every registered asset, sorted by id. */
    public fun assets(): List<AssetInfo>

    /** Returns one asset, `null` if it is not registered. */
    public fun asset(assetId: String): AssetInfo?

    /** Returns the asset at an absolute path, `null` if no asset is registered there. */
    public fun assetAt(path: String): AssetInfo?

    /** Returns the assets of an entry of the app's backend. */
    public fun assetsOfEntry(entryId: String): List<AssetInfo>

    /** Returns the metadata that the app stored with an asset, `null` if it stored none. */
    public fun metadata(assetId: String): ByteArray?
}
