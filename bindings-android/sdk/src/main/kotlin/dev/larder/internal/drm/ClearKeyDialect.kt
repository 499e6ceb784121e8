package dev.larder.internal.drm

import org.json.JSONException
import org.json.JSONObject

/** The framework's ClearKey below API 27 spoke Base64 where the W3C's JSON has base64url. Both ways it is translated. */
internal object ClearKeyDialect {
    /** The CDM's request as servers know it. Nothing but its key ids has a `+` or a `/`. */
    fun toServer(request: ByteArray): ByteArray = request.decodeToString().toUrlForm().encodeToByteArray()

    /** A server's answer as the CDM knows it; one that is no JSON as it is, for the CDM to refuse. */
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
