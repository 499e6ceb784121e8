package dev.larder

/**
 * Provides the token for a request to a license server, at the time of use. Larder never stores tokens.
 *
 * Called on background threads, never under a lock of Larder, for at most `LarderConfig.delegateTimeoutSeconds`. An exception
 * stops the request: a [LarderException] reaches the caller unchanged, anything else becomes
 * [LarderException.Code.DELEGATE_FAILED].
 */
public fun interface TokenProvider {
    /**
     * Returns the value of the `Authorization` header, `null` for no header.
     *
     * @param rejected true if the server has just refused the previous token: return a fresh one. Passed as true once per
     *   request.
     */
    public fun authorization(assetId: String, rejected: Boolean): String?
}
