package dev.larder.internal.ffi

import dev.larder.LarderException
import dev.larder.TokenProvider

/** Passes the core's calls to the app's token provider, and converts its exceptions. */
internal class TokenProviderAdapter(private val provider: TokenProvider) : FfiTokenProvider {
    override fun authorization(assetId: String, rejected: Boolean): String? =
        guarding("the token provider", LarderException.Code.DELEGATE_FAILED) {
            provider.authorization(assetId, rejected)
        }
}
