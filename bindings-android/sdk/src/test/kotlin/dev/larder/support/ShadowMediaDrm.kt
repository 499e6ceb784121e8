package dev.larder.support

import android.media.DeniedByServerException
import android.media.MediaDrm
import android.media.NotProvisionedException
import android.media.ResourceBusyException
import android.media.UnsupportedSchemeException
import android.os.Build
import android.os.Parcel
import org.robolectric.annotation.Implementation
import org.robolectric.annotation.Implements
import org.robolectric.annotation.RealObject
import org.robolectric.util.ReflectionHelpers
import org.robolectric.util.ReflectionHelpers.ClassParameter
import java.lang.ref.WeakReference
import java.nio.ByteBuffer
import java.util.UUID

/**
 * Runs [VirtualCdm] below the framework's own Java code. Replaces only MediaDrm's native functions, so argument checks, listeners
 * and requests are AOSP's.
 */
@Implements(value = MediaDrm::class, minSdk = 24)
class ShadowMediaDrm {
    @RealObject
    private lateinit var drm: MediaDrm
    private lateinit var uuid: UUID
    private var isL3 = false
    private var test = 0
    private val sessions = HashMap<String, ByteArray?>()
    private val nonces = HashMap<String, Long>()

    @Implementation
    @Throws(UnsupportedSchemeException::class)
    protected fun native_setup(self: Any?, uuid: ByteArray, packageName: String?) {
        this.uuid = ByteBuffer.wrap(uuid).let { UUID(it.long, it.long) }
        if (this.uuid in VirtualCdm.unsupported) throw UnsupportedSchemeException("no such CDM")
        // The framework sends no events of an object without a native side.
        ReflectionHelpers.setField(drm, "mNativeContext", 1L)
        VirtualCdm.count {
            this@ShadowMediaDrm.test = test
            openObjects++
        }
    }

    @Implementation(minSdk = 28)
    protected fun native_release() {
        // The finalizer of an object whose constructor failed calls this, too.
        if (ReflectionHelpers.getField<Long>(drm, "mNativeContext") == 0L) return
        ReflectionHelpers.setField(drm, "mNativeContext", 0L)
        counted {
            openObjects--
            openSessions -= sessions.size
        }
        sessions.clear()
    }

    @Implementation(minSdk = 31)
    @Throws(NotProvisionedException::class, ResourceBusyException::class)
    protected fun openSessionNative(level: Int): ByteArray = at(CdmCall.OPEN_SESSION) {
        if (VirtualCdm.device == null) throw NotProvisionedException("not provisioned")
        counted { openSessions++ }
        val id = VirtualCdm.count { "session ${++sessionsEver}" }
        sessions[id] = null
        id.toByteArray()
    }

    @Implementation(minSdk = 31)
    protected fun closeSessionNative(session: ByteArray) {
        require(sessions.containsKey(String(session)))
        sessions.remove(String(session))
        counted { openSessions-- }
    }

    @Implementation(minSdk = 31)
    @Throws(NotProvisionedException::class)
    protected fun getKeyRequestNative(
        scope: ByteArray,
        init: ByteArray?,
        mime: String?,
        keyType: Int,
        parameters: HashMap<String, String>?,
    ): MediaDrm.KeyRequest {
        if (keyType == MediaDrm.KEY_TYPE_RELEASE) return at(CdmCall.RELEASE_CHALLENGE) { releaseRequest(scope) }
        return at(CdmCall.CHALLENGE) {
            VirtualCdm.count { asked += VirtualCdm.Asked(uuid, init, mime, parameters.orEmpty().toMap(), isL3) }
            require(keyType == MediaDrm.KEY_TYPE_OFFLINE && sessions.containsKey(String(scope)))
            val held = sessions[String(scope)]?.let(VirtualCdm::find)
            val nonce = nonce(scope)
            val device = checkNotNull(VirtualCdm.device)
            val body = if (held == null) {
                VirtualWire.challenge("license", VirtualWire.keyIds(requireNotNull(init)), null, device, nonce)
            } else {
                VirtualWire.challenge("renewal", held.kids, held.licenseId, device, nonce)
            }
            keyRequest(
                body,
                if (held ==
                    null
                ) {
                    MediaDrm.KeyRequest.REQUEST_TYPE_INITIAL
                } else {
                    MediaDrm.KeyRequest.REQUEST_TYPE_RENEWAL
                },
            )
        }
    }

