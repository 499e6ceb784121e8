package dev.larder.support

import java.io.BufferedInputStream
import java.io.File
import java.io.IOException
import java.io.InputStream
import java.net.HttpURLConnection
import java.net.InetAddress
import java.net.Socket
import java.net.URI
import java.security.KeyFactory
import java.security.Principal
import java.security.PrivateKey
import java.security.cert.CertificateFactory
import java.security.cert.X509Certificate
import java.security.spec.PKCS8EncodedKeySpec
import javax.net.ssl.SSLContext
import javax.net.ssl.SSLEngine
import javax.net.ssl.SSLServerSocket
import javax.net.ssl.X509ExtendedKeyManager
import kotlin.concurrent.thread

/**
 * An https server in front of the test servers, with a certificate of the core's private test authority. It speaks TLS with
 * Conscrypt, which Robolectric contains; the JDK's own TLS does not start beside it.
 *
 * @param name the name of its certificate and key in `core/tests/wire/tls`.
 */
class TlsProxy(private val behind: TestServers, name: String) : AutoCloseable {
    private val socket: SSLServerSocket

    init {
        val key = KeyFactory.getInstance(
            "EC",
            PROVIDER,
        ).generatePrivate(PKCS8EncodedKeySpec(file("$name.key.der").readBytes()))
        val certificate = file("$name.der").inputStream().use {
            CertificateFactory.getInstance("X.509", PROVIDER).generateCertificate(it) as X509Certificate
        }
        val context = SSLContext.getInstance("TLS", PROVIDER)
        context.init(arrayOf(OneKey(key, certificate)), emptyArray(), null)
        socket = context.serverSocketFactory.createServerSocket(0, 50, InetAddress.getLoopbackAddress()) as SSLServerSocket
        thread(isDaemon = true, name = "tls-proxy") {
            while (!socket.isClosed) {
                try {
                    val client = socket.accept()
                    thread(isDaemon = true) { client.use(::answer) }
                } catch (_: IOException) {
                    break
                }
            }
        }
    }

    val port: Int get() = socket.localPort

    override fun close() = socket.close()

    /** Forwards one request and its response. A client that does not trust the certificate disconnects before. */
    private fun answer(client: Socket) {
        val incoming = try {
            BufferedInputStream(client.getInputStream()).apply {
                mark(1)
                check(read() >= 0)
                reset()
            }
        } catch (_: IOException) {
            return
        }
        try {
            passOn(incoming, client)
        } catch (_: IOException) {
            // The servers are stopped: close the connection.
        }
    }

    private fun passOn(incoming: InputStream, client: Socket) {
        val (method, path) = line(incoming).split(' ')
        val headers = generateSequence { line(incoming).ifEmpty { null } }.associate {
            it.substringBefore(':').lowercase() to it.substringAfter(':').trim()
        }
        val body = incoming.readNBytes(headers["content-length"]?.toInt() ?: 0)
        val onward = URI(behind.url(path)).toURL().openConnection() as HttpURLConnection
        onward.requestMethod = method
        headers["content-type"]?.let { onward.setRequestProperty("Content-Type", it) }
        onward.doOutput = true
        onward.outputStream.use { it.write(body) }
        val answered = onward.inputStream.use { it.readBytes() }
        val head = "HTTP/1.1 ${onward.responseCode} OK\r\nContent-Length: ${answered.size}\r\nConnection: close\r\n\r\n"
        client.getOutputStream().apply {
            write(head.encodeToByteArray() + answered)
            flush()
        }
    }

    private fun line(from: InputStream): String = buildString {
        while (true) {
            val byte = from.read()
            if (byte < 0 || byte == '\n'.code) break
            if (byte != '\r'.code) append(byte.toChar())
        }
    }

    private class OneKey(private val key: PrivateKey, private val certificate: X509Certificate) : X509ExtendedKeyManager() {
        override fun chooseServerAlias(type: String?, issuers: Array<out Principal>?, socket: Socket?) = "key"

        override fun chooseEngineServerAlias(type: String?, issuers: Array<out Principal>?, engine: SSLEngine?) = "key"

        override fun getServerAliases(type: String?, issuers: Array<out Principal>?) = arrayOf("key")

        override fun getCertificateChain(alias: String?) = arrayOf(certificate)

        override fun getPrivateKey(alias: String?) = key

        override fun chooseClientAlias(types: Array<out String>?, issuers: Array<out Principal>?, socket: Socket?) = null

        override fun getClientAliases(type: String?, issuers: Array<out Principal>?): Array<String>? = null
    }

    companion object {
        private const val PROVIDER = "Conscrypt"

        /** Returns one of the core's test certificates or keys. */
        fun file(name: String) = File(System.getProperty("larder.repository"), "core/tests/wire/tls/$name")
    }
}
