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

/** One session of a CDM, for one operation. */
internal class CdmSession private constructor(
    private val drm: MediaDrm,
    private val scheme: DrmScheme,
    private val uuid: UUID,
    private val id: ByteArray,
) : AutoCloseable {
    private var listener: KeyStatusListener? = null

    /** The request for a license that may be stored; in a session with a restored one, for its renewal. */
    fun challenge(request: KeyRequest, parameters: HashMap<String, String>): ByteArray {
        val (initData, mime) = CdmInitData.of(request, uuid, Build.VERSION.SDK_INT)
        val challenge = cdmCall(CdmStep.CHALLENGE) {
            drm.getKeyRequest(id, initData, mime, MediaDrm.KEY_TYPE_OFFLINE, parameters).data
        }
        return if (speaksOldClearKey) ClearKeyDialect.toServer(challenge) else challenge
    }

    /** Gives the CDM the server's answer. Returns the key set id, empty if it stored nothing. */
    fun take(answer: ByteArray): ByteArray {
        val license = if (speaksOldClearKey) ClearKeyDialect.toCdm(answer) else answer
        try {
            return cdmCall(CdmStep.LICENSE) { drm.provideKeyResponse(id, license) } ?: ByteArray(0)
        } catch (_: DeviceNotProvisioned) {
            // Asking again would cost a second license.
            throw cdmError(LarderException.Code.PROVISIONING_FAILED, "the device has lost its provisioning meanwhile")
        }
    }

    fun restore(keySetId: ByteArray): Unit = cdmCall(CdmStep.RESTORING) { drm.restoreKeys(id, keySetId) }

    fun keyStatus(): KeyStatusReading = KeyStatusReading(cdmCall(CdmStep.QUERY) { drm.queryKeyStatus(id) })

    /** The same, or nothing if the CDM will not tell. */
    fun keyStatusIfAny(): KeyStatusReading = try {
        keyStatus()
    } catch (_: LarderException) {
        KeyStatusReading(emptyMap())
    } catch (_: DeviceNotProvisioned) {
        KeyStatusReading(emptyMap())
    }

    /** Listens to what the CDM says of the session's keys while [work] runs. */
    inline fun <T> listening(work: () -> T): T {
        val heard = KeyStatusListener(drm, id)
        listener = heard
        return heard.use { work() }
    }

    /** What the CDM says of the keys. Waits for it only where [reading] alone does not tell whether the license is over. */
    fun keysSay(reading: KeyStatusReading): KeysSay {
        if (!reading.mayBeOver) return KeysSay.NOTHING
        val statuses = listener?.await() ?: return KeysSay.NOTHING
        return when {
            statuses.any { it.statusCode == MediaDrm.KeyStatus.STATUS_USABLE } -> KeysSay.USABLE
            statuses.isNotEmpty() && statuses.all { it.statusCode == MediaDrm.KeyStatus.STATUS_EXPIRED } -> KeysSay.EXPIRED
            else -> KeysSay.NOTHING
        }
    }

    /**
     * The ids of the keys in the license, `null` if the CDM does not tell. A key that this screen may not show is in it all
     * the same; one that the CDM could not load is not.
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
            // A CDM that has died, or has reclaimed the session: what was to be reached is reached.
        }
    }

    private val speaksOldClearKey: Boolean
        get() = scheme == DrmScheme.CLEAR_KEY && Build.VERSION.SDK_INT < Build.VERSION_CODES.O_MR1

    companion object {
        private const val KEY_ID_BYTES = 16

        fun open(drm: MediaDrm, scheme: DrmScheme, uuid: UUID): CdmSession =
            CdmSession(drm, scheme, uuid, cdmCall(CdmStep.OPENING) { drm.openSession() })
    }
}

/** Hears the CDM's key statuses, which it tells on a looper's thread some time after a license was given or restored. */
internal class KeyStatusListener(drm: MediaDrm, sessionId: ByteArray) : AutoCloseable {
    private val thread = HandlerThread("larder-cdm").apply { start() }
    private val heard = CountDownLatch(1)

    @Volatile
    private var latest: List<MediaDrm.KeyStatus>? = null

    init {
        drm.setOnKeyStatusChangeListener(
            { _, of, statuses, _ ->
                if (of.contentEquals(sessionId)) {
                    latest = statuses.toList()
                    heard.countDown()
                }
            },
            Handler(thread.looper),
        )
    }

    /** The latest statuses; `null` from a CDM that stays silent for half a second. */
    fun await(): List<MediaDrm.KeyStatus>? {
        heard.await(PATIENCE_MS, TimeUnit.MILLISECONDS)
        return latest
    }

    override fun close() {
        thread.quitSafely()
    }

    private companion object {
        const val PATIENCE_MS = 500L
    }
}
