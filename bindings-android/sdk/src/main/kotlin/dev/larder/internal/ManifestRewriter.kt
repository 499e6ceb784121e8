package dev.larder.internal

import dev.larder.LarderException
import dev.larder.MediaFormat
import dev.larder.internal.ffi.FfiTrackAt
import dev.larder.internal.ffi.NativeLibrary
import dev.larder.internal.ffi.makeManifestAbsolute
import dev.larder.internal.ffi.translating

/** Rewrites manifests for Larder's other modules. Public only because Kotlin's `internal` ends at a module. */
public object ManifestRewriter {
    /**
     * Makes every reference of [manifest], which was fetched from [url], independent of the manifest's own place. Nothing else is
     * changed.
     *
     * @param kept the tracks to keep, each as the period, group and stream of Media3's `StreamKey`; `null` keeps all.
     * @throws LarderException with `MANIFEST_INVALID`, `MANIFEST_TOO_LARGE`, `URL_INVALID` or `FORMAT_UNSUPPORTED`.
     */
    public fun makeAbsolute(
        manifest: ByteArray,
        format: MediaFormat,
        url: String,
        kept: List<Triple<Int, Int, Int>>?,
    ): ByteArray = translating {
        NativeLibrary.load()
        makeManifestAbsolute(manifest, format, url, kept?.map { (period, set, track) -> FfiTrackAt(period, set, track) })
    }
}
