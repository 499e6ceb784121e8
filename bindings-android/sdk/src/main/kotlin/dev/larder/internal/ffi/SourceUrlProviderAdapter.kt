package dev.larder.internal.ffi

import dev.larder.LarderException
import dev.larder.SourceURLProvider

/** Passes the core's calls to the app's source URL provider, and converts its exceptions. */
internal class SourceUrlProviderAdapter(private val provider: SourceURLProvider) : FfiSourceUrlProvider {
    override fun url(entryId: String, currentUrl: String?): String? =
        guarding("the source URL provider", LarderException.Code.DELEGATE_FAILED) {
            provider.getURL(entryId, currentUrl)
        }
}
