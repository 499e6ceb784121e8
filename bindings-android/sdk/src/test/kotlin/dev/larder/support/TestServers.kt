package dev.larder.support

import java.io.File
import java.net.HttpURLConnection
import java.net.URI
import java.util.concurrent.TimeUnit

/**
 * The testkit's origin and license servers, in a process of their own: `larder testkit serve`. Started at the first use,
 * also at the first one after [close]: a class rule closes them once per set of parameters.
 *
 * Tests declare a [TestServersRule] or a `TestServersExtension`, which stop the process.
 */
open class TestServers : AutoCloseable {
    private class Running(val process: Process, val url: String, val adminUrl: String)

    private var current: Running? = null

    private val running: Running
        @Synchronized get() = current ?: start().also { current = it }

    /** The base URL of the servers, without a slash at its end. */
    val url: String get() = running.url

    fun url(path: String) = url + path

    /** The number of licenses that were issued and not released. */
    val live: Int
        get() = number("live", get("book"))

    /** The number of licenses that were issued. */
    val issued: Int
        get() = Regex("\"license_id\"").findAll(get("book")).count()

    /** The number of requests since the start. */
    val requests: Int
        get() = number("requests", get("counts"))

    /** Every request with its headers, as JSON. */
    val journal: String
        get() = get("requests")

    /** Makes the servers unreachable until [resume]. */
    fun stop() = post("stop")

    fun resume() = post("resume")

    /** Resets records, counts, faults and license terms. */
    fun reset() = post("reset")

    /** Returns the number of requests of a kind, for example `provisioning`. */
    fun requests(kind: String): Int =
        Regex("\"$kind\"\\s*:\\s*(\\d+)").find(get("counts"))?.groupValues?.get(1)?.toInt() ?: 0

    /** Replaces members of the license policy, for example `{"require_token":"t"}`. */
    fun policy(json: String) = post("policy", json)

    /** Adds a fault, for example `{"path":"/widevine/","action":{"kind":"status","status":503}}`. */
    fun fault(json: String) = post("faults", json)

    /** Removes every fault. */
    fun clearFaults() {
        ask("DELETE", "faults", null)
    }

    @Synchronized
    override fun close() {
        val process = current?.process ?: return
        current = null
        process.destroy()
        process.waitFor(10, TimeUnit.SECONDS)
    }

    private fun get(what: String): String = ask("GET", what, null)

    private fun post(what: String, body: String = "") {
        ask("POST", what, body)
    }

    private fun ask(method: String, what: String, body: String?): String {
        val connection = URI("${running.adminUrl}/admin/$what").toURL().openConnection() as HttpURLConnection
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

    private fun start(): Running {
        val command = File(System.getProperty("larder.target"), "larder").path
        val process = ProcessBuilder(command, "testkit", "serve", "--print-url", "--media", Media.folder.path)
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start()
        Runtime.getRuntime().addShutdownHook(Thread { process.destroy() })
        val lines = process.inputStream.bufferedReader()
        val (url, adminUrl) = List(2) { checkNotNull(lines.readLine()) { "the servers did not start" } }
        return Running(process, url, adminUrl)
    }
}
