package dev.larder.drm

import android.media.MediaDrm
import dev.larder.DrmParams
import dev.larder.DrmScheme
import dev.larder.ExchangeKind
import dev.larder.GrantedHandle
import dev.larder.KeyRequest
import dev.larder.LarderException
import dev.larder.LicenseDuration
import dev.larder.LicenseGrant
import dev.larder.LicenseTimes
import dev.larder.ReleaseOutcome
import dev.larder.SecurityLevel
import dev.larder.StoredLicense
import dev.larder.internal.drm.Cdm
import dev.larder.internal.drm.CdmSession
import dev.larder.internal.drm.KeyStatusReading
import dev.larder.internal.drm.KeyUsability
import dev.larder.internal.drm.QueryOccasion
import dev.larder.internal.drm.SystemId
import dev.larder.internal.drm.ask
import java.util.UUID

/**
 * Uses Android's own CDM of one scheme through [MediaDrm]. The default scheme is Widevine.
 *
 * ```
 * val engine = MediaDrmEngine()
 * val household = MediaDrmEngine(DrmScheme.WIDEVINE, optionalParameters = mapOf("household" to "7"))
 * ```
 *
 * Every call opens a `MediaDrm` and at most one session, and closes both before it returns. A call provisions an unprovisioned
 * device once. If the CDM has no free session, the call retries for some seconds and then fails with `CDM_BUSY`.
 *
 * **The handle** is the unchanged key set id of the CDM, which a player restores.
 *
 * **Security level.** [SecurityLevel.L3] in a source's [DrmParams] opens Widevine's software level. Larder stores the requested
 * level and the level of the device with the license: inspection, renewal in place and release open the same level, even if the
 * source has changed. If the device no longer has that level (its bootloader was unlocked, or an update removed L1), the next
 * inspection fails with `CDM_LEVEL_CHANGED`.
 *
 * **Below Android 10** (API 29) a CDM cannot list its licenses, so [held] returns `null`. A license whose key set id was lost
 * there (the app's data was cleared, or the process died before it stored the id) stays in the CDM and in the server's records
 * until the app is uninstalled: it cannot be released. A license that the CDM has lost and one that it fails to open have the
 * same code.
 *
 * **Errors**, beside those of the exchange: `DRM_UNSUPPORTED` (the device has no such CDM), `PROVISIONING_FAILED`,
 * `CDM_REVOKED`, `CDM_LEVEL_CHANGED`, `CDM_BUSY`, `CDM_FAILED`, `LICENSE_DENIED`, `LICENSE_MALFORMED`, `LICENSE_EXPIRED`,
 * `LICENSE_VANISHED`, `RENEWAL_NOT_PERMITTED`. No message quotes the text of an exception, where vendors put anything.
 */
