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
 * Whom Android trusts on behalf of this app: the roots of system, user and administrator, as the app's network security
 * config has them for each host, with its pins, and where it permits plain http (ADR 0008).
 *
 * The default trust manager of an app's process is the network security config's own, and follows changes of the
 * system's store by itself.
 */
internal class PlatformTrust(private val manager: () -> X509TrustManager = ::platformsOwn) : FfiServerTrust {
    /** Made at the first handshake, in the background: it reads the system's certificates. */
    private val judge: Judge by lazy { judge(manager()) }

    override fun verify(chain: List<ByteArray>, host: String): Unit =
        guarding("the platform's trust manager", LarderException.Code.TLS) {
            val factory = CertificateFactory.getInstance("X.509")
            val certificates = chain.map { factory.generateCertificate(it.inputStream()) as X509Certificate }
            judge.check(certificates.toTypedArray(), host)
        }

    override fun checkCleartext(host: String): Unit =
        guarding("the network security config", LarderException.Code.URL_INVALID) {
            if (!NetworkSecurityPolicy.getInstance().isCleartextTrafficPermitted(host)) {
                throw LarderException(
                    LarderException.Code.URL_INVALID,
                    "the app's network security config forbids plain http to this host",
                    Remedy.FIX_INPUT,
                )
            }
        }

    private fun interface Judge {
        fun check(chain: Array<X509Certificate>, host: String)
    }

    private companion object {
        /** Nobody asks it for more than a word that is not empty; the handshake's signature is checked in the core. */
        const val AUTH_TYPE = "UNKNOWN"

        fun platformsOwn(): X509TrustManager {
            val factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm())
            factory.init(null as KeyStore?)
            return factory.trustManagers.filterIsInstance<X509TrustManager>().first()
        }

        /** With the host where it can be said: without it a config that differs from host to host refuses everybody. */
        fun judge(manager: X509TrustManager): Judge {
            val withHost = try {
                X509TrustManagerExtensions(manager)
            } catch (_: IllegalArgumentException) {
                return Judge { chain, _ -> manager.checkServerTrusted(chain, AUTH_TYPE) }
            }
            return Judge { chain, host -> withHost.checkServerTrusted(chain, AUTH_TYPE, host) }
        }
    }
}
