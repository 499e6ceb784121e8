package dev.larder.media3

import androidx.annotation.OptIn
import androidx.media3.common.MediaItem
import androidx.media3.common.util.UnstableApi
import androidx.media3.exoplayer.drm.DefaultDrmSessionManagerProvider
import androidx.media3.exoplayer.drm.DrmSessionManager
import androidx.media3.exoplayer.drm.DrmSessionManagerProvider
import androidx.media3.exoplayer.drm.ExoMediaDrm
import androidx.media3.exoplayer.drm.FrameworkMediaDrm
import dev.larder.LocalPlayback
import dev.larder.internal.media3.OfflineDrmSessionManager

/**
 * Provides the stored licenses of registered assets to a player, without a network.
 *
 * Each format gets the license for its own init data, so audio and video may have different licenses. A license plays as long as
 * the CDM permits it; Media3 alone would request a new one when less than a minute is left, and would fail without a network.
 * [toLarderException] returns Larder's code for a failed playback.
 *
 * [LarderMediaSourceFactory] contains one. To use it with a factory of your own:
 * ```
 * DefaultMediaSourceFactory(context).setDrmSessionManagerProvider(LarderDrmSessionManagerProvider(manager))
 * ```
 *
 * @param playback the manager. Called on the player's playback thread for protected media.
 * @param online provides the session managers of all other items.
 * @param mediaDrm creates the CDMs for registered assets.
 */
@OptIn(UnstableApi::class)
public class LarderDrmSessionManagerProvider @JvmOverloads constructor(
    private val playback: LocalPlayback,
    private val online: DrmSessionManagerProvider = DefaultDrmSessionManagerProvider(),
    private val mediaDrm: ExoMediaDrm.Provider = FrameworkMediaDrm.DEFAULT_PROVIDER,
) : DrmSessionManagerProvider {

    override fun get(mediaItem: MediaItem): DrmSessionManager {
        val assetId = mediaItem.larderAssetId ?: return online.get(mediaItem)
        return OfflineDrmSessionManager(assetId, playback, mediaDrm)
    }

    internal fun withOnline(online: DrmSessionManagerProvider) = LarderDrmSessionManagerProvider(playback, online, mediaDrm)
}
