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

/** The app's default network, with the values that the core uses. */
internal data class NetworkView(val state: NetworkState, val isMetered: Boolean = false, val isRoaming: Boolean = false) {
    companion object {
        /** Queries the current network: for the start, before the first callback. */
        fun now(connectivity: ConnectivityManager): NetworkView = try {
            when (val network = connectivity.activeNetwork) {
                null -> NetworkView(NetworkState.OFFLINE)
                else -> of(connectivity.getNetworkCapabilities(network), connectivity)
            }
        } catch (_: SecurityException) {
            // The app has removed ACCESS_NETWORK_STATE from its manifest.
            NetworkView(NetworkState.UNKNOWN)
        }

        /** Counts a network without validation as online: it may reach the license server, or a portal, which Larder detects. */
        fun of(capabilities: NetworkCapabilities?, connectivity: ConnectivityManager): NetworkView {
            // Unknown, so that Larder tries a default network without internet: the app has no other one.
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

        @Suppress("DEPRECATION") // the only source before API 28
        private fun isRoaming(capabilities: NetworkCapabilities, connectivity: ConnectivityManager): Boolean =
            if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.P) {
                !capabilities.hasCapability(NetworkCapabilities.NET_CAPABILITY_NOT_ROAMING)
            } else {
                connectivity.activeNetworkInfo?.isRoaming == true
            }
    }
}
