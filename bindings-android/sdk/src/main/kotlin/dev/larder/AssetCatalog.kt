package dev.larder

/**
 * What is registered. Every function answers from memory and may be called on the main thread once
 * [LocalAssetsManager.open] has returned; before that it waits for the store. All throw [LarderException].
 */
public interface AssetCatalog {
    /** Every registered asset, sorted by id. */
    public fun assets(): List<AssetInfo>

    /** One asset, `null` if it is not registered. */
    public fun asset(assetId: String): AssetInfo?

    /** The asset at a path, `null` if there is none. */
    public fun assetAt(path: String): AssetInfo?

    /** The assets of a backend's entry. */
    public fun assetsOfEntry(entryId: String): List<AssetInfo>

    /** What the app stored with an asset, `null` if nothing. */
    public fun metadata(assetId: String): ByteArray?
}

internal class CoreCatalog(private val core: Core) : AssetCatalog {
    override fun assets(): List<AssetInfo> = core.call { it.assets() }

    override fun asset(assetId: String): AssetInfo? = core.call { it.asset(assetId) }

    override fun assetAt(path: String): AssetInfo? = core.call { it.assetAt(path) }

    override fun assetsOfEntry(entryId: String): List<AssetInfo> = core.call { it.assetsOfEntry(entryId) }

    override fun metadata(assetId: String): ByteArray? = core.call { it.metadata(assetId) }
}
