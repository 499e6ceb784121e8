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
import dev.larder.internal.drm.KeysSay
import dev.larder.internal.drm.Moment
import dev.larder.internal.drm.SystemId
import dev.larder.internal.drm.ask
import dev.larder.internal.drm.cdmError
import java.util.UUID

/**
 * Android's own CDM of one scheme, asked through [MediaDrm]: Widevine, unless you say otherwise.
 *
 * ```
 * val engine = MediaDrmEngine()
 * val household = MediaDrmEngine(DrmScheme.WIDEVINE, optionalParameters = mapOf("household" to "7"))
 * ```
 *
 * Every call opens a `MediaDrm` and at most one session of its own, and closes both before it returns. A device that is not
 * provisioned is provisioned on the way, once. A CDM without a free session is asked again for some seconds; then it is
 * `CDM_BUSY`.
 *
 * **The handle** is the CDM's key set id as it is; a player restores it as it is.
 *
 * **Security level.** [SecurityLevel.L3] in a source's [DrmParams] opens Widevine's software level. It is kept with the
 * license, as is the level that the device gave unasked: inspection, renewal in place and release open the same level,
 * whatever the source says by then. A device that cannot give that level any more (its bootloader was unlocked, an update took
 * L1 away) is noticed at the next inspection: `CDM_LEVEL_CHANGED`.
 *
 * **Below Android 10** (API 29) a CDM lists nothing, so [held] is `null`. A license whose key set id was lost there (the app's
 * data was cleared, the process died before the id was stored) stays in the CDM and in the server's book until the app is
 * uninstalled: nobody can give it back. And a license that the CDM has lost cannot be told from one that it does not open.
 *
 * **Errors**, beside those of the exchange: `DRM_UNSUPPORTED` (the device has no such CDM), `PROVISIONING_FAILED`,
 * `CDM_REVOKED`, `CDM_LEVEL_CHANGED`, `CDM_BUSY`, `CDM_FAILED`, `LICENSE_DENIED`, `LICENSE_MALFORMED`, `LICENSE_EXPIRED`,
 * `LICENSE_VANISHED`, `RENEWAL_NOT_PERMITTED`. None quotes an exception's text: vendors put anything there.
 */
