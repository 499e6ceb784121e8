package dev.larder.support

import dev.larder.ExchangeAnswer
import dev.larder.ExchangeKind
import dev.larder.ExchangeMessage
import dev.larder.LarderException
import dev.larder.drm.LicenseExchange
import java.io.IOException
import java.net.HttpURLConnection
import java.net.URI
import java.net.URLEncoder

/** An exchange without the core: sends each message and records its kind. */
class RawExchange(private val licenseUrl: String) : LicenseExchange {
    val kinds = mutableListOf<ExchangeKind>()

    override fun send(message: ExchangeMessage): ExchangeAnswer {
        synchronized(kinds) { kinds += message.kind }
        val isProvisioning = message.kind == ExchangeKind.PROVISIONING
        val url = when {
            isProvisioning -> message.url + "?signedRequest=" + URLEncoder.encode(message.body.decodeToString(), "UTF-8")
            else -> licenseUrl
        }
        val connection = URI(url).toURL().openConnection() as HttpURLConnection
        connection.requestMethod = "POST"
        connection.doOutput = true
        try {
            connection.outputStream.use { it.write(if (isProvisioning) ByteArray(0) else message.body) }
            val status = connection.responseCode
            if (status != 200) throw LarderException("SERVER_REJECTED", "status $status", httpStatus = status)
            return ExchangeAnswer(connection.inputStream.use { it.readBytes() }, null)
        } catch (e: IOException) {
            throw LarderException("NETWORK", e.javaClass.name)
        }
    }
}
