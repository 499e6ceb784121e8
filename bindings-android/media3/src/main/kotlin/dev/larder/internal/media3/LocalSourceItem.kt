package dev.larder.internal.media3

import android.os.Bundle
import androidx.annotation.OptIn
import androidx.media3.common.C
import androidx.media3.common.MediaItem
import androidx.media3.common.MimeTypes
import androidx.media3.common.util.UnstableApi
import dev.larder.DrmScheme
import dev.larder.LocalMediaSource
import dev.larder.MediaFormat
import dev.larder.media3.format
import java.util.UUID

/** Makes an item play a local source, and leaves what the app has put into it: id, tag, title, clipping. */
@OptIn(UnstableApi::class)
internal fun MediaItem.Builder.setLocalSource(
    source: LocalMediaSource,
    previous: MediaItem.RequestMetadata = MediaItem.RequestMetadata.EMPTY,
): MediaItem.Builder {
    val extras = Bundle(previous.extras ?: Bundle.EMPTY).apply { putString(ASSET_ID, source.assetId) }
    return setUri(source.url)
        .setMimeType(source.format.mimeType)
        .setDrmConfiguration(source.drmConfiguration())
        .setRequestMetadata(previous.buildUpon().setExtras(extras).build())
        // These belong to the remote source.
        .setCustomCacheKey(null)
        .setStreamKeys(emptyList())
}

// Tells a player, and a controller of it, that the item is protected. It names no server: there is none to ask.
private fun LocalMediaSource.drmConfiguration(): MediaItem.DrmConfiguration? =
    licenses.firstOrNull()?.let { MediaItem.DrmConfiguration.Builder(it.scheme.uuid).setMultiSession(true).build() }

internal val DrmScheme.uuid: UUID
    get() = when (this) {
        DrmScheme.WIDEVINE -> C.WIDEVINE_UUID
        DrmScheme.PLAY_READY -> C.PLAYREADY_UUID
        DrmScheme.CLEAR_KEY -> C.CLEARKEY_UUID
        DrmScheme.FAIR_PLAY -> FAIRPLAY_UUID
    }

private val MediaFormat.mimeType: String
    get() = when (this) {
        MediaFormat.DASH -> MimeTypes.APPLICATION_MPD
        MediaFormat.HLS -> MimeTypes.APPLICATION_M3U8
        MediaFormat.MP4 -> MimeTypes.APPLICATION_MP4
    }

// No Android device has it; an asset that came with such a license fails with DRM_UNSUPPORTED.
private val FAIRPLAY_UUID = UUID.fromString("94ce86fb-07ff-4f43-adb8-93d2fa968ca2")

internal const val ASSET_ID = "dev.larder.assetId"
