package dev.larder.internal.android

import android.security.net.config.ApplicationConfig
import android.security.net.config.CertificateSource
import android.security.net.config.CertificatesEntryRef
import android.security.net.config.ConfigNetworkSecurityPolicy
import android.security.net.config.ConfigSource
import android.security.net.config.Domain
import android.security.net.config.NetworkSecurityConfig
import android.security.net.config.NetworkSecurityConfigProvider
import android.security.net.config.Pin
import android.security.net.config.PinSet
import dev.larder.DrmParams
import dev.larder.DrmScheme
import dev.larder.LarderException
import dev.larder.LocalAssetsManager
import dev.larder.MediaFormat
import dev.larder.MediaSource
import dev.larder.internal.ffi.FfiException
import dev.larder.support.AndroidTestDevice
import dev.larder.support.TestServersRule
import dev.larder.support.TlsProxy
import kotlinx.coroutines.runBlocking
import libcore.net.NetworkSecurityPolicy
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import java.security.MessageDigest
import java.security.Security
import java.security.cert.CertificateFactory
import java.security.cert.X509Certificate

/**
 * Tests requests to a license server with a certificate of a private authority. The framework's own classes apply the network
 * security config, as they do in an app's process.
 */
@RunWith(RobolectricTestRunner::class)
class PlatformTrustTest {
    @get:Rule val servers = TestServersRule()
    private val authority = certificate("ca.der")
    private val https = TlsProxy(servers, "localhost")
    private val film = AndroidTestDevice.download("dash-cenc")

    @Before
    fun begin() {
        // An app's process does this before it loads the app's first class.
        Security.insertProviderAt(NetworkSecurityConfigProvider(), 1)
    }

    @After
    fun end() {
        Security.removeProvider(NetworkSecurityConfigProvider().name)
        https.close()
    }

    private fun certificate(name: String): X509Certificate = TlsProxy.file(name).inputStream().use {
        CertificateFactory.getInstance("X.509").generateCertificate(it) as X509Certificate
    }

    /** Sets the app's network security config for all hosts, and for localhost. */
    private fun configure(forAll: NetworkSecurityConfig, forLocalhost: NetworkSecurityConfig? = null) {
        val source = object : ConfigSource {
            override fun getDefaultConfig() = forAll

            override fun getPerDomainConfigs(): Set<android.util.Pair<Domain, NetworkSecurityConfig>> =
                setOfNotNull(forLocalhost?.let { android.util.Pair(Domain("localhost", false), it) })
        }
        ApplicationConfig.setDefaultInstance(ApplicationConfig(source))
        NetworkSecurityPolicy.setInstance(ConfigNetworkSecurityPolicy(ApplicationConfig.getDefaultInstance()))
    }

    /** A certificate source, as `<certificates>` in a config makes one. */
    private class Anchors(private val authorities: Set<X509Certificate>) : CertificateSource {
        override fun getCertificates() = authorities

        override fun findBySubjectAndPublicKey(certificate: X509Certificate): X509Certificate? = authorities.find {
            it.subjectX500Principal == certificate.subjectX500Principal && it.publicKey == certificate.publicKey
        }

        override fun findByIssuerAndSignature(certificate: X509Certificate): X509Certificate? =
            authorities.find { it.subjectX500Principal == certificate.issuerX500Principal }

        override fun findAllByIssuerAndSignature(certificate: X509Certificate): Set<X509Certificate> =
            setOfNotNull(findByIssuerAndSignature(certificate))

        override fun handleTrustStorageUpdate() = Unit
    }

    private fun trusting(vararg authorities: X509Certificate) = NetworkSecurityConfig.Builder()
        .addCertificatesEntryRef(CertificatesEntryRef(Anchors(authorities.toSet()), false))

    private fun register(url: String): String? = runBlocking {
        LocalAssetsManager(AndroidTestDevice.withClearKey().build()).use { manager ->
            val source = MediaSource(
                "dash",
                "https://cdn.example/m.mpd",
                MediaFormat.DASH,
                listOf(DrmParams(DrmScheme.CLEAR_KEY, url)),
            )
            val code = try {
                manager.registerAsset(source, film, "film")
                null
            } catch (e: LarderException) {
                e.code
            }
            manager.unregisterAsset("film")
            code
        }
    }

    private val licenseUrl get() = "https://localhost:${https.port}/clearkey/license"

    @Test
    fun `a server of a trusted authority is accepted and one of an untrusted authority gets no request`() {
        configure(trusting().build())
        assertEquals(LarderException.Code.TLS, register(licenseUrl))
        assertEquals(0, servers.issued)
        configure(trusting(authority).build())
        assertEquals(null, register(licenseUrl))
        assertEquals(1, servers.issued)
    }

    @Test
    fun `a config for one host applies to that host only`() {
        configure(trusting().build(), forLocalhost = trusting(authority).build())
        assertEquals(null, register(licenseUrl))
        configure(trusting(authority).build(), forLocalhost = trusting().build())
        assertEquals(LarderException.Code.TLS, register(licenseUrl))
    }

    @Test
    fun `pins are enforced`() {
        fun pinned(digest: ByteArray) = trusting(authority)
            .setPinSet(PinSet(setOf(Pin("SHA-256", digest)), Long.MAX_VALUE)).build()
        configure(pinned(ByteArray(32)))
        assertEquals(LarderException.Code.TLS, register(licenseUrl))
        val servers = MessageDigest.getInstance("SHA-256").digest(certificate("localhost.der").publicKey.encoded)
        configure(pinned(servers))
        assertEquals(null, register(licenseUrl))
    }

    @Test
    fun `a certificate for another name is refused even from a trusted authority`() {
        configure(trusting(authority).build())
        TlsProxy(servers, "other").use { other ->
            assertEquals(LarderException.Code.TLS, register("https://localhost:${other.port}/clearkey/license"))
        }
    }

    @Test
    fun `plain http is sent only to hosts that the config permits`() {
        configure(trusting(authority).setCleartextTrafficPermitted(false).build())
        assertEquals(LarderException.Code.URL_INVALID, register(servers.url("/clearkey/license")))
        assertEquals(0, servers.requests)
        configure(trusting(authority).setCleartextTrafficPermitted(true).build())
        assertEquals(null, register(servers.url("/clearkey/license")))
    }

    @Test
    fun `an invalid certificate is TLS without a quote of its bytes`() {
        configure(trusting(authority).build())
        val refused = assertThrows(FfiException.Failed::class.java) {
            PlatformTrust().verify(listOf("s3cr3t".encodeToByteArray()), "localhost")
        }
        assertEquals(LarderException.Code.TLS, refused.code)
        assertTrue(refused.reason, "s3cr3t" !in refused.reason)
    }
}