    @Implementation
    @Throws(NotProvisionedException::class, DeniedByServerException::class)
    protected fun provideKeyResponse(scope: ByteArray, response: ByteArray): ByteArray? {
        if (!sessions.containsKey(String(scope))) return at(CdmCall.RELEASE_ANSWER) { released(scope, response) }
        return at(CdmCall.LICENSE) {
            val answer = requireNotNull(VirtualWire.read("WVL", response)) { "BAD_VALUE" }
            require(answer.getLong("nonce") == nonces[String(scope)]) { "BAD_VALUE" }
            if (!answer.getBoolean("persist")) return@at ByteArray(0)
            synchronized(VirtualCdm) {
                val held = sessions[String(scope)]?.let(VirtualCdm::find)
                if (held == null && VirtualCdm.keySets.size >= VirtualCdm.failsFrom) throw badValue()
                val isSame = held?.licenseId == answer.getString("license_id")
                val id = if (isSame && VirtualCdm.keepsHandle) checkNotNull(held).id else VirtualCdm.nextId()
                if (isSame) VirtualCdm.keySets.remove(held)
                val stored = VirtualCdm.KeySet(
                    id = id,
                    licenseId = answer.getString("license_id"),
                    kids = VirtualWire.strings(answer.getJSONArray("kids")),
                    l3 = isL3 || VirtualCdm.level == "L3",
                    storedAtMs = VirtualCdm.nowMs,
                    durationSeconds = VirtualWire.seconds(answer, "duration_seconds"),
                    playbackSeconds = VirtualWire.seconds(answer, "playback_seconds"),
                    renewable = answer.getBoolean("renewable"),
                )
                VirtualCdm.keySets += stored
                sessions[String(scope)] = id
                tellKeys(scope, stored)
                if (isSame && VirtualCdm.renewsSilently) ByteArray(0) else id
            }
        }
    }

    @Implementation
    protected fun restoreKeys(session: ByteArray, keySetId: ByteArray): Unit = at(CdmCall.RESTORE) {
        val keySet = opened(keySetId)
        if (keySet.released) throw stateError("being released")
        if (VirtualCdm.keySets.size > VirtualCdm.failsFrom) throw badValue()
        sessions[String(session)] = keySetId
        tellKeys(session, keySet)
    }

    @Implementation
    protected fun queryKeyStatus(session: ByteArray): HashMap<String, String> = at(CdmCall.QUERY) {
        VirtualCdm.trace?.let { return@at HashMap(it) }
        val keySet = sessions[String(session)]?.let(VirtualCdm::find) ?: throw stateError("no keys")
        val (license, playback) = VirtualCdm.left(keySet)
        hashMapOf(
            "LicenseType" to "Offline",
            "PersistAllowed" to "True",
            "PlayAllowed" to "True",
            "RenewAllowed" to if (keySet.renewable) "True" else "False",
            "LicenseDurationRemaining" to "${license ?: Long.MAX_VALUE}",
            "PlaybackDurationRemaining" to "${playback ?: Long.MAX_VALUE}",
        )
    }

    @Implementation(minSdk = 29)
    protected fun getOfflineLicenseKeySetIds(): List<ByteArray> = at(CdmCall.LIST) {
        if (!VirtualCdm.lists) throw UnsupportedOperationException("this vendor's part is older")
        VirtualCdm.ids
    }

    @Implementation(minSdk = 29)
    protected fun removeOfflineLicense(keySetId: ByteArray): Unit = at(CdmCall.REMOVE) {
        require(VirtualCdm.vanish(keySetId)) { "BAD_VALUE" }
    }

