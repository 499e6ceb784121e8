package dev.larder.internal.drm

import android.media.MediaDrm
import android.os.Build
import android.os.Handler
import android.os.HandlerThread
import dev.larder.DrmScheme
import dev.larder.KeyRequest
import dev.larder.LarderException
import java.util.UUID
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit

/** One session of a CDM, opened for one operation. */
internal class CdmSession private constructor(
    private val drm: MediaDrm,
    private val scheme: DrmScheme,
    private val uuid: UUID,
    private val id: ByteArray,
) : AutoCloseable {
    private var listener: KeyStatusListener? = null

    /** Makes the request for a license that may be stored. In a session with a restored license it requests a renewal. */
    fun challenge(request: KeyRequest, parameters: HashMap<String, String>): ByteArray {
        val (initData, mime) = CdmInitData.of(request, uuid, Build.VERSION.SDK_INT)
        val challenge = cdmCall(CdmStep.CHALLENGE) {
            drm.getKeyRequest(id, initData, mime, MediaDrm.KEY_TYPE_OFFLINE, parameters).data
        }
        return if (usesOldClearKey) ClearKeyDialect.toServer(challenge) else challenge
    }

    /** Passes the server's response to the CDM. Returns the key set id, empty if the CDM stored nothing. */
    fun provide(answer: ByteArray): ByteArray {
        val license = if (usesOldClearKey) ClearKeyDialect.toCdm(answer) else answer
        try {
            return cdmCall(CdmStep.LICENSE) { drm.provideKeyResponse(id, license) } ?: ByteArray(0)
        } catch (_: DeviceNotProvisioned) {
            // Do not repeat the request: the server would grant a second license.
            throw LarderException(
                LarderException.Code.PROVISIONING_FAILED,
                "the device lost its provisioning during the request: try again",
            )
        }
    }

    fun restore(keySetId: ByteArray): Unit = cdmCall(CdmStep.RESTORING) { drm.restoreKeys(id, keySetId) }

    fun keyStatus(): KeyStatusReading = KeyStatusReading(cdmCall(CdmStep.QUERY) { drm.queryKeyStatus(id) })

    /** Queries the license as [keyStatus] does. Returns an empty reading if that fails. */
    fun keyStatusOrEmpty(): KeyStatusReading = try {
        keyStatus()
    } catch (_: LarderException) {
        KeyStatusReading(emptyMap())
    } catch (_: DeviceNotProvisioned) {
        KeyStatusReading(emptyMap())
    }

    /** Records the statuses of the session's keys while [work] runs. */
    inline fun <T> listening(work: () -> T): T {
        val statuses = KeyStatusListener(drm, id)
        listener = statuses
        return statuses.use { work() }
    }

    /** Returns the usability of the keys. Waits for the CDM only if [reading] leaves open whether the license has expired. */
    fun keyUsability(reading: KeyStatusReading): KeyUsability {
        if (!reading.mayBeExpired) return KeyUsability.UNKNOWN
        val statuses = listener?.await() ?: return KeyUsability.UNKNOWN
        return when {
            statuses.any { it.statusCode == MediaDrm.KeyStatus.STATUS_USABLE } -> KeyUsability.USABLE

            statuses.isNotEmpty() && statuses.all {
                it.statusCode == MediaDrm.KeyStatus.STATUS_EXPIRED
            } -> KeyUsability.EXPIRED

            else -> KeyUsability.UNKNOWN
        }
    }

    /**
     * Returns the ids of the keys in the license, `null` if the CDM does not report them. A key that the current display may
     * not show counts as part of the license. A key that the CDM could not load does not.
     */
    fun keyIds(): List<String>? {
        val statuses = listener?.await()?.takeIf { it.isNotEmpty() } ?: return null
        if (statuses.any { it.keyId.size != KEY_ID_BYTES || it.statusCode == MediaDrm.KeyStatus.STATUS_PENDING }) return null
        return statuses.filter { it.statusCode != MediaDrm.KeyStatus.STATUS_INTERNAL_ERROR }
            .map { status -> status.keyId.joinToString("") { "%02x".format(it) } }
    }

    override fun close() {
        try {
            drm.closeSession(id)
        } catch (_: RuntimeException) {
            // The CDM has died or has reclaimed the session: it is closed in any case.
        }
    }

    private val usesOldClearKey: Boolean
        get() = scheme == DrmScheme.CLEAR_KEY && Build.VERSION.SDK_INT < Build.VERSION_CODES.O_MR1

    companion object {
        private const val KEY_ID_BYTES = 16

        fun open(drm: MediaDrm, scheme: DrmScheme, uuid: UUID): CdmSession =
            CdmSession(drm, scheme, uuid, cdmCall(CdmStep.OPENING) { drm.openSession() })
    }
}

/** Receives the CDM's key statuses, which arrive on a looper's thread some time after a license was provided or restored. */
internal class KeyStatusListener(drm: MediaDrm, sessionId: ByteArray) : AutoCloseable {
    private val thread = HandlerThread("larder-cdm").apply { start() }
    private val received = CountDownLatch(1)

    @Volatile
    private var latest: List<MediaDrm.KeyStatus>? = null

    init {
        drm.setOnKeyStatusChangeListener(
            { _, of, statuses, _ ->
                if (of.contentEquals(sessionId)) {
                    latest = statuses.toList()
                    received.countDown()
                }
            },
            Handler(thread.looper),
        )
    }

    /** Returns the latest statuses, `null` if the CDM reports none within half a second. */
    fun await(): List<MediaDrm.KeyStatus>? {
        received.await(TIMEOUT_MS, TimeUnit.MILLISECONDS)
        return latest
    }

    override fun close() {
        thread.quitSafely()
    }

    private companion object {
        const val TIMEOUT_MS = 500L
    }
}
