package dev.larder.support

import org.json.JSONArray
import org.json.JSONObject
import java.nio.ByteBuffer
import java.util.UUID
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit

/** The calls of an engine to the CDM. */
enum class CdmCall {
    OPEN_SESSION,
    CHALLENGE,
    RELEASE_CHALLENGE,
    LICENSE,
    RELEASE_ANSWER,
    RESTORE,
    QUERY,
    PROVISION_REQUEST,
    PROVISION_ANSWER,
    LIST,
    REMOVE,
}

/** The point of a failure: before the CDM does its work, or after it and before the caller gets the result. */
enum class CallPoint { BEFORE, AFTER }

/**
 * The state of the device that outlives a `MediaDrm` and a run of the app. Our model of a CDM that behaves like Widevine behind
 * MediaDrm as an engine sees it. Its messages are the testkit's, which has the same model in Rust. No evidence about a real CDM.
 */
object VirtualCdm {
    class KeySet(
        val id: ByteArray,
        val licenseId: String,
        val kids: List<String>,
        val l3: Boolean,
        val storedAtMs: Long,
        val durationSeconds: Long?,
        val playbackSeconds: Long?,
        val renewable: Boolean,
        var firstPlayedAtMs: Long? = null,
        /** True after a release request: the keys no longer play, even if the server has not got the message. */
        var released: Boolean = false,
    )

    var device: String? = null
    val keySets = mutableListOf<KeySet>()
    var provisioningUrl = ""
    var aheadMs = 0L

    /** The default level of a session. */
    var level = "L1"

    /** True if the CDM lists its key sets. */
    var lists = true

    /** True if a renewal in place keeps the key set id. */
    var keepsHandle = true

    /** True if a renewal in place returns no key set id, as with some CDMs. */
    var renewsSilently = false

    /** True if the CDM reports key statuses. */
    var tellsKeys = true

    /** The number of key sets from which on the CDM stores and opens none, as Samsung's did (google/ExoPlayer#11202). */
    var failsFrom = Int.MAX_VALUE

    /** A recorded result of `queryKeyStatus`, which replaces the computed one. */
    var trace: Map<String, String>? = null

    /** The key systems without a CDM. */
    val unsupported = mutableSetOf<UUID>()

    /** The numbers of open objects, of open sessions and of all sessions so far. */
    var openObjects = 0
    var openSessions = 0
    var sessionsEver = 0

    /** The number of the test: objects that hang in an earlier test are not counted in the next one. */
    var test = 0

    /** Every key request to the CDM. */
    val asked = mutableListOf<Asked>()

    class Asked(
        val uuid: UUID,
        val initData: ByteArray?,
        val mime: String?,
        val parameters: Map<String, String>,
        val l3: Boolean,
    )

    private class Planned(val step: CdmCall, val point: CallPoint, var left: Int, val action: () -> Unit)

    private val planned = mutableListOf<Planned>()
    private var gate = Gate()
    private var number = 0L

    val nowMs: Long get() = System.currentTimeMillis() + aheadMs
    val ids: List<ByteArray> get() = synchronized(this) { keySets.map { it.id } }
    val licenseIds: List<String> get() = synchronized(this) { keySets.map { it.licenseId } }

    @Synchronized
    fun reset() {
        device = null
        keySets.clear()
        provisioningUrl = ""
        aheadMs = 0
        level = "L1"
        lists = true
        keepsHandle = true
        renewsSilently = false
        tellsKeys = true
        failsFrom = Int.MAX_VALUE
        trace = null
        unsupported.clear()
        test++
        openObjects = 0
        openSessions = 0
        sessionsEver = 0
        asked.clear()
        planned.clear()
        gate.letGo()
        gate = Gate()
    }

    /** Runs [action] at the next calls of this kind: it may throw, wait or change the state. */
    @Synchronized
    fun plan(step: CdmCall, point: CallPoint = CallPoint.BEFORE, times: Int = 1, action: () -> Unit) {
        planned += Planned(step, point, times, action)
    }

    /** Makes the next call of this kind hang until [letGo]. [awaitHanging] waits until it hangs. */
    fun hangAt(step: CdmCall, point: CallPoint) {
        val here = synchronized(this) { gate }
        plan(step, point) { here.hang() }
    }

    fun awaitHanging() = check(synchronized(this) { gate }.awaitHanging()) { "nothing hangs" }

    fun letGo() = synchronized(this) { gate }.letGo()

