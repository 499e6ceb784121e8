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
import dev.larder.support.Phone
import dev.larder.support.SecureFront
import dev.larder.support.TestServers
import kotlinx.coroutines.runBlocking
import libcore.net.NetworkSecurityPolicy
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import java.security.MessageDigest
import java.security.Security
import java.security.cert.CertificateFactory
import java.security.cert.X509Certificate

/**
 * The license server behind TLS, with a certificate of a private authority, asked by Larder's own client on Android's own
 * network security config: the framework's classes decide, as they do in an app's process.
 */
@RunWith(RobolectricTestRunner::class)
class PlatformTrustTest {
    private val servers = TestServers.start()
    private val authority = certificate("ca.der")
    private val https = SecureFront(servers, "localhost")
    private val film = Phone.download("dash-cenc")

    @Before
    fun begin() {
        // What an app's process does before its first class is loaded.
        Security.insertProviderAt(NetworkSecurityConfigProvider(), 1)
    }

    @After
    fun end() {
        Security.removeProvider(NetworkSecurityConfigProvider().name)
        https.close()
        servers.close()
    }

    private fun certificate(name: String): X509Certificate = SecureFront.file(name).inputStream().use {
        CertificateFactory.getInstance("X.509").generateCertificate(it) as X509Certificate
    }

    /** The app's network security config: for every host, or for one. */
    private fun configure(forAll: NetworkSecurityConfig, forLocalhost: NetworkSecurityConfig? = null) {
        val source = object : ConfigSource {
            override fun getDefaultConfig() = forAll

            override fun getPerDomainConfigs(): Set<android.util.Pair<Domain, NetworkSecurityConfig>> =
                setOfNotNull(forLocalhost?.let { android.util.Pair(Domain("localhost", false), it) })
        }
        ApplicationConfig.setDefaultInstance(ApplicationConfig(source))
        NetworkSecurityPolicy.setInstance(ConfigNetworkSecurityPolicy(ApplicationConfig.getDefaultInstance()))
    }

    /** As `<certificates>` of a resource, of the system's or of the user's store does. */
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
        LocalAssetsManager(Phone.withClearKey().build()).use { manager ->
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
    fun `an authority that the app's config trusts counts, and without it nobody is asked for a license`() {
        configure(trusting().build())
        assertEquals(LarderException.Code.TLS, register(licenseUrl))
        assertEquals(0, servers.issued)
        configure(trusting(authority).build())
        assertEquals(null, register(licenseUrl))
        assertEquals(1, servers.issued)
    }

    @Test
    fun `a config for one host is that host's`() {
        configure(trusting().build(), forLocalhost = trusting(authority).build())
        assertEquals(null, register(licenseUrl))
        configure(trusting(authority).build(), forLocalhost = trusting().build())
        assertEquals(LarderException.Code.TLS, register(licenseUrl))
    }

    @Test
    fun `pins are held`() {
        fun pinned(digest: ByteArray) = trusting(authority)
            .setPinSet(PinSet(setOf(Pin("SHA-256", digest)), Long.MAX_VALUE)).build()
        configure(pinned(ByteArray(32)))
        assertEquals(LarderException.Code.TLS, register(licenseUrl))
        val servers = MessageDigest.getInstance("SHA-256").digest(certificate("localhost.der").publicKey.encoded)
        configure(pinned(servers))
        assertEquals(null, register(licenseUrl))
    }

    @Test
    fun `a certificate for another name is refused, whoever signed it`() {
        configure(trusting(authority).build())
        SecureFront(servers, "other").use { other ->
            assertEquals(LarderException.Code.TLS, register("https://localhost:${other.port}/clearkey/license"))
        }
    }

    @Test
    fun `plain http goes only where the config permits it`() {
        configure(trusting(authority).setCleartextTrafficPermitted(false).build())
        assertEquals(LarderException.Code.URL_INVALID, register(servers.url("/clearkey/license")))
        assertEquals(0, servers.requests)
        configure(trusting(authority).setCleartextTrafficPermitted(true).build())
        assertEquals(null, register(servers.url("/clearkey/license")))
    }

    @Test
    fun `what is no certificate is a typed error that quotes nothing`() {
        configure(trusting(authority).build())
        val refused = assertThrows(FfiException.Failed::class.java) {
            PlatformTrust().verify(listOf("s3cr3t".encodeToByteArray()), "localhost")
        }
        assertEquals(LarderException.Code.TLS, refused.code)
        assertTrue(refused.reason, "s3cr3t" !in refused.reason)
    }
}
