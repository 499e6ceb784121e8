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
import dev.larder.DeviceConditions
import dev.larder.NetworkState

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