public class MediaDrmEngine internal constructor(
    override val scheme: DrmScheme,
    private val uuid: UUID,
    optionalParameters: Map<String, String>,
    private val busyPausesMs: List<Long>,
) : DrmEngine {
    /**
     * Makes an engine for a scheme.
     *
     * @param scheme the scheme that the engine serves.
     * @param uuid the UUID of the CDM, for a CDM other than the scheme's standard one.
     * @param optionalParameters parameters for every key request. The CDM and its server define them.
     * @throws LarderException `DRM_UNSUPPORTED` for FairPlay, which no Android device has, unless [uuid] is given.
     */
    @JvmOverloads
    public constructor(
        scheme: DrmScheme,
        uuid: UUID = SystemId.of(scheme),
        optionalParameters: Map<String, String> = emptyMap(),
    ) : this(scheme, uuid, optionalParameters, Cdm.BUSY_PAUSES_MS)

    /** Makes an engine for Widevine. */
    public constructor() : this(DrmScheme.WIDEVINE)

    private val parameters = HashMap(optionalParameters)

    override fun acquire(request: KeyRequest, exchange: LicenseExchange): LicenseGrant =
        withCdm(request.securityLevel) { cdm ->
            cdm.inSession(exchange) { session ->
                val challenge = session.challenge(request, parameters)
                session.listening {
                    val id = session.provide(exchange.ask(ExchangeKind.LICENSE, challenge))
                    grant(cdm, session, request, GrantedHandle.New(id))
                }
            }
        }

    override fun renew(held: StoredLicense, request: KeyRequest, exchange: LicenseExchange): LicenseGrant =
        withCdm(held) { cdm ->
            cdm.inSession(exchange) { session ->
                session.listening {
                    cdm.restore(session, held)
                    val status = session.keyStatus()
                    if (status.isRenewalForbidden) {
                        throw LarderException(
                            LarderException.Code.RENEWAL_NOT_PERMITTED,
                            "the license does not permit renewal: refresh with a new license",
                        )
                    }
                    if (hasExpired(session, status)) throw expired()
                    val challenge = session.challenge(request, parameters)
                    val id = session.provide(exchange.ask(ExchangeKind.RENEWAL, challenge))
                    grant(cdm, session, request, renewedHandle(cdm, session, held.handle, id))
                }
            }
        }

    override fun inspect(held: StoredLicense): LicenseTimes = withCdm(held) { cdm ->
        cdm.inSession(exchange = null) { session ->
            session.listening {
                cdm.restore(session, held)
                val status = session.keyStatus()
                if (hasExpired(session, status)) throw expired()
                status.times(QueryOccasion.INSPECTION, session.keyUsability(status))
            }
        }
    }

    /**
     * Makes a release message, sends it, and passes the server's response to the CDM. As soon as the message exists, the license
     * no longer plays, even if the message does not reach the server.
     *
     * If the server supports no releases (404, 405, 410, 501) or the CDM cannot make one, removes the license from the device
     * (from API 29 on) and returns `NOT_SUPPORTED`.
     */
    override fun release(held: StoredLicense, exchange: LicenseExchange): ReleaseOutcome =
        withCdm(held) { it.release(held, parameters, exchange) }

    /** Removes a license from the CDM. Below API 29 that is impossible: the license stays until the app is uninstalled. */
    override fun remove(held: StoredLicense): Unit = withCdm(held) { it.remove(held.handle) }

    /** Returns every key set id that the CDM holds for this app, of every security level; `null` below API 29. */
    override fun held(): List<ByteArray>? = withCdm(SecurityLevel.DEFAULT) { it.keySetIds() }

    /** Opens the CDM at the level of the license, which may differ from the current default level of the device. */
    private fun <T> withCdm(held: StoredLicense, work: (Cdm) -> T): T =
        withCdm(if (held.acquiredLevel == Cdm.L3) SecurityLevel.L3 else held.request.securityLevel, work)

    private fun <T> withCdm(level: SecurityLevel, work: (Cdm) -> T): T =
        Cdm.open(scheme, uuid, level, busyPausesMs).use(work)

    /** Returns the grant of a license that the CDM has stored. Must not fail: the caller would not learn the license's id. */
    private fun grant(cdm: Cdm, session: CdmSession, request: KeyRequest, handle: GrantedHandle): LicenseGrant {
        if (handle is GrantedHandle.New && handle.handle.isEmpty()) return LicenseGrant(handle, unknownTimes)
        val status = session.keyStatusOrEmpty()
        val keyIds = if (request.keyIds.isEmpty()) null else session.keyIds()
        return LicenseGrant(handle, status.times(QueryOccasion.GRANT, session.keyUsability(status)), keyIds, cdm.level)
    }

    /** Classifies the id that a renewal returned: usually the previous id, or none (docs/architecture.md, invariant 5). */
    private fun renewedHandle(cdm: Cdm, session: CdmSession, held: ByteArray, id: ByteArray): GrantedHandle = when {
        id.contentEquals(held) -> GrantedHandle.Same

        id.isEmpty() ->
            if (session.keyStatusOrEmpty().isStorageForbidden) GrantedHandle.New(id) else GrantedHandle.Same

        cdm.knows(held) -> GrantedHandle.New(id)

        else -> GrantedHandle.Changed(id)
    }

    private fun hasExpired(session: CdmSession, status: KeyStatusReading): Boolean =
        status.mayBeExpired && session.keyUsability(status) == KeyUsability.EXPIRED

    /** The capabilities of this device. */
    public companion object {
        /** Returns true if the device has the scheme's CDM. Opens no CDM. */
        @JvmStatic
        public fun isSupported(scheme: DrmScheme): Boolean =
            scheme != DrmScheme.FAIR_PLAY && MediaDrm.isCryptoSchemeSupported(SystemId.forMediaDrm(SystemId.of(scheme)))

        private val unknownTimes = LicenseTimes(LicenseDuration.Unknown, LicenseDuration.Unknown)

        private fun expired() =
            LarderException(LarderException.Code.LICENSE_EXPIRED, "the CDM reports that the license has expired")
    }
}
