@file:JvmName("LocalMediaItems")

package dev.larder.media3

import android.os.Bundle
import androidx.annotation.OptIn
import androidx.media3.common.C
import androidx.media3.common.MediaItem
import androidx.media3.common.MimeTypes
import androidx.media3.common.util.UnstableApi
import dev.larder.DrmScheme
import dev.larder.LocalMediaSource
import dev.larder.MediaFormat
import dev.larder.internal.media3.ASSET_ID
import dev.larder.internal.media3.setLocalSource
import java.util.UUID

/**
 * Returns the media item that plays this source: the local URL, its MIME type and the asset id, by which
 * [LarderDrmSessionManagerProvider] finds the licenses when the player starts. Contains no license handle, because a media item
 * may be sent to other processes.
 *
 * ```
 * val source = manager.localMediaSource("film-1")
 * player.setMediaItem(source.toMediaItem())
 * ```
 */
public fun LocalMediaSource.toMediaItem(): MediaItem = MediaItem.Builder().setMediaId(entryId).setLocalSource(this).build()

/** The id of the registered asset that this item plays; `null` for every other item. */
public val MediaItem.larderAssetId: String?
    get() = requestMetadata.extras?.getString(ASSET_ID)
