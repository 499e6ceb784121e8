package dev.larder.internal

import dev.larder.AssetCatalog
import dev.larder.AssetInfo

/** Answers from the core's snapshot. */
internal class CoreCatalog(private val core: Core) : AssetCatalog {
    override fun assets(): List<AssetInfo> = core.call { it.assets() }

    override fun asset(assetId: String): AssetInfo? = core.call { it.asset(assetId) }

    override fun assetAt(path: String): AssetInfo? = core.call { it.assetAt(path) }

    override fun assetsOfEntry(entryId: String): List<AssetInfo> = core.call { it.assetsOfEntry(entryId) }

    override fun metadata(assetId: String): ByteArray? = core.call { it.metadata(assetId) }
}
