package dev.larder.media3.support

import android.media.MediaDrm
import android.media.NotProvisionedException
import org.robolectric.annotation.Implementation
import org.robolectric.annotation.Implements
import org.robolectric.util.ReflectionHelpers
import org.robolectric.util.ReflectionHelpers.ClassParameter

/** Our model of a CDM with licenses. Replaces only MediaDrm's native methods. No evidence about a device. */
@Implements(value = MediaDrm::class, minSdk = 29)
class ShadowCdm {
    private val sessions = HashMap<String, String?>()

    @Implementation protected fun native_setup(self: Any?, uuid: ByteArray, packageName: String?) {}

    @Implementation protected fun native_release() {}

    @Implementation(minSdk = 31)
    protected fun openSessionNative(level: Int): ByteArray {
        if (!FakeCdm.isProvisioned) throw NotProvisionedException("not provisioned")
        val id = "session ${FakeCdm.sessions.incrementAndGet()}"
        sessions[id] = null
        FakeCdm.open.incrementAndGet()
        return id.encodeToByteArray()
    }

    @Implementation(maxSdk = 30)
    protected fun openSession(level: Int): ByteArray = openSessionNative(level)

    @Implementation(minSdk = 31)
    protected fun closeSessionNative(session: ByteArray) {
        check(sessions.containsKey(session.decodeToString()))
        sessions -= session.decodeToString()
        FakeCdm.open.decrementAndGet()
    }

    @Implementation(maxSdk = 30)
    protected fun closeSession(session: ByteArray) = closeSessionNative(session)

    @Implementation(minSdk = 31)
    protected fun getKeyRequestNative(
        scope: ByteArray,
        init: ByteArray?,
        mime: String?,
        keyType: Int,
        params: HashMap<String, String>?,
    ): MediaDrm.KeyRequest {
        FakeCdm.requests += "key request of type $keyType"
        return ReflectionHelpers.callConstructor(MediaDrm.KeyRequest::class.java).also {
            ReflectionHelpers.setField(it, "mData", "challenge".encodeToByteArray())
            ReflectionHelpers.setField(it, "mDefaultUrl", "")
        }
    }

    @Implementation(maxSdk = 30)
    protected fun getKeyRequest(
        scope: ByteArray,
        init: ByteArray?,
        mime: String?,
        keyType: Int,
        params: HashMap<String, String>?,
    ) = getKeyRequestNative(scope, init, mime, keyType, params)

    @Implementation
    protected fun getProvisionRequestNative(certType: Int, authority: String?): MediaDrm.ProvisionRequest {
        FakeCdm.requests += "provision request"
        return ReflectionHelpers.callConstructor(MediaDrm.ProvisionRequest::class.java)
    }

    @Implementation
    protected fun provideKeyResponse(scope: ByteArray, response: ByteArray): ByteArray {
        FakeCdm.answers.incrementAndGet()
        return ByteArray(0)
    }

    @Implementation
    protected fun restoreKeys(session: ByteArray, keySet: ByteArray) {
        val id = keySet.decodeToString()
        val isOfThisLevel = FakeCdm.levels[id].let { it == null || it == getPropertyString("securityLevel") }
        if (id !in FakeCdm.held || !isOfThisLevel) {
            throw ReflectionHelpers.callConstructor(
                MediaDrm.MediaDrmStateException::class.java,
                ClassParameter.from(Int::class.javaPrimitiveType, -1),
                ClassParameter.from(String::class.java, "unknown key set"),
            )
        }
        FakeCdm.restored += id
        sessions[session.decodeToString()] = id
    }

    @Implementation
    protected fun queryKeyStatus(session: ByteArray): HashMap<String, String> =
        HashMap(sessions[session.decodeToString()]?.let { FakeCdm.held[it] }.orEmpty())

    @Implementation protected fun getPropertyString(name: String): String =
        FakeCdm.properties[name] ?: if (name == "securityLevel") FakeCdm.level else ""

    @Implementation protected fun setPropertyString(name: String, value: String) {
        FakeCdm.properties[name] = value
    }

    companion object {
        @JvmStatic @Implementation
        protected fun native_init() {}

        @JvmStatic @Implementation
        protected fun isCryptoSchemeSupportedNative(uuid: ByteArray, mime: String?, level: Int): Boolean = true
    }
}

/** The state of the device's CDM: its licenses and the requests to it. */
object FakeCdm {
    val held = HashMap<String, Map<String, String>>()
    val restored = java.util.concurrent.CopyOnWriteArrayList<String>()
    val requests = java.util.concurrent.CopyOnWriteArrayList<String>()
    val properties = java.util.concurrent.ConcurrentHashMap<String, String>()
    val sessions = java.util.concurrent.atomic.AtomicInteger()
    val answers = java.util.concurrent.atomic.AtomicInteger()
    val open = java.util.concurrent.atomic.AtomicInteger()

    /** The level of each license. A license opens at its level only. */
    val levels = HashMap<String, String>()

    /** The default level of the device. */
    @Volatile var level = "L3"

    @Volatile var isProvisioned = true

    fun reset() {
        held.clear()
        levels.clear()
        level = "L3"
        restored.clear()
        requests.clear()
        properties.clear()
        open.set(0)
        answers.set(0)
        isProvisioned = true
    }
}
