package dev.larder

/**
 * The app's hand on every request to its license servers, for offline registrations too: URL, headers, body, and the
 * answer.
 *
 * Called on background threads, never under a lock of Larder's, and bounded by `LarderConfig.delegateTimeoutSeconds`. What it
 * throws stops the request: a [LarderException] as it is, anything else as [LarderException.Code.DELEGATE_FAILED].
 */
public fun interface RequestAdapter {
    /** Changes a request before it is sent. What it is about and for which asset cannot be changed. */
    public fun adapt(request: LicenseRequest): LicenseRequest

    /** Unpacks an answer that is not in the usual wire format; `null`, the default, leaves that to Larder. */
    public fun parse(response: LicenseResponse): ExchangeAnswer? = null
}

/** The app's adapter as the core sees it. */
internal class RequestAdapterAdapter(private val adapter: RequestAdapter) : FfiRequestAdapter {
    override fun adapt(request: LicenseRequest): LicenseRequest = guarded { adapter.adapt(request) }

    override fun parse(response: LicenseResponse): ExchangeAnswer? = guarded { adapter.parse(response) }

    private inline fun <T> guarded(call: () -> T): T =
        guarding("the request adapter", LarderException.Code.DELEGATE_FAILED, call)
}