    fun pass(step: CdmCall, point: CallPoint) {
        val action = synchronized(this) {
            planned.firstOrNull { it.step == step && it.point == point && it.left > 0 }?.also { it.left-- }?.action
        }
        action?.invoke()
    }

    /** Changes the state under the lock. */
    @Synchronized
    fun <T> count(change: VirtualCdm.() -> T): T = change()

    /** Adds a license of another library in the same app. */
    @Synchronized
    fun addForeign(): ByteArray {
        val keySet = KeySet(nextId(), "foreign", emptyList(), false, nowMs, null, null, false)
        keySets += keySet
        return keySet.id
    }

    @Synchronized
    fun vanish(id: ByteArray) = keySets.removeAll { it.id.contentEquals(id) }

    @Synchronized
    fun find(id: ByteArray): KeySet? = keySets.firstOrNull { it.id.contentEquals(id) }

    /** Returns bytes that are not text, so that code that treats a key set id as a string fails. */
    @Synchronized
    fun nextId(): ByteArray =
        byteArrayOf('k'.code.toByte(), 's'.code.toByte(), -1, 0) + ByteBuffer.allocate(8).putLong(++number).array()

    @Synchronized
    fun nextNonce(): Long = ++number

    /** Returns the remaining seconds of the license and of its playback; `null` for no limit. */
    fun left(keySet: KeySet): Pair<Long?, Long?> {
        fun of(seconds: Long?, sinceMs: Long) = seconds?.let { maxOf(0, (sinceMs + it * 1000 - nowMs + 999) / 1000) }
        return of(keySet.durationSeconds, keySet.storedAtMs) to of(keySet.playbackSeconds, keySet.firstPlayedAtMs ?: nowMs)
    }

    fun isOver(keySet: KeySet): Boolean {
        val (license, playback) = left(keySet)
        return license == 0L || (keySet.firstPlayedAtMs != null && playback == 0L)
    }

    private class Gate {
        private val hanging = CountDownLatch(1)
        private val open = CountDownLatch(1)

        fun hang() {
            hanging.countDown()
            open.await(60, TimeUnit.SECONDS)
        }

        fun awaitHanging() = hanging.await(20, TimeUnit.SECONDS)

        fun letGo() = open.countDown()
    }
}

/** The testkit's Widevine-like messages (`testkit/src/license/mod.rs`): four bytes, then JSON. */
object VirtualWire {
    fun challenge(op: String, kids: List<String>, licenseId: String?, device: String, nonce: Long): ByteArray {
        val json = JSONObject().put("op", op).put("kids", JSONArray(kids)).put("device", device).put("nonce", nonce)
        if (licenseId != null) json.put("license_id", licenseId)
        return "WVC\u0001".toByteArray() + json.toString().toByteArray()
    }

    /** Parses a message; `null` for a message of another CDM. */
    fun read(magic: String, answer: ByteArray): JSONObject? {
        val head = "$magic\u0001".toByteArray()
        if (answer.size < head.size || !answer.copyOf(head.size).contentEquals(head)) return null
        return JSONObject(answer.copyOfRange(head.size, answer.size).decodeToString())
    }

    fun strings(array: JSONArray): List<String> = List(array.length()) { array.getString(it) }

    fun seconds(json: JSONObject, name: String): Long? = if (json.has(name)) json.getLong(name) else null

    /** Returns the key ids in Widevine's PSSH boxes: from a box of version 1, and from field 2 of its protobuf. */
    fun keyIds(initData: ByteArray): List<String> {
        val found = linkedSetOf<String>()
        var at = 0
        while (at + 28 <= initData.size) {
            val box = ByteBuffer.wrap(initData, at, initData.size - at)
            val size = box.int
            box.int
            val version = box.int ushr 24
            box.long
            box.long
            if (version == 1) repeat(box.int) { found += hex(ByteArray(16).also(box::get)) }
            val data = ByteArray(box.int).also(box::get)
            var i = 0
            while (i + 2 <= data.size) {
                val length = data[i + 1].toInt()
                if (data[i].toInt() == 0x12 && length == 16) found += hex(data.copyOfRange(i + 2, i + 18))
                if (data[i].toInt() and 7 != 2) break
                i += 2 + length
            }
            at += size
        }
        return found.toList()
    }

    fun hex(bytes: ByteArray): String = bytes.joinToString("") { "%02x".format(it) }

    fun bytes(hex: String): ByteArray = ByteArray(hex.length / 2) { hex.substring(2 * it, 2 * it + 2).toInt(16).toByte() }
}