    @Implementation(minSdk = 29)
    protected fun getOfflineLicenseState(keySetId: ByteArray): Int {
        val keySet = requireNotNull(VirtualCdm.find(keySetId))
        return if (keySet.released) MediaDrm.OFFLINE_LICENSE_STATE_RELEASED else MediaDrm.OFFLINE_LICENSE_STATE_USABLE
    }

    @Implementation
    protected fun getProvisionRequestNative(certificateType: Int, authority: String?): MediaDrm.ProvisionRequest =
        at(CdmCall.PROVISION_REQUEST) {
            request(
                MediaDrm.ProvisionRequest::class.java,
                "device-request-${VirtualCdm.nextNonce()}".toByteArray(),
                VirtualCdm.provisioningUrl,
            )
        }

    @Implementation
    @Throws(DeniedByServerException::class)
    protected fun provideProvisionResponseNative(response: ByteArray): MediaDrm.Certificate? = at(CdmCall.PROVISION_ANSWER) {
        VirtualCdm.device = requireNotNull(VirtualWire.read("WVP", response)) { "BAD_VALUE" }.getString("device")
        null
    }

    @Implementation
    protected fun setPropertyString(name: String, value: String) {
        require(name == "securityLevel" && value == "L3" && sessions.isEmpty())
        isL3 = true
    }

    @Implementation
    protected fun getPropertyString(name: String): String {
        require(name == "securityLevel")
        return if (isL3) "L3" else VirtualCdm.level
    }

    // Up to API 30 these functions are native, and before API 28 a session has no level.

    @Implementation(maxSdk = 27)
    @Throws(UnsupportedSchemeException::class)
    protected fun native_setup(self: Any?, uuid: ByteArray) = native_setup(self, uuid, null)

    @Implementation(maxSdk = 27)
    protected fun release() = native_release()

    @Implementation(maxSdk = 27)
    @Throws(NotProvisionedException::class, ResourceBusyException::class)
    protected fun openSession(): ByteArray = openSessionNative(0)

    @Implementation(minSdk = 28, maxSdk = 30)
    @Throws(NotProvisionedException::class, ResourceBusyException::class)
    protected fun openSession(level: Int): ByteArray = openSessionNative(level)

    @Implementation(maxSdk = 30)
    protected fun closeSession(session: ByteArray) = closeSessionNative(session)

    @Implementation(maxSdk = 30)
    @Throws(NotProvisionedException::class)
    protected fun getKeyRequest(
        scope: ByteArray,
        init: ByteArray?,
        mime: String?,
        keyType: Int,
        parameters: HashMap<String, String>?,
    ): MediaDrm.KeyRequest = getKeyRequestNative(scope, init, mime, keyType, parameters)

    private fun releaseRequest(id: ByteArray): MediaDrm.KeyRequest {
        val keySet = opened(id)
        // The release message ends the use of the keys, even if it does not arrive.
        keySet.released = true
        val device = VirtualCdm.device ?: throw NotProvisionedException("not provisioned")
        val body = VirtualWire.challenge("release", keySet.kids, keySet.licenseId, device, nonce(id))
        return keyRequest(body, MediaDrm.KeyRequest.REQUEST_TYPE_RELEASE)
    }

    /** Returns a key set of the session's level. A key set belongs to one level. */
    private fun opened(id: ByteArray): VirtualCdm.KeySet =
        VirtualCdm.find(id)?.takeIf { it.l3 == (isL3 || VirtualCdm.level == "L3") } ?: throw stateError("no such key set")

    private fun released(id: ByteArray, response: ByteArray): ByteArray? {
        val answer = requireNotNull(VirtualWire.read("WVL", response)) { "BAD_VALUE" }
        require(answer.getBoolean("released")) { "BAD_VALUE" }
        VirtualCdm.vanish(id)
        return null
    }

    private fun counted(change: VirtualCdm.() -> Unit) = VirtualCdm.count { if (this@ShadowMediaDrm.test == test) change() }

    private fun nonce(scope: ByteArray): Long = VirtualCdm.nextNonce().also { nonces[String(scope)] = it }

