package dev.larder.support

import java.io.File
import java.net.HttpURLConnection
import java.net.URI
import java.util.concurrent.TimeUnit

/** The testkit's origin and license servers, in a process of their own: `larder testkit serve`. */
class TestServers private constructor(private val process: Process, val url: String, private val adminUrl: String) :
    AutoCloseable {

    fun url(path: String) = url + path

    /** Licenses issued and not given back. */
    val live: Int
        get() = number("live", get("book"))

    /** Licenses ever issued. */
    val issued: Int
        get() = Regex("\"license_id\"").findAll(get("book")).count()

    /** Requests ever made. */
    val requests: Int
        get() = number("requests", get("counts"))

    /** Every request, with its headers. */
    val journal: String
        get() = get("requests")

    /** The servers cannot be reached until [resume]. */
    fun stop() = post("stop")

    fun resume() = post("resume")

    /** Book, counts, faults and policy as after the start. */
    fun reset() = post("reset")

    /** How many requests of a kind, for example `provisioning`. */
    fun requests(kind: String): Int =
        Regex("\"$kind\"\\s*:\\s*(\\d+)").find(get("counts"))?.groupValues?.get(1)?.toInt() ?: 0

    /** Replaces members of the license policy, for example `{"require_token":"t"}`. */
    fun policy(json: String) = post("policy", json)

    fun fault(json: String) = post("faults", json)

    /** No fault any more. */
    fun clearFaults() {
        ask("DELETE", "faults", null)
    }

    override fun close() {
        process.destroy()
        process.waitFor(10, TimeUnit.SECONDS)
    }

    private fun get(what: String): String = ask("GET", what, null)

    private fun post(what: String, body: String = "") {
        ask("POST", what, body)
    }

    private fun ask(method: String, what: String, body: String?): String {
        val connection = URI("$adminUrl/admin/$what").toURL().openConnection() as HttpURLConnection
        connection.requestMethod = method
        if (body != null) {
            connection.doOutput = true
            connection.setRequestProperty("Content-Type", "application/json")
            connection.outputStream.use { it.write(body.encodeToByteArray()) }
        }
        check(connection.responseCode == 200) { "$method $what: ${connection.responseCode}" }
        return connection.inputStream.use { it.readBytes().decodeToString() }
    }

    private fun number(name: String, json: String): Int =
        checkNotNull(Regex("\"$name\"\\s*:\\s*(\\d+)").find(json)) { "no $name in $json" }.groupValues[1].toInt()

    companion object {
        @JvmStatic
        fun start(): TestServers {
            val command = File(System.getProperty("larder.target"), "larder").path
            val process = ProcessBuilder(command, "testkit", "serve", "--print-url", "--media", Media.folder.path)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start()
            Runtime.getRuntime().addShutdownHook(Thread { process.destroy() })
            val lines = process.inputStream.bufferedReader()
            val (url, adminUrl) = List(2) { checkNotNull(lines.readLine()) { "the servers did not start" } }
            return TestServers(process, url, adminUrl)
        }
    }
}
