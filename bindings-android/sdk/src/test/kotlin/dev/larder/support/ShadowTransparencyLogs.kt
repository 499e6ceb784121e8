package dev.larder.support

import com.android.org.conscrypt.ct.CTLogInfo
import org.robolectric.annotation.Implementation
import org.robolectric.annotation.Implements

/**
 * The framework's trust manager brings a list of certificate transparency logs, whose keys it reads with native code that a
 * sandbox lacks. It looks at none of them unless an app's config asks for transparency.
 */
@Implements(className = "com.android.org.conscrypt.ct.CTLogStoreImpl", isInAndroidSdk = false)
class ShadowTransparencyLogs {
    companion object {
        @JvmStatic
        @Implementation
        protected fun getDefaultFallbackLogs(): Array<CTLogInfo> = emptyArray()
    }
}