    /** Reports key statuses as the native side does, from a binder thread. */
    private fun tellKeys(session: ByteArray, keySet: VirtualCdm.KeySet) {
        if (!VirtualCdm.tellsKeys) return
        val status = when {
            VirtualCdm.trace == null && VirtualCdm.isOver(keySet) -> MediaDrm.KeyStatus.STATUS_EXPIRED
            else -> MediaDrm.KeyStatus.STATUS_USABLE
        }
        val ids = keySet.kids.map(VirtualWire::bytes)
        val weak = WeakReference(drm)
        val int = Int::class.javaPrimitiveType
        val what = 202 // KEY_STATUS_CHANGE
        if (Build.VERSION.SDK_INT < 31) {
            val parcel = Parcel.obtain()
            parcel.writeByteArray(session)
            parcel.writeInt(ids.size)
            for (id in ids) {
                parcel.writeByteArray(id)
                parcel.writeInt(status)
            }
            parcel.writeInt(1)
            parcel.setDataPosition(0)
            ReflectionHelpers.callStaticMethod<Unit>(
                MediaDrm::class.java,
                "postEventFromNative",
                ClassParameter.from(Any::class.java, weak),
                ClassParameter.from(int, what),
                ClassParameter.from(int, 0),
                ClassParameter.from(int, 0),
                ClassParameter.from(Any::class.java, parcel),
            )
        } else {
            val statuses = ids.map {
                ReflectionHelpers.callConstructor(
                    MediaDrm.KeyStatus::class.java,
                    ClassParameter.from(ByteArray::class.java, it),
                    ClassParameter.from(int, status),
                )
            }
            ReflectionHelpers.callStaticMethod<Unit>(
                MediaDrm::class.java, "postEventFromNative",
                ClassParameter.from(Any::class.java, weak), ClassParameter.from(int, what),
                ClassParameter.from(int, 0), ClassParameter.from(int, 0),
                ClassParameter.from(ByteArray::class.java, session), ClassParameter.from(ByteArray::class.java, null),
                ClassParameter.from(Long::class.javaPrimitiveType, 0L), ClassParameter.from(List::class.java, statuses),
                ClassParameter.from(Boolean::class.javaPrimitiveType, true),
            )
        }
    }

    private fun keyRequest(body: ByteArray, type: Int): MediaDrm.KeyRequest =
        request(MediaDrm.KeyRequest::class.java, body, "").also { ReflectionHelpers.setField(it, "mRequestType", type) }

    private fun <T : Any> request(type: Class<T>, body: ByteArray, url: String): T =
        ReflectionHelpers.callConstructor(type).also {
            ReflectionHelpers.setField(it, "mData", body)
            ReflectionHelpers.setField(it, "mDefaultUrl", url)
        }

    companion object {
        @JvmStatic
        @Implementation
        protected fun native_init() = Unit

        @JvmStatic
        @Implementation(minSdk = 29)
        protected fun isCryptoSchemeSupportedNative(uuid: ByteArray, mime: String?, level: Int): Boolean =
            ByteBuffer.wrap(uuid).let { UUID(it.long, it.long) } !in VirtualCdm.unsupported

        @JvmStatic
        @Implementation(maxSdk = 28)
        protected fun isCryptoSchemeSupportedNative(uuid: ByteArray, mime: String?): Boolean =
            isCryptoSchemeSupportedNative(uuid, mime, 0)

        fun stateError(message: String, errorCode: Int = 0): MediaDrm.MediaDrmStateException =
            ReflectionHelpers.callConstructor(
                MediaDrm.MediaDrmStateException::class.java,
                ClassParameter.from(Int::class.javaPrimitiveType, errorCode),
                ClassParameter.from(String::class.java, message),
            )

        fun badValue() = IllegalArgumentException("BAD_VALUE")

        private inline fun <T> at(step: CdmCall, work: () -> T): T {
            VirtualCdm.pass(step, CallPoint.BEFORE)
            return work().also { VirtualCdm.pass(step, CallPoint.AFTER) }
        }
    }
}
