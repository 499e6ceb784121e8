package dev.larder.media3

import android.content.Context
import androidx.annotation.OptIn
import androidx.media3.common.MediaItem
import androidx.media3.common.util.UnstableApi
import androidx.media3.exoplayer.drm.DrmSessionManagerProvider
import androidx.media3.exoplayer.source.DefaultMediaSourceFactory
import androidx.media3.exoplayer.source.MediaSource
import androidx.media3.exoplayer.upstream.CmcdConfiguration
import androidx.media3.exoplayer.upstream.LoadErrorHandlingPolicy
import dev.larder.AssetCatalog
import dev.larder.LocalAssetsManager
import dev.larder.LocalPlayback
import dev.larder.SourceURLProvider
import dev.larder.internal.media3.ChosenMediaSource
import dev.larder.internal.media3.SourceUrlExecutor
import dev.larder.internal.media3.setLocalSource
import java.util.concurrent.Executor

/**
 * Makes a player play registered assets. A [SourceURLProvider] chooses the URL of each item. It is called on a background
 * thread at every preparation, also for a replay after a stop, and its result is never cached.
 *
 * ```
 * val player = ExoPlayer.Builder(context)
 *     .setMediaSourceFactory(LarderMediaSourceFactory(context, manager))
 *     .build()
 * player.setMediaItem(MediaItem.Builder().setMediaId(entryId).setUri(remoteUrl).build())
 * ```
 * The provider gets the media id. A registered asset plays with its stored licenses and without a network
 * ([LarderDrmSessionManagerProvider]). An item of [toMediaItem] plays unchanged. For any other URL the item keeps its own DRM
 * configuration. If the provider fails, the playback fails with its [dev.larder.LarderException] (see [toLarderException]).
 *
 * @param delegate creates the media sources. Its DRM session manager provider is replaced.
 * @param drm provides the licenses of registered assets.
 * @param provider chooses the URL. The default is the manager's provider, whose mode the app can set.
 */
@OptIn(UnstableApi::class)
public class LarderMediaSourceFactory internal constructor(
    private val delegate: MediaSource.Factory,
    private val playback: LocalPlayback,
    private val catalog: AssetCatalog,
    private val drm: LarderDrmSessionManagerProvider,
    private val provider: SourceURLProvider,
    private val executor: Executor,
) : MediaSource.Factory {

    init {
        delegate.setDrmSessionManagerProvider(drm)
    }

    @JvmOverloads
    public constructor(
        delegate: MediaSource.Factory,
        manager: LocalAssetsManager,
        drm: LarderDrmSessionManagerProvider = LarderDrmSessionManagerProvider(manager),
        provider: SourceURLProvider = manager.sourceURLProvider,
    ) : this(delegate, manager, manager, drm, provider, SourceUrlExecutor)

    /** Uses Media3's own sources, for the formats whose modules the app has on its class path. */
    public constructor(context: Context, manager: LocalAssetsManager) : this(DefaultMediaSourceFactory(context), manager)

    override fun createMediaSource(mediaItem: MediaItem): MediaSource = if (mediaItem.larderAssetId != null) {
        delegate.createMediaSource(mediaItem)
    } else {
        ChosenMediaSource(mediaItem, delegate, executor) { choose(mediaItem) }
    }

    private fun choose(item: MediaItem): MediaItem {
        val current = item.localConfiguration?.uri?.toString()
        val url = provider.getURL(item.mediaId, current)
        if (url == null || url == current) return item
        val local = catalog.assetsOfEntry(item.mediaId)
            .asSequence()
            .map { playback.localMediaSource(it.assetId) }
            .firstOrNull { it.url == url }
            ?: return item.buildUpon().setUri(url).build()
        return item.buildUpon().setLocalSource(local, item.requestMetadata).build()
    }

    override fun getSupportedTypes(): IntArray = delegate.supportedTypes

    /** Sets the provider for all other items. Registered assets keep Larder's provider. */
    override fun setDrmSessionManagerProvider(drmSessionManagerProvider: DrmSessionManagerProvider): MediaSource.Factory {
        delegate.setDrmSessionManagerProvider(drm.withOnline(drmSessionManagerProvider))
        return this
    }

    override fun setLoadErrorHandlingPolicy(policy: LoadErrorHandlingPolicy): MediaSource.Factory {
        delegate.setLoadErrorHandlingPolicy(policy)
        return this
    }

    override fun setCmcdConfigurationFactory(factory: CmcdConfiguration.Factory): MediaSource.Factory {
        delegate.setCmcdConfigurationFactory(factory)
        return this
    }
}
