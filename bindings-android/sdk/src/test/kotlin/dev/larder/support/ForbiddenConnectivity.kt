package dev.larder.support

import android.net.ConnectivityManager
import android.net.Network
import org.robolectric.annotation.Implementation
import org.robolectric.annotation.Implements
import org.robolectric.shadows.ShadowConnectivityManager

/** Robolectric's shadow, which checks no permission. On demand it fails as for an app without ACCESS_NETWORK_STATE. */
@Implements(ConnectivityManager::class)
class ForbiddenConnectivity : ShadowConnectivityManager() {
    @Implementation
    override fun getActiveNetwork(): Network? {
        ask()
        return super.getActiveNetwork()
    }

    @Implementation
    override fun registerDefaultNetworkCallback(networkCallback: ConnectivityManager.NetworkCallback) {
        ask()
        super.registerDefaultNetworkCallback(networkCallback)
    }

    private fun ask() {
        if (isForbidden) throw SecurityException("ConnectivityService: Neither user 10000 has ACCESS_NETWORK_STATE")
    }

    companion object {
        @Volatile
        var isForbidden = false
    }
}
