package dev.larder

import dev.larder.drm.DrmEngine
import dev.larder.storage.LocalDrmStorage

/**
 * The error of every failed call. A cancelled coroutine throws `CancellationException` instead.
 *
 * Decide by [code] where a case matters to the app, and by [remedy] everywhere else. Later versions may add codes; a new code
 * has one of the existing remedies.
 *
 * ```
 * try {
 *     manager.refreshAsset("film-1")
 * } catch (e: LarderException) {
 *     if (e.remedy == Remedy.GO_ONLINE) showOfflineBanner() else report(e)
 * }
 * ```
 *
 * No property contains a key, a handle, a token or a query string.
 *
 * An app's own [LocalDrmStorage], [DrmEngine] or other delegate may throw it, too. Code, message and HTTP status reach the
 * caller. Larder logs the message, so it must not contain secrets. For the codes in [Code] the remedy is always the one of the
 * code.
 *
 * @property code the stable name of the error: see [Code].
 * @property message the reason, for a developer. Safe to log.
 * @property remedy the action that can help the caller; that of [code] unless another one is given.
 * @property isRetryable true if the same call may succeed later without any change by the caller; as [code] says unless another
 *   value is given.
 * @property httpStatus the HTTP status behind this error, if a server answered with one.
 */
public class LarderException @JvmOverloads constructor(
    public val code: String,
    override val message: String,
    public val remedy: Remedy = Code.remedyOf(code),
    public val isRetryable: Boolean = Code.isRetryable(code),
    public val httpStatus: Int? = null,
) : RuntimeException(message) {

    /** Returns code and message. */
    override fun toString(): String = "LarderException($code: $message)"

    /** The codes that this version knows. */
    public object Code {
        // Generated from core/src/error.rs (UPDATE_DOCS=1 cargo test -p larder-cli --test docs).

        /** An argument is empty, too long, malformed or contradictory. The message names it. */
        public const val INVALID_ARGUMENT: String = "INVALID_ARGUMENT"

        /** A path is relative. Give an absolute path, which keeps its meaning after a restart. */
        public const val RELATIVE_PATH: String = "RELATIVE_PATH"

        /** No asset with this id or path is registered in this profile. */
        public const val ASSET_NOT_FOUND: String = "ASSET_NOT_FOUND"

        /** The asset id is registered for other media. Unregister it first. */
        public const val ASSET_EXISTS: String = "ASSET_EXISTS"

        /** Another call is changing this asset. */
        public const val ASSET_BUSY: String = "ASSET_BUSY"

        /** The asset is registered, but not playable now. The message has the reason. */
        public const val ASSET_NOT_PLAYABLE: String = "ASSET_NOT_PLAYABLE"

        /** The manager was closed. */
        public const val CLOSED: String = "CLOSED"

        /** The caller cancelled the call. */
        public const val CANCELLED: String = "CANCELLED"

        /** A defect in Larder. Report it with the diagnostics. */
        public const val INTERNAL: String = "INTERNAL"

        /** There is no file or folder at the path. */
        public const val MEDIA_NOT_FOUND: String = "MEDIA_NOT_FOUND"

        /** The volume of the media is not mounted, for example an ejected card. */
        public const val VOLUME_MISSING: String = "VOLUME_MISSING"

        /** The path exists but cannot be read: a missing permission, a loop of links, or a special file. */
        public const val MEDIA_UNREADABLE: String = "MEDIA_UNREADABLE"

        /** The manifest or media file is malformed. */
        public const val MANIFEST_INVALID: String = "MANIFEST_INVALID"

        /** The manifest exceeds the limits on size, nesting or number of keys. */
        public const val MANIFEST_TOO_LARGE: String = "MANIFEST_TOO_LARGE"

        /** There is no manifest or media file of a supported format at the path. */
        public const val FORMAT_UNSUPPORTED: String = "FORMAT_UNSUPPORTED"

        /**
         * The folder has several manifests, and none of them is the obvious one. The message lists them. Register one
         * by its own path.
         */
        public const val MEDIA_AMBIGUOUS: String = "MEDIA_AMBIGUOUS"

        /**
         * The media is protected, but neither the manifest nor an init segment has the data to request a license with.
         */
        public const val INIT_DATA_MISSING: String = "INIT_DATA_MISSING"

        /** The playlists of a FairPlay asset name no `skd://` key. Keep EXT-X-SESSION-KEY when downloading. */
        public const val SESSION_KEY_MISSING: String = "SESSION_KEY_MISSING"

        /** No engine is registered for any DRM scheme of this source. */
        public const val DRM_UNSUPPORTED: String = "DRM_UNSUPPORTED"

        /** The media is protected, but the source has no DRM parameters (license URL). */
        public const val DRM_PARAMS_MISSING: String = "DRM_PARAMS_MISSING"

        /**
         * The license or certificate URL is not an absolute http(s) URL with a host and without user info, or it is a
         * plain http URL that the app's configuration forbids.
         */
        public const val URL_INVALID: String = "URL_INVALID"

        /**
         * FairPlay needs the application certificate, and the source has neither a certificate nor a working URL for
         * it.
         */
        public const val CERTIFICATE_MISSING: String = "CERTIFICATE_MISSING"

        /** The server could not be reached: no network, no route, unknown host, or connection refused. */
        public const val OFFLINE: String = "OFFLINE"

        /**
         * The server did not answer in time. The outcome is unknown: a license that it may have granted is released
         * later.
         */
        public const val TIMEOUT: String = "TIMEOUT"

        /** The connection broke, or the response was not HTTP. */
        public const val NETWORK: String = "NETWORK"

        /** The TLS handshake failed: a wrong certificate, or a wrong device clock. */
        public const val TLS: String = "TLS"

        /** The server redirects in a loop, or to a URL that is not allowed. */
        public const val REDIRECT: String = "REDIRECT"

        /** The response exceeds the size limit. */
        public const val RESPONSE_TOO_LARGE: String = "RESPONSE_TOO_LARGE"

        /** The server answers 401 or 403, also with a renewed token. */
        public const val UNAUTHORIZED: String = "UNAUTHORIZED"

        /** The server rejects the request with another client error (4xx). */
        public const val SERVER_REJECTED: String = "SERVER_REJECTED"

        /** The server fails with a server error (5xx), also after retries. */
        public const val SERVER_FAILED: String = "SERVER_FAILED"

        /** The license server refuses a license for this user, title or device. */
        public const val LICENSE_DENIED: String = "LICENSE_DENIED"

        /** The license server answered with success and an empty body. */
        public const val LICENSE_EMPTY: String = "LICENSE_EMPTY"

        /**
         * The license server answered with a web page or other text instead of a license: a captive portal, or a wrong
         * URL.
         */
        public const val LICENSE_NOT_A_LICENSE: String = "LICENSE_NOT_A_LICENSE"

        /** The response is not a license of this scheme. */
        public const val LICENSE_MALFORMED: String = "LICENSE_MALFORMED"

        /** The server grants streaming only: the license may not be stored. */
        public const val LICENSE_PERSISTENCE_DENIED: String = "LICENSE_PERSISTENCE_DENIED"

        /** The duration of the license is zero or implausibly long. */
        public const val LICENSE_DURATION_INVALID: String = "LICENSE_DURATION_INVALID"

        /** The license lacks a key that the media needs. */
        public const val LICENSE_KEYS_MISSING: String = "LICENSE_KEYS_MISSING"

        /** The license has expired. */
        public const val LICENSE_EXPIRED: String = "LICENSE_EXPIRED"

        /** The asset needs a license and has none. */
        public const val LICENSE_MISSING: String = "LICENSE_MISSING"

        /** The secret storage no longer returns the stored license. */
        public const val LICENSE_UNREADABLE: String = "LICENSE_UNREADABLE"

        /** The CDM no longer has the license, though it was not released. */
        public const val LICENSE_VANISHED: String = "LICENSE_VANISHED"

        /** The server or the license forbids renewal. Acquire a new license instead. */
        public const val RENEWAL_NOT_PERMITTED: String = "RENEWAL_NOT_PERMITTED"

        /** The device could not be provisioned for this DRM scheme. */
        public const val PROVISIONING_FAILED: String = "PROVISIONING_FAILED"

        /** The CDM has no free session. Wait for other playbacks to end. */
        public const val CDM_BUSY: String = "CDM_BUSY"

        /** The CDM reports an error or is in an invalid state. */
        public const val CDM_FAILED: String = "CDM_FAILED"

        /** The device's DRM certificate is revoked. */
        public const val CDM_REVOKED: String = "CDM_REVOKED"

        /**
         * The device no longer has the security level that the license was acquired at, so the license does not open.
         */
        public const val CDM_LEVEL_CHANGED: String = "CDM_LEVEL_CHANGED"

        /** The app's secret storage failed. */
        public const val STORAGE_FAILED: String = "STORAGE_FAILED"

        /** The app's secret storage accepted a value and does not return it. */
        public const val STORAGE_LOST: String = "STORAGE_LOST"

        /** The app's secret storage did not answer in time. */
        public const val STORAGE_TIMEOUT: String = "STORAGE_TIMEOUT"

        /** Another callback of the app failed, or did not answer in time. */
        public const val DELEGATE_FAILED: String = "DELEGATE_FAILED"

        /**
         * The database was damaged. It was set aside, and all readable records were kept. Some assets may have to be
         * registered again.
         */
        public const val STORE_CORRUPT: String = "STORE_CORRUPT"

        /** The database cannot be opened now: a locked device, a missing volume, or another process. */
        public const val STORE_UNAVAILABLE: String = "STORE_UNAVAILABLE"

        /** The database was written by a newer Larder. It is open for reading only. */
        public const val STORE_READ_ONLY: String = "STORE_READ_ONLY"

        /** The disk is full. Nothing was changed. */
        public const val DISK_FULL: String = "DISK_FULL"

        /** Returns the remedy for a code; [Remedy.NOTHING] for a code that this version does not know. */
        @JvmStatic
        public fun remedyOf(code: String): Remedy = when (code) {
            INVALID_ARGUMENT -> Remedy.FIX_INPUT
            RELATIVE_PATH -> Remedy.FIX_INPUT
            ASSET_NOT_FOUND -> Remedy.REREGISTER
            ASSET_EXISTS -> Remedy.FIX_INPUT
            ASSET_BUSY -> Remedy.RETRY
            ASSET_NOT_PLAYABLE -> Remedy.REREGISTER
            CLOSED -> Remedy.FIX_INPUT
            CANCELLED -> Remedy.NOTHING
            INTERNAL -> Remedy.CONTACT_SUPPORT
            MEDIA_NOT_FOUND -> Remedy.REPAIR
            VOLUME_MISSING -> Remedy.RETRY
            MEDIA_UNREADABLE -> Remedy.FIX_INPUT
            MANIFEST_INVALID -> Remedy.REPAIR
            MANIFEST_TOO_LARGE -> Remedy.FIX_INPUT
            FORMAT_UNSUPPORTED -> Remedy.FIX_INPUT
            MEDIA_AMBIGUOUS -> Remedy.FIX_INPUT
            INIT_DATA_MISSING -> Remedy.FIX_INPUT
            SESSION_KEY_MISSING -> Remedy.FIX_INPUT
            DRM_UNSUPPORTED -> Remedy.FIX_INPUT
            DRM_PARAMS_MISSING -> Remedy.FIX_INPUT
            URL_INVALID -> Remedy.FIX_INPUT
            CERTIFICATE_MISSING -> Remedy.FIX_INPUT
            OFFLINE -> Remedy.GO_ONLINE
            TIMEOUT -> Remedy.RETRY
            NETWORK -> Remedy.RETRY
            TLS -> Remedy.SET_CLOCK
            REDIRECT -> Remedy.CONTACT_SUPPORT
            RESPONSE_TOO_LARGE -> Remedy.CONTACT_SUPPORT
            UNAUTHORIZED -> Remedy.SIGN_IN
            SERVER_REJECTED -> Remedy.CONTACT_SUPPORT
            SERVER_FAILED -> Remedy.RETRY
            LICENSE_DENIED -> Remedy.CONTACT_SUPPORT
            LICENSE_EMPTY -> Remedy.CONTACT_SUPPORT
            LICENSE_NOT_A_LICENSE -> Remedy.RETRY
            LICENSE_MALFORMED -> Remedy.CONTACT_SUPPORT
            LICENSE_PERSISTENCE_DENIED -> Remedy.CONTACT_SUPPORT
            LICENSE_DURATION_INVALID -> Remedy.CONTACT_SUPPORT
            LICENSE_KEYS_MISSING -> Remedy.CONTACT_SUPPORT
            LICENSE_EXPIRED -> Remedy.GO_ONLINE
            LICENSE_MISSING -> Remedy.REREGISTER
            LICENSE_UNREADABLE -> Remedy.REREGISTER
            LICENSE_VANISHED -> Remedy.REREGISTER
            RENEWAL_NOT_PERMITTED -> Remedy.REREGISTER
            PROVISIONING_FAILED -> Remedy.RETRY
            CDM_BUSY -> Remedy.RETRY
            CDM_FAILED -> Remedy.RETRY
            CDM_REVOKED -> Remedy.CONTACT_SUPPORT
            CDM_LEVEL_CHANGED -> Remedy.REREGISTER
            STORAGE_FAILED -> Remedy.RETRY
            STORAGE_LOST -> Remedy.CONTACT_SUPPORT
            STORAGE_TIMEOUT -> Remedy.RETRY
            DELEGATE_FAILED -> Remedy.FIX_INPUT
            STORE_CORRUPT -> Remedy.REREGISTER
            STORE_UNAVAILABLE -> Remedy.RETRY
            STORE_READ_ONLY -> Remedy.FIX_INPUT
            DISK_FULL -> Remedy.FREE_SPACE
            else -> Remedy.NOTHING
        }

        /** Returns true if the same call may succeed later without any change by the caller. */
        @JvmStatic
        public fun isRetryable(code: String): Boolean = when (code) {
            ASSET_BUSY -> true
            CANCELLED -> true
            VOLUME_MISSING -> true
            OFFLINE -> true
            TIMEOUT -> true
            NETWORK -> true
            SERVER_FAILED -> true
            LICENSE_EMPTY -> true
            LICENSE_NOT_A_LICENSE -> true
            PROVISIONING_FAILED -> true
            CDM_BUSY -> true
            CDM_FAILED -> true
            STORAGE_FAILED -> true
            STORAGE_TIMEOUT -> true
            STORE_UNAVAILABLE -> true
            DISK_FULL -> true
            else -> false
        }

        // End of the generated part.
    }
}
