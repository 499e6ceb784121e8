package dev.larder.internal.android

import android.content.BroadcastReceiver
import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.net.ConnectivityManager
import android.net.Network
import android.net.NetworkCapabilities
import android.os.BatteryManager
import android.os.Build
import android.os.Handler
import android.os.HandlerThread
import dev.larder.NetworkState

/** The app's default network in the core's words. */
internal data class NetworkView(val state: NetworkState, val isMetered: Boolean = false, val isRoaming: Boolean = false) {
    companion object {
        /** By asking: for the start, before anything was told. */
        fun now(connectivity: ConnectivityManager): NetworkView = try {
            when (val network = connectivity.activeNetwork) {
                null -> NetworkView(NetworkState.OFFLINE)
                else -> of(connectivity.getNetworkCapabilities(network), connectivity)
            }
        } catch (_: SecurityException) {
            // The app has taken ACCESS_NETWORK_STATE out of its manifest.
            NetworkView(NetworkState.UNKNOWN)
        }

        /** A network that is not validated may still lead to the license server, or to a portal, which Larder tells. */
        fun of(capabilities: NetworkCapabilities?, connectivity: ConnectivityManager): NetworkView {
            // A default network that claims to lead nowhere is tried: it is the only one that the app has.
            if (capabilities?.hasCapability(NetworkCapabilities.NET_CAPABILITY_INTERNET) != true) {
                return NetworkView(NetworkState.UNKNOWN)
            }
            return NetworkView(NetworkState.ONLINE, isMetered(capabilities), isRoaming(capabilities, connectivity))
        }

        private fun isMetered(capabilities: NetworkCapabilities): Boolean {
            val isFreeForNow = Build.VERSION.SDK_INT >= Build.VERSION_CODES.R &&
                capabilities.hasCapability(NetworkCapabilities.NET_CAPABILITY_TEMPORARILY_NOT_METERED)
            return !isFreeForNow && !capabilities.hasCapability(NetworkCapabilities.NET_CAPABILITY_NOT_METERED)
        }

        @Suppress("DEPRECATION") // what there is before API 28
        private fun isRoaming(capabilities: NetworkCapabilities, connectivity: ConnectivityManager): Boolean =
            if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.P) {
                !capabilities.hasCapability(NetworkCapabilities.NET_CAPABILITY_NOT_ROAMING)
            } else {
                connectivity.activeNetworkInfo?.isRoaming == true
            }
    }
}
