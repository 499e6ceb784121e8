package dev.larder

/**
 * Changes every request to a license server and unpacks its response: URL, headers, body. Used for offline registrations, too.
 *
 * Called on background threads, never under a lock of Larder, for at most `LarderConfig.delegateTimeoutSeconds`. An exception
 * stops the request: a [LarderException] reaches the caller unchanged, anything else becomes
 * [LarderException.Code.DELEGATE_FAILED].
 */
public fun interface RequestAdapter {
    /** Returns the request to send. Changes of its kind or its asset id are ignored. */
    public fun adapt(request: LicenseRequest): LicenseRequest

    /** Unpacks a response in a wire format of the app's backend. `null`, the default, leaves the response to Larder. */
    public fun parse(response: LicenseResponse): ExchangeAnswer? = null
}
