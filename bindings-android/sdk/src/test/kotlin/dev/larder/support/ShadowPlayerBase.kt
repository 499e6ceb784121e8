package dev.larder.support

import android.media.IAudioService
import org.robolectric.annotation.Implementation
import org.robolectric.annotation.Implements

/**
 * The framework's player registers with the audio service. Robolectric cannot create its proxy of that service for API 35, whose
 * interface refers to Bluetooth classes that no JAR contains.
 */
@Implements(className = "android.media.PlayerBase", isInAndroidSdk = false)
class ShadowPlayerBase {
    companion object {
        @JvmStatic
        @Implementation
        protected fun getService(): IAudioService = IAudioService.Default()
    }
}
