package dev.larder.support

import android.security.keystore.KeyGenParameterSpec
import java.io.InputStream
import java.io.OutputStream
import java.security.Key
import java.security.KeyStoreSpi
import java.security.Provider
import java.security.ProviderException
import java.security.SecureRandom
import java.security.Security
import java.security.cert.Certificate
import java.security.spec.AlgorithmParameterSpec
import java.util.Collections
import java.util.Date
import javax.crypto.KeyGeneratorSpi
import javax.crypto.SecretKey
import javax.crypto.spec.SecretKeySpec

/**
 * The provider "AndroidKeyStore", which Robolectric lacks: AES keys in memory with the framework's own `KeyGenParameterSpec`. Our
 * model; no evidence about a device's Keystore. [lose] and [isBroken] simulate its failures.
 */
object FakeAndroidKeyStore {
    val keys: MutableMap<String, Key> = Collections.synchronizedMap(HashMap())

    /** While true every call fails, as after the death of the Keystore daemon. */
    @Volatile
    var isBroken = false

    fun install() {
        keys.clear()
        isBroken = false
        Security.addProvider(FakeProvider())
    }

    fun uninstall() = Security.removeProvider(NAME)

    fun lose() = keys.clear()

    private const val NAME = "AndroidKeyStore"

    @Suppress("DEPRECATION") // the only constructor of API 24
    private class FakeProvider : Provider(NAME, 1.0, "keys in memory, for tests") {
        init {
            putService(
                object : Service(this, "KeyStore", NAME, Store::class.java.name, null, null) {
                    override fun newInstance(parameter: Any?): Any = Store()
                },
            )
            putService(
                object : Service(this, "KeyGenerator", "AES", Aes::class.java.name, null, null) {
                    override fun newInstance(parameter: Any?): Any = Aes()
                },
            )
        }
    }

    private fun ask() {
        if (isBroken) throw ProviderException("the keystore daemon has died")
    }

    private class Aes : KeyGeneratorSpi() {
        private lateinit var spec: KeyGenParameterSpec

        override fun engineInit(params: AlgorithmParameterSpec?, random: SecureRandom?) {
            spec = params as KeyGenParameterSpec
        }

        override fun engineInit(random: SecureRandom?) = error("a KeyGenParameterSpec is required")

        override fun engineInit(keysize: Int, random: SecureRandom?) = error("a KeyGenParameterSpec is required")

        override fun engineGenerateKey(): SecretKey {
            ask()
            check(!spec.isUserAuthenticationRequired && spec.blockModes.toList() == listOf("GCM") && spec.keySize == 256)
            return SecretKeySpec(ByteArray(32).also(SecureRandom()::nextBytes), "AES").also { keys[spec.keystoreAlias] = it }
        }
    }

    private class Store : KeyStoreSpi() {
        override fun engineGetKey(alias: String, password: CharArray?): Key? {
            ask()
            return keys[alias]
        }

        override fun engineDeleteEntry(alias: String) {
            ask()
            keys.remove(alias)
        }

        override fun engineContainsAlias(alias: String) = alias in keys

        override fun engineIsKeyEntry(alias: String) = alias in keys

        override fun engineAliases() = Collections.enumeration(keys.keys.toList())

        override fun engineSize() = keys.size

        override fun engineLoad(stream: InputStream?, password: CharArray?) = Unit

        override fun engineStore(stream: OutputStream?, password: CharArray?) = Unit

        override fun engineGetCertificateChain(alias: String?): Array<Certificate>? = null

        override fun engineGetCertificate(alias: String?): Certificate? = null

        override fun engineGetCreationDate(alias: String?): Date? = null

        override fun engineIsCertificateEntry(alias: String) = false

        override fun engineGetCertificateAlias(cert: Certificate?): String? = null

        override fun engineSetKeyEntry(alias: String, key: Key, password: CharArray?, chain: Array<out Certificate>?) =
            throw UnsupportedOperationException()

        override fun engineSetKeyEntry(alias: String?, key: ByteArray?, chain: Array<out Certificate>?) =
            throw UnsupportedOperationException()

        override fun engineSetCertificateEntry(alias: String?, cert: Certificate?) = throw UnsupportedOperationException()
    }
}
