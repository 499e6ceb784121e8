package dev.larder.internal.ffi

import dev.larder.ExchangeAnswer
import dev.larder.LarderException
import dev.larder.LicenseRequest
import dev.larder.LicenseResponse
import dev.larder.RequestAdapter

/** Passes the core's requests to the app's adapter, and converts its exceptions. */
internal class RequestAdapterAdapter(private val adapter: RequestAdapter) : FfiRequestAdapter {
    override fun adapt(request: LicenseRequest): LicenseRequest = guarded { adapter.adapt(request) }

    override fun parse(response: LicenseResponse): ExchangeAnswer? = guarded { adapter.parse(response) }

    private inline fun <T> guarded(call: () -> T): T =
        guarding("the request adapter", LarderException.Code.DELEGATE_FAILED, call)
}
