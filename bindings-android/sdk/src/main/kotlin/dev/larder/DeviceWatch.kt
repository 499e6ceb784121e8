package dev.larder

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

/**
 * Tells what the device is like, once at the start and then whenever that changes: network, battery, storage, volumes.
 * With what API 24 has; each thing that cannot be found out (no permission) counts as unknown.
 *
 * @param report gets each new state, in order, from one thread of this watch.
 * @param volumesChanged is called on the same thread when a volume has come or gone.
 */
internal class DeviceWatch(
    private val context: Context,
    private val report: (DeviceConditions) -> Unit,
    private val volumesChanged: () -> Unit,
) : AutoCloseable {
    private val thread = HandlerThread("larder-device").apply { start() }
    private val handler = Handler(thread.looper)
    private val connectivity = context.getSystemService(Context.CONNECTIVITY_SERVICE) as ConnectivityManager

    // What was seen last. Touched on the watch's own thread alone.
    private var network = NetworkView(NetworkState.UNKNOWN)
    private var battery = BatteryView(isCharging = false, percent = null)
    private var isStorageLow = false
    private var reported: DeviceConditions? = null

    /** Begins, once. */
    fun start() {
        handler.post(::begin)
    }

    override fun close() {
        handler.post {
            unlessForgotten { if (networkCallback.isRegistered) connectivity.unregisterNetworkCallback(networkCallback) }
            unlessForgotten { context.unregisterReceiver(states) }
            unlessForgotten { context.unregisterReceiver(volumes) }
            thread.quit()
        }
    }

    /** The framework objects to taking back what it does not know; that is no reason to end the app. */
    private inline fun unlessForgotten(takeBack: () -> Unit) {
        try {
            takeBack()
        } catch (_: IllegalArgumentException) {
            // It is taken back already.
        }
    }

    private fun begin() {
        network = NetworkView.now(connectivity)
        context.registerReceiver(null, IntentFilter(Intent.ACTION_BATTERY_CHANGED))?.let { battery = BatteryView.of(it) }
        // Sticky as long as it holds.
        isStorageLow = context.registerReceiver(null, IntentFilter(STORAGE_LOW)) != null
        tell()
        context.registerReceiver(states, filter(*STATES), null, handler)
        context.registerReceiver(volumes, filter(*VOLUMES).apply { addDataScheme("file") }, null, handler)
        networkCallback.register()
    }

    private fun tell() {
        val now = DeviceConditions(
            network.state,
            network.isMetered,
            network.isRoaming,
            battery.isCharging,
            battery.percent,
            isStorageLow,
        )
        if (now == reported) return
        reported = now
        report(now)
    }

    /** Comes on a thread of the framework's. What it is given is right; what one asks meanwhile may be older. */
    private val networkCallback = object : ConnectivityManager.NetworkCallback() {
        var isRegistered = false
        private var current: Network? = null
        private var capabilities: NetworkCapabilities? = null
        private var isBlocked = false

        fun register() {
            isRegistered = try {
                connectivity.registerDefaultNetworkCallback(this)
                true
            } catch (_: RuntimeException) {
                // No permission, or too many callbacks in this app.
                false
            }
        }

        override fun onAvailable(network: Network) {
            // From API 26 on its capabilities follow at once, below that perhaps never.
            if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.O) return
            connectivity.getNetworkCapabilities(network)?.let { onCapabilitiesChanged(network, it) }
        }

        override fun onCapabilitiesChanged(network: Network, capabilities: NetworkCapabilities) = seen {
            current = network
            this.capabilities = capabilities
        }

        override fun onBlockedStatusChanged(network: Network, blocked: Boolean) = seen { isBlocked = blocked }

        override fun onLost(network: Network) = seen {
            if (network == current) {
                current = null
                capabilities = null
                isBlocked = false
            }
        }

        private fun seen(change: () -> Unit) {
            handler.post {
                change()
                network = when {
                    current == null || isBlocked -> NetworkView(NetworkState.OFFLINE)
                    else -> NetworkView.of(capabilities, connectivity)
                }
                tell()
            }
        }
    }

    private val states = object : BroadcastReceiver() {
        override fun onReceive(context: Context, intent: Intent) {
            when (intent.action) {
                Intent.ACTION_BATTERY_CHANGED -> battery = BatteryView.of(intent)
                STORAGE_LOW -> isStorageLow = true
                STORAGE_OK -> isStorageLow = false
            }
            tell()
        }
    }

    private val volumes = object : BroadcastReceiver() {
        override fun onReceive(context: Context, intent: Intent): Unit = volumesChanged()
    }

    private companion object {
        // Deprecated for receivers in a manifest; one that is registered by a running app still gets them.
        @Suppress("DEPRECATION")
        const val STORAGE_LOW = Intent.ACTION_DEVICE_STORAGE_LOW

        @Suppress("DEPRECATION")
        const val STORAGE_OK = Intent.ACTION_DEVICE_STORAGE_OK
        val STATES = arrayOf(Intent.ACTION_BATTERY_CHANGED, STORAGE_LOW, STORAGE_OK)
        val VOLUMES = arrayOf(
            Intent.ACTION_MEDIA_MOUNTED,
            Intent.ACTION_MEDIA_UNMOUNTED,
            Intent.ACTION_MEDIA_EJECT,
            Intent.ACTION_MEDIA_REMOVED,
            Intent.ACTION_MEDIA_BAD_REMOVAL,
            Intent.ACTION_MEDIA_SHARED,
        )

        fun filter(vararg actions: String) = IntentFilter().apply { actions.forEach(::addAction) }
    }
}

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

/** The battery in the core's words. */
internal data class BatteryView(val isCharging: Boolean, val percent: Int?) {
    companion object {
        fun of(changed: Intent): BatteryView {
            val level = changed.getIntExtra(BatteryManager.EXTRA_LEVEL, -1)
            val scale = changed.getIntExtra(BatteryManager.EXTRA_SCALE, -1)
            return BatteryView(
                // Plugged in, also when it is full and no longer charges.
                isCharging = changed.getIntExtra(BatteryManager.EXTRA_PLUGGED, 0) != 0,
                percent = if (level >= 0 && scale > 0) 100 * level / scale else null,
            )
        }
    }
}