public class MediaDrmEngine internal constructor(
    override val scheme: DrmScheme,
    private val uuid: UUID,
    optionalParameters: Map<String, String>,
    private val busyPausesMs: List<Long>,
) : DrmEngine {
    /**
     * @param scheme the scheme it serves.
     * @param uuid the CDM's UUID, for a CDM other than the scheme's usual one.
     * @param optionalParameters go into every key request; what they mean is between the CDM and its server.
     * @throws LarderException `DRM_UNSUPPORTED` for FairPlay, which no Android device has, unless a [uuid] is given.
     */
    @JvmOverloads
    public constructor(
        scheme: DrmScheme,
        uuid: UUID = SystemId.of(scheme),
        optionalParameters: Map<String, String> = emptyMap(),
    ) : this(scheme, uuid, optionalParameters, Cdm.BUSY_PAUSES_MS)

    /** Widevine, at the device's own level. */
    public constructor() : this(DrmScheme.WIDEVINE)

    private val parameters = HashMap(optionalParameters)

    override fun acquire(request: KeyRequest, exchange: LicenseExchange): LicenseGrant =
        withCdm(request.securityLevel) { cdm ->
            cdm.inSession(exchange) { session ->
                val challenge = session.challenge(request, parameters)
                session.listening {
                    val id = session.take(exchange.ask(ExchangeKind.LICENSE, challenge))
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
                        throw cdmError(
                            LarderException.Code.RENEWAL_NOT_PERMITTED,
                            "the license does not permit renewal",
                        )
                    }
                    if (isOver(session, status)) throw expired()
                    val challenge = session.challenge(request, parameters)
                    val id = session.take(exchange.ask(ExchangeKind.RENEWAL, challenge))
                    grant(cdm, session, request, renewedHandle(cdm, session, held.handle, id))
                }
            }
        }

    override fun inspect(held: StoredLicense): LicenseTimes = withCdm(held) { cdm ->
        cdm.inSession(exchange = null) { session ->
            session.listening {
                cdm.restore(session, held)
                val status = session.keyStatus()
                if (isOver(session, status)) throw expired()
                status.times(Moment.INSPECTED, session.keysSay(status))
            }
        }
    }

    /**
     * Asks for a release, sends it, tells the CDM what the server said. From the moment it is asked for the license does not
     * play any more, whether or not the server hears of it.
     *
     * A server that has no releases (404, 405, 410, 501), and a CDM that cannot make one, cost the license its release: it is
     * removed from the device (from API 29 on), `NOT_SUPPORTED`.
     */
    override fun release(held: StoredLicense, exchange: LicenseExchange): ReleaseOutcome =
        withCdm(held) { it.release(held, parameters, exchange) }

    /** From API 29 on the CDM is told to forget it. Below that there is no way: it stays until the app is uninstalled. */
    override fun remove(held: StoredLicense): Unit = withCdm(held) { it.remove(held.handle) }

    /** Every key set id that the CDM holds for this app, of every security level; `null` below API 29. */
    override fun held(): List<ByteArray>? = withCdm(SecurityLevel.DEFAULT) { it.keySetIds() }

    /** At the level that the license was acquired at, also if that is no longer what the device gives unasked. */
    private fun <T> withCdm(held: StoredLicense, work: (Cdm) -> T): T =
        withCdm(if (held.acquiredLevel == Cdm.L3) SecurityLevel.L3 else held.request.securityLevel, work)

    private fun <T> withCdm(level: SecurityLevel, work: (Cdm) -> T): T =
        Cdm.open(scheme, uuid, level, busyPausesMs).use(work)

    /** What the CDM has stored. Nothing may fail here: nobody would know the license. */
    private fun grant(cdm: Cdm, session: CdmSession, request: KeyRequest, handle: GrantedHandle): LicenseGrant {
        if (handle is GrantedHandle.New && handle.handle.isEmpty()) return LicenseGrant(handle, unknownTimes)
        val status = session.keyStatusIfAny()
        val keyIds = if (request.keyIds.isEmpty()) null else session.keyIds()
        return LicenseGrant(handle, status.times(Moment.GRANTED, session.keysSay(status)), keyIds, cdm.level)
    }

    /** Usually the id that was held comes back, or none at all (DESIGN, invariant 5). */
    private fun renewedHandle(cdm: Cdm, session: CdmSession, held: ByteArray, id: ByteArray): GrantedHandle = when {
        id.contentEquals(held) -> GrantedHandle.Same

        id.isEmpty() ->
            if (session.keyStatusIfAny().isStorageForbidden) GrantedHandle.New(id) else GrantedHandle.Same

        cdm.knows(held) -> GrantedHandle.New(id)

        else -> GrantedHandle.Changed(id)
    }

    private fun isOver(session: CdmSession, status: KeyStatusReading): Boolean =
        status.mayBeOver && session.keysSay(status) == KeysSay.EXPIRED

    /** What this device has. */
    public companion object {
        /** True if the device has the scheme's CDM. Cheap, and opens nothing. */
        @JvmStatic
        public fun isSupported(scheme: DrmScheme): Boolean =
            scheme != DrmScheme.FAIR_PLAY && MediaDrm.isCryptoSchemeSupported(SystemId.forMediaDrm(SystemId.of(scheme)))

        private val unknownTimes = LicenseTimes(LicenseDuration.Unknown, LicenseDuration.Unknown)

        private fun expired() =
            cdmError(LarderException.Code.LICENSE_EXPIRED, "the CDM reports that the license has expired")
    }
}
