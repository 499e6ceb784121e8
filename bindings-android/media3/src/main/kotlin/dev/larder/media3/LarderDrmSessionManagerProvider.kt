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
 * Gives registered assets the licenses that Larder keeps for them, and never asks a network for one.
 *
 * Each format gets the license that fits its own init data, so audio and video may have different ones. A license plays as
 * long as the CDM lets it: Media3 by itself asks the server for a new one when less than a minute is left, and fails
 * without a network. What stands in the way comes out of [toLarderException] with Larder's own codes.
 *
 * [LarderMediaSourceFactory] brings one along. To use it with a factory of your own:
 * ```
 * DefaultMediaSourceFactory(context).setDrmSessionManagerProvider(LarderDrmSessionManagerProvider(manager))
 * ```
 *
 * @param playback the manager. Asked on the player's playback thread, when the player meets protected media.
 * @param online gets the items that are none of Larder's.
 * @param mediaDrm makes the CDMs of registered assets.
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
