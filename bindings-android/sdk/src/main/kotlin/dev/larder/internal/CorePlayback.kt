package dev.larder.internal

import dev.larder.LicenseTimes
import dev.larder.LocalMediaSource
import dev.larder.LocalPlayback
import dev.larder.MediaSource
import dev.larder.SourceURLProvider
import dev.larder.SourceUrlMode
import dev.larder.SourceUrlOrder
import dev.larder.internal.ffi.NativeLookup

/** Answers from the core's snapshot, and from the secret storage for handles. */
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
