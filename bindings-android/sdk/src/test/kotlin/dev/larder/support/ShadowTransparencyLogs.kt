package dev.larder.support

import com.android.org.conscrypt.ct.CTLogInfo
import org.robolectric.annotation.Implementation
import org.robolectric.annotation.Implements

/**
 * The framework's trust manager has a list of certificate transparency logs, whose keys it parses with native code that Robolectric
 * lacks. It uses the list only if an app's config requires transparency.
 */
@Implements(className = "com.android.org.conscrypt.ct.CTLogStoreImpl", isInAndroidSdk = false)
class ShadowTransparencyLogs {
    companion object {
        @JvmStatic
        @Implementation
        protected fun getDefaultFallbackLogs(): Array<CTLogInfo> = emptyArray()
    }
}
