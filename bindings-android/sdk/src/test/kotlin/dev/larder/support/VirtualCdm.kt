package dev.larder.support

import org.json.JSONArray
import org.json.JSONObject
import java.nio.ByteBuffer
import java.util.UUID
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit

/** Where an engine comes by. */
enum class Step {
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

/** Before the CDM does what it is asked, or after, when the caller does not know yet. */
enum class Moment { BEFORE, AFTER }

/**
 * The device: what lasts from one `MediaDrm` to the next, and from one run of the app to the next. Our model of a CDM that
 * behaves like Widevine behind MediaDrm, as far as an engine can see it; its messages are the testkit's. It is no evidence
 * about any real CDM. The testkit has the same device in Rust.
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
        /** A release was asked for: the keys do not play any more, whether or not the server has heard of it. */
        var released: Boolean = false,
    )

    var device: String? = null
    val keySets = mutableListOf<KeySet>()
    var provisioningUrl = ""
    var aheadMs = 0L

    /** The level that a session has if nobody asks for L3. */
    var level = "L1"

    /** It lists its key sets. */
    var lists = true

    /** A renewal in place keeps the key set id. */
    var keepsHandle = true

    /** It returns no key set id from a renewal in place, which some do. */
    var renewsSilently = false

    /** It tells which keys are usable. */
    var tellsKeys = true

    /** From so many key sets on it stores and opens none, as Samsung's did (google/ExoPlayer#11202). */
    var failsFrom = Int.MAX_VALUE

    /** What `queryKeyStatus` answers instead: a recorded trace. */
    var trace: Map<String, String>? = null

    /** Systems without a CDM here. */
    val unsupported = mutableSetOf<UUID>()

    /** Objects and sessions that are open now; how often one was opened. */
    var openObjects = 0
    var openSessions = 0
    var sessionsEver = 0

    /** Which test this is: what hangs for ever in an earlier one is not counted in the next. */
    var test = 0

    /** Everything that was asked for, as the CDM saw it. */
    val asked = mutableListOf<Asked>()

    class Asked(
        val uuid: UUID,
        val initData: ByteArray?,
        val mime: String?,
        val parameters: Map<String, String>,
        val l3: Boolean,
    )

    private class Planned(val step: Step, val moment: Moment, var left: Int, val trouble: () -> Unit)

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

    /** The next so many times at this step, [trouble] happens: it throws, waits or changes something. */
    @Synchronized
    fun plan(step: Step, moment: Moment = Moment.BEFORE, times: Int = 1, trouble: () -> Unit) {
        planned += Planned(step, moment, times, trouble)
    }

    /** The next call at this step hangs until [letGo]. Call [awaitHanging] to know that it does. */
    fun hangAt(step: Step, moment: Moment) {
        val here = synchronized(this) { gate }
        plan(step, moment) { here.hang() }
    }

    fun awaitHanging() = check(synchronized(this) { gate }.awaitHanging()) { "nothing hangs" }

    fun letGo() = synchronized(this) { gate }.letGo()

    fun pass(step: Step, moment: Moment) {
        val trouble = synchronized(this) {
            planned.firstOrNull { it.step == step && it.moment == moment && it.left > 0 }?.also { it.left-- }?.trouble
        }
        trouble?.invoke()
    }

    /** Changes what is counted. */
    @Synchronized
    fun <T> count(change: VirtualCdm.() -> T): T = change()

    /** A license that another library in the same app got: it is listed, and none of Larder's business. */
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

    /** Not text: whoever treats a key set id as a string must break here. */
    @Synchronized
    fun nextId(): ByteArray =
        byteArrayOf('k'.code.toByte(), 's'.code.toByte(), -1, 0) + ByteBuffer.allocate(8).putLong(++number).array()

    @Synchronized
    fun nextNonce(): Long = ++number

    /** Seconds left: of the license, and of its playback. `null` is for ever. */
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

    /** `null` for what is none of this CDM's. */
    fun read(magic: String, answer: ByteArray): JSONObject? {
        val head = "$magic\u0001".toByteArray()
        if (answer.size < head.size || !answer.copyOf(head.size).contentEquals(head)) return null
        return JSONObject(answer.copyOfRange(head.size, answer.size).decodeToString())
    }

    fun strings(array: JSONArray): List<String> = List(array.length()) { array.getString(it) }

    fun seconds(json: JSONObject, name: String): Long? = if (json.has(name)) json.getLong(name) else null

    /** The key ids that Widevine's PSSH boxes name: in a box of version 1, and as field 2 of its protobuf. */
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
