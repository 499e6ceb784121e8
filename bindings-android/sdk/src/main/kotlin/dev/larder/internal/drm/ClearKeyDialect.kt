package dev.larder.internal.drm

import org.json.JSONException
import org.json.JSONObject

/** Converts between base64url, which the W3C's JSON has, and the Base64 of the framework's ClearKey below API 27. */
internal object ClearKeyDialect {
    /** Converts the CDM's request for servers. Only its key ids contain `+` and `/`. */
    fun toServer(request: ByteArray): ByteArray = request.decodeToString().toUrlForm().encodeToByteArray()

    /** Converts a server's response for the CDM. Returns a response that is not JSON unchanged: the CDM refuses it. */
    fun toCdm(answer: ByteArray): ByteArray = try {
        val json = JSONObject(answer.decodeToString())
        val keys = json.getJSONArray("keys")
        for (i in 0 until keys.length()) {
            val key = keys.getJSONObject(i)
            for (name in listOf("k", "kid")) key.put(name, key.getString(name).fromUrlForm())
        }
        json.toString().encodeToByteArray()
    } catch (_: JSONException) {
        answer
    }

    private fun String.toUrlForm() = replace('+', '-').replace('/', '_')

    private fun String.fromUrlForm() = replace('-', '+').replace('_', '/')
}
