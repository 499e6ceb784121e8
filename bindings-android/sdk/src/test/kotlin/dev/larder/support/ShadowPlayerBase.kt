package dev.larder.support

import android.media.IAudioService
import org.robolectric.annotation.Implementation
import org.robolectric.annotation.Implements

/**
 * A player of the framework's tells the audio service of itself. Robolectric has a proxy for that service, which it cannot
 * make of API 35's: the service's interface names Bluetooth classes that no jar has.
 */
@Implements(className = "android.media.PlayerBase", isInAndroidSdk = false)
class ShadowPlayerBase {
    companion object {
        @JvmStatic
        @Implementation
        protected fun getService(): IAudioService = IAudioService.Default()
    }
}
