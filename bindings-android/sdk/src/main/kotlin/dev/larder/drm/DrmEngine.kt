package dev.larder.drm

import dev.larder.DrmScheme
import dev.larder.KeyRequest
import dev.larder.LarderException
import dev.larder.LicenseGrant
import dev.larder.LicenseTimes
import dev.larder.ReleaseOutcome
import dev.larder.StoredLicense

/**
 * A CDM: acquires, renews and releases licenses that may be stored. One engine serves one scheme.
 *
 * An engine uses the network through one exchange per call: it opens its session, makes a challenge, calls
 * [LicenseExchange.send], passes the response to the CDM and closes the session. No session stays open between calls.
 *
 * Called on background threads, several calls at once, never under a lock of Larder. It may block. After
 * `LarderConfig.engineTimeoutSeconds` the outcome of the call counts as unknown, Larder refuses its exchange, and releases a
 * license that it returns later. Rethrow an exception of `send` unchanged. For other failures throw a [LarderException] with a
 * fitting code (`CDM_…`, `LICENSE_…`, `PROVISIONING_FAILED`). Everything else, `Error` included, becomes
 * [LarderException.Code.CDM_FAILED].
 */
public interface DrmEngine {
    /** The scheme that the engine serves. Read once. */
    public val scheme: DrmScheme

    /** Acquires a license that may be stored. A call that fails must store nothing. */
    public fun acquire(request: KeyRequest, exchange: LicenseExchange): LicenseGrant

    /**
     * Renews a license. An engine that cannot renew in place acquires a new license, as the default does.
     */
    public fun renew(held: StoredLicense, request: KeyRequest, exchange: LicenseExchange): LicenseGrant =
        acquire(request, exchange)

    /** Returns the remaining times of a license. Throws `LICENSE_VANISHED` if the CDM does not know the license. */
    public fun inspect(held: StoredLicense): LicenseTimes

    /** Releases a license at its server and removes it from the device. */
    public fun release(held: StoredLicense, exchange: LicenseExchange): ReleaseOutcome

    /**
     * Removes a license from the device without its server, after the server has refused its release five times with a permanent
     * error. Succeeds if the CDM does not have the license. After a failure Larder keeps the license and tries again later.
     *
     * The default does nothing. Override it for a CDM that stores licenses; the default is right for an engine whose handle is
     * the whole license.
     */
    public fun remove(held: StoredLicense): Unit = Unit

    /** Returns the handle of every license that the CDM holds for this app; `null`, the default, if it cannot list them. */
    public fun held(): List<ByteArray>? = null
}
