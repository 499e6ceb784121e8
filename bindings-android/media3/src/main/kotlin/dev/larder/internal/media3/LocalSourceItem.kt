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
import java.util.UUID

/** Makes an item play a local source. Keeps the app's own values: id, tag, title, clipping. */
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
        // They belong to the remote source.
        .setCustomCacheKey(null)
        .setStreamKeys(emptyList())
}

// Marks the item as protected for a player and its controllers. Has no license URL: no server is asked.
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

// No Android device has FairPlay. An asset with such a license fails with DRM_UNSUPPORTED.
private val FAIRPLAY_UUID = UUID.fromString("94ce86fb-07ff-4f43-adb8-93d2fa968ca2")

internal const val ASSET_ID = "dev.larder.assetId"
