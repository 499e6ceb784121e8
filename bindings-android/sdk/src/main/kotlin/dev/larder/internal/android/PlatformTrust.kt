package dev.larder.internal.android

import android.net.http.X509TrustManagerExtensions
import android.security.NetworkSecurityPolicy
import dev.larder.LarderException
import dev.larder.Remedy
import dev.larder.internal.ffi.FfiServerTrust
import dev.larder.internal.ffi.guarding
import java.security.KeyStore
import java.security.cert.CertificateFactory
import java.security.cert.X509Certificate
import javax.net.ssl.TrustManagerFactory
import javax.net.ssl.X509TrustManager

/**
 * Checks servers by the app's network security config: the trusted roots of system, user and administrator for each host, its
 * pins, and the hosts that may use plain http (ADR 0008).
 *
 * The default trust manager of an app's process belongs to the network security config, and follows changes of the system's
 * certificate store by itself.
 */
internal class PlatformTrust(private val manager: () -> X509TrustManager = ::platformTrustManager) : FfiServerTrust {
    /** Created at the first handshake, in the background: that reads the system's certificates. */
    private val check: ChainCheck by lazy { chainCheck(manager()) }

    override fun verify(chain: List<ByteArray>, host: String): Unit =
        guarding("the platform's trust manager", LarderException.Code.TLS) {
            val factory = CertificateFactory.getInstance("X.509")
            val certificates = chain.map { factory.generateCertificate(it.inputStream()) as X509Certificate }
            check.check(certificates.toTypedArray(), host)
        }

    override fun checkCleartext(host: String): Unit =
        guarding("the network security config", LarderException.Code.URL_INVALID) {
            if (!NetworkSecurityPolicy.getInstance().isCleartextTrafficPermitted(host)) {
                throw LarderException(
                    LarderException.Code.URL_INVALID,
                    "the app's network security config forbids plain http to this host: use https or permit it",
                )
            }
        }

    private fun interface ChainCheck {
        fun check(chain: Array<X509Certificate>, host: String)
    }

    private companion object {
        /** The framework needs any text that is not empty. The core checks the signature of the handshake. */
        const val AUTH_TYPE = "UNKNOWN"

        fun platformTrustManager(): X509TrustManager {
            val factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm())
            factory.init(null as KeyStore?)
            return factory.trustManagers.filterIsInstance<X509TrustManager>().first()
        }

        /** Passes the host where the framework takes it: without a host, a config with rules per host refuses every server. */
        fun chainCheck(manager: X509TrustManager): ChainCheck {
            val withHost = try {
                X509TrustManagerExtensions(manager)
            } catch (_: IllegalArgumentException) {
                return ChainCheck { chain, _ -> manager.checkServerTrusted(chain, AUTH_TYPE) }
            }
            return ChainCheck { chain, host -> withHost.checkServerTrusted(chain, AUTH_TYPE, host) }
        }
    }
}
