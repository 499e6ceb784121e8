package dev.larder

/**
 * Gives the token for requests to license servers, at the time of use. Tokens are never stored.
 *
 * Called on background threads, never under a lock of Larder's, and bounded by `LarderConfig.delegateTimeoutSeconds`. What it
 * throws stops the request: a [LarderException] as it is, anything else as [LarderException.Code.DELEGATE_FAILED].
 */
public fun interface TokenProvider {
    /**
     * The value of the `Authorization` header, `null` for none.
     *
     * @param rejected true when the server has just refused the token given before: get a fresh one. Asked so once.
     */
    public fun authorization(assetId: String, rejected: Boolean): String?
}

/** The app's tokens as the core sees them. */
internal class TokenProviderAdapter(private val provider: TokenProvider) : FfiTokenProvider {
    override fun authorization(assetId: String, rejected: Boolean): String? =
        guarding("the token provider", LarderException.Code.DELEGATE_FAILED) {
            provider.authorization(assetId, rejected)
        }
}
