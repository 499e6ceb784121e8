package dev.larder.internal.storage

import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyPermanentlyInvalidatedException
import android.security.keystore.KeyProperties
import dev.larder.LarderException
import dev.larder.Remedy
import java.io.IOException
import java.security.GeneralSecurityException
import java.security.KeyStore
import java.security.ProviderException
import javax.crypto.AEADBadTagException
import javax.crypto.Cipher
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey
import javax.crypto.spec.GCMParameterSpec

/**
 * One AES key of the Android Keystore. Generated at the first use, and generated again when it is lost for good, but not when
 * the Keystore only fails to answer.
 *
 * The format of a sealed value: the version of the format (1), the length of the nonce, the nonce, the ciphertext with its tag.
 */
internal class KeystoreKey(private val alias: String) {
    sealed interface Found {
        class Usable(val key: SecretKey) : Found

        /** No key has this name. */
        data object None : Found

        /** The key exists and will never work again. */
        data object Invalidated : Found

        /** The Keystore does not answer. */
        class Unavailable(val cause: Exception) : Found
    }

    /** Encrypts a value and authenticates it together with [associated]. */
    fun seal(value: ByteArray, associated: ByteArray): ByteArray = translatingErrors {
        val cipher = encrypting()
        cipher.updateAAD(associated)
        val ciphertext = cipher.doFinal(value)
        byteArrayOf(VERSION, cipher.iv.size.toByte()) + cipher.iv + ciphertext
    }

    /** Decrypts a sealed value. Returns `null` if no key can ever open it: the key is lost, or the value is damaged. */
    fun open(sealed: ByteArray, associated: ByteArray): ByteArray? = translatingErrors {
        val nonceEnd = HEADER_BYTES + (sealed.getOrNull(1)?.toInt() ?: return null)
        if (sealed[0] != VERSION || sealed.size < nonceEnd + TAG_BYTES || nonceEnd <= HEADER_BYTES) return null
        val key = when (val found = find()) {
            is Found.Usable -> found.key
            is Found.None, is Found.Invalidated -> return null
            is Found.Unavailable -> throw found.cause
        }
        try {
            val cipher = Cipher.getInstance(TRANSFORMATION)
            val nonce = GCMParameterSpec(8 * TAG_BYTES, sealed, HEADER_BYTES, nonceEnd - HEADER_BYTES)
            cipher.init(Cipher.DECRYPT_MODE, key, nonce)
            cipher.updateAAD(associated)
            cipher.doFinal(sealed, nonceEnd, sealed.size - nonceEnd)
        } catch (_: KeyPermanentlyInvalidatedException) {
            null
        } catch (_: AEADBadTagException) {
            null
        }
    }

    /** Finds the key and checks that the Keystore can use it. */
    fun check(): Found = when (val found = find()) {
        is Found.Usable -> finding {
            // Finish the operation: a Keystore has few operation slots, and an unfinished one keeps its slot.
            Cipher.getInstance(TRANSFORMATION).apply { init(Cipher.ENCRYPT_MODE, found.key) }.doFinal(ByteArray(1))
            found
        }

        else -> found
    }

    /** Finds the key. A key that no longer works fails at its use. */
    private fun find(): Found = finding {
        val keystore = keystore()
        val key = keystore.getKey(alias, null) as? SecretKey
        when {
            key != null -> Found.Usable(key)
            keystore.containsAlias(alias) -> Found.Invalidated
            else -> Found.None
        }
    }

    private inline fun finding(find: () -> Found): Found = try {
        find()
    } catch (_: KeyPermanentlyInvalidatedException) {
        Found.Invalidated
    } catch (e: GeneralSecurityException) {
        Found.Unavailable(e)
    } catch (e: IOException) {
        Found.Unavailable(e)
    } catch (e: ProviderException) {
        Found.Unavailable(e)
    }

    /** Deletes the key. */
    fun delete(): Unit = translatingErrors { keystore().deleteEntry(alias) }

    /** Returns a cipher to encrypt with. Synchronized: a second generated key would invalidate the values of the first. */
    @Synchronized
    private fun encrypting(): Cipher {
        val key = when (val found = find()) {
            is Found.Usable -> found.key
            is Found.None, is Found.Invalidated -> generate()
            is Found.Unavailable -> throw found.cause
        }
        return try {
            encrypting(key)
        } catch (_: KeyPermanentlyInvalidatedException) {
            encrypting(generate())
        }
    }

    /** The Keystore generates the nonce, and refuses a nonce from the caller. */
    private fun encrypting(key: SecretKey) = Cipher.getInstance(TRANSFORMATION).apply { init(Cipher.ENCRYPT_MODE, key) }

    /** Generates a key that needs no user authentication: players need licenses while the screen is locked, too. */
    private fun generate(): SecretKey {
        val purposes = KeyProperties.PURPOSE_ENCRYPT or KeyProperties.PURPOSE_DECRYPT
        val spec = KeyGenParameterSpec.Builder(alias, purposes)
            .setBlockModes(KeyProperties.BLOCK_MODE_GCM)
            .setEncryptionPaddings(KeyProperties.ENCRYPTION_PADDING_NONE)
            .setKeySize(KEY_BITS)
            .build()
        return KeyGenerator.getInstance(KeyProperties.KEY_ALGORITHM_AES, PROVIDER).run {
            init(spec)
            generateKey()
        }
    }

    private fun keystore(): KeyStore = KeyStore.getInstance(PROVIDER).apply { load(null) }

    /** Converts every other failure of the Keystore into a temporary one. Its message names only the class of the failure. */
    private inline fun <T> translatingErrors(work: () -> T): T = try {
        work()
    } catch (e: GeneralSecurityException) {
        throw unavailable(e)
    } catch (e: IOException) {
        throw unavailable(e)
    } catch (e: ProviderException) {
        throw unavailable(e)
    }

    private fun unavailable(cause: Exception) = LarderException(
        LarderException.Code.STORAGE_FAILED,
        "the Android Keystore does not answer (${cause.javaClass.name}): try again later",
    ).apply { initCause(cause) }

    private companion object {
        const val PROVIDER = "AndroidKeyStore"
        const val TRANSFORMATION = "AES/GCM/NoPadding"
        const val VERSION: Byte = 1
        const val HEADER_BYTES = 2
        const val TAG_BYTES = 16
        const val KEY_BITS = 256
    }
}
