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
 * One AES key of the Android Keystore, made when it is first needed, and made anew when it is lost for good, but never
 * because the Keystore merely does not answer.
 *
 * What is sealed is: the version of this form (1), the length of the nonce, the nonce, the ciphertext with its tag.
 */
internal class KeystoreKey(private val alias: String) {
    sealed interface Found {
        class Usable(val key: SecretKey) : Found

        /** There is none of this name. */
        data object None : Found

        /** There is one that will never work again. */
        data object Void : Found

        /** The Keystore does not say. */
        class Unavailable(val cause: Exception) : Found
    }

    fun seal(value: ByteArray, associated: ByteArray): ByteArray = asking {
        val cipher = encrypting()
        cipher.updateAAD(associated)
        val ciphertext = cipher.doFinal(value)
        byteArrayOf(VERSION, cipher.iv.size.toByte()) + cipher.iv + ciphertext
    }

    /** What was sealed; `null` if nothing will ever open it: its key is lost, or it is damaged. */
    fun open(sealed: ByteArray, associated: ByteArray): ByteArray? = asking {
        val nonceEnd = HEADER_BYTES + (sealed.getOrNull(1)?.toInt() ?: return null)
        if (sealed[0] != VERSION || sealed.size < nonceEnd + TAG_BYTES || nonceEnd <= HEADER_BYTES) return null
        val key = when (val found = find()) {
            is Found.Usable -> found.key
            is Found.None, is Found.Void -> return null
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

    /** Looks for the key, and whether the Keystore works with it. */
    fun check(): Found = when (val found = find()) {
        is Found.Usable -> looking {
            // To the end: an operation that is only begun stays one of the few that a Keystore has at a time.
            Cipher.getInstance(TRANSFORMATION).apply { init(Cipher.ENCRYPT_MODE, found.key) }.doFinal(ByteArray(1))
            found
        }

        else -> found
    }

    /** Looks for the key. Whether it still works shows when it is used. */
    private fun find(): Found = looking {
        val keystore = keystore()
        val key = keystore.getKey(alias, null) as? SecretKey
        when {
            key != null -> Found.Usable(key)
            keystore.containsAlias(alias) -> Found.Void
            else -> Found.None
        }
    }

    private inline fun looking(look: () -> Found): Found = try {
        look()
    } catch (_: KeyPermanentlyInvalidatedException) {
        Found.Void
    } catch (e: GeneralSecurityException) {
        Found.Unavailable(e)
    } catch (e: IOException) {
        Found.Unavailable(e)
    } catch (e: ProviderException) {
        Found.Unavailable(e)
    }

    fun forget(): Unit = asking { keystore().deleteEntry(alias) }

    /** Ready to encrypt. One at a time: two that make the key at once would lose what the first has sealed. */
    @Synchronized
    private fun encrypting(): Cipher {
        val key = when (val found = find()) {
            is Found.Usable -> found.key
            is Found.None, is Found.Void -> make()
            is Found.Unavailable -> throw found.cause
        }
        return try {
            encrypting(key)
        } catch (_: KeyPermanentlyInvalidatedException) {
            encrypting(make())
        }
    }

    /** The Keystore draws the nonce itself, and refuses one that is given. */
    private fun encrypting(key: SecretKey) = Cipher.getInstance(TRANSFORMATION).apply { init(Cipher.ENCRYPT_MODE, key) }

    /** Without asking for the user: licenses are needed while the screen is locked, too. */
    private fun make(): SecretKey {
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

    /** Every other failure of the Keystore is one of the moment; of what it says only the class is told. */
    private inline fun <T> asking(work: () -> T): T = try {
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
        "the Android Keystore does not answer at the moment (${cause.javaClass.name})",
        Remedy.RETRY,
        isRetryable = true,
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
