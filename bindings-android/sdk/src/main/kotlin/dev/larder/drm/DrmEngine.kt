package dev.larder.drm

import dev.larder.DrmScheme
import dev.larder.KeyRequest
import dev.larder.LarderException
import dev.larder.LicenseGrant
import dev.larder.LicenseTimes
import dev.larder.ReleaseOutcome
import dev.larder.StoredLicense

/**
 * A CDM: it gets, renews and gives back licenses that may be stored. One per scheme.
 *
 * An engine borrows the network for one exchange: it opens its session, makes a challenge, calls [LicenseExchange.send],
 * gives the answer to the CDM and closes the session, all within one call. No session stays open between calls.
 *
 * Called on background threads, several at once, never under a lock of Larder's. It may block; after
 * `LarderConfig.engineTimeoutSeconds` the call's outcome counts as unknown, its exchange is refused, and a license that it
 * brings later is given back. Throw what `send` threw as it is, and a [LarderException] with a code of your own choice
 * (`CDM_…`, `LICENSE_…`, `PROVISIONING_FAILED`) for the rest; anything else, `Error` included, becomes
 * [LarderException.Code.CDM_FAILED].
 */
public interface DrmEngine {
    /** The scheme it serves. Asked once. */
    public val scheme: DrmScheme

    /** Gets a license that may be stored. On failure it has stored nothing. */
    public fun acquire(request: KeyRequest, exchange: LicenseExchange): LicenseGrant

    /**
     * Renews a license. An engine that cannot renew in place gets a new one, which is what happens if this is not
     * overridden.
     */
    public fun renew(held: StoredLicense, request: KeyRequest, exchange: LicenseExchange): LicenseGrant =
        acquire(request, exchange)

    /** Asks the CDM what is left of a license. `LICENSE_VANISHED` if it does not know it. */
    public fun inspect(held: StoredLicense): LicenseTimes

    /** Gives a license back to the server and removes it from the device. */
    public fun release(held: StoredLicense, exchange: LicenseExchange): ReleaseOutcome

    /**
     * Removes a license from the device without its server, which has refused its release five times for good. Success if
     * the CDM does not have it. After a failure the license stays known and is tried again later.
     *
     * Does nothing if it is not overridden: right where a license is its handle and nothing else, wrong for a CDM that stores.
     */
    public fun remove(held: StoredLicense): Unit = Unit

    /** Every license that the CDM holds for this app; `null`, the default, if it cannot list them. */
    public fun held(): List<ByteArray>? = null
}
