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
 * Reports the state of the device at the start and after every change: network, battery, storage, volumes. Uses the functions
 * of API 24 only. A part that the app has no permission for counts as unknown.
 *
 * @param report called with each new state, in order, on the thread of this watch.
 * @param volumesChanged called on the same thread when a volume was mounted or removed.
 */
internal class DeviceWatch(
    private val context: Context,
    private val report: (DeviceConditions) -> Unit,
    private val volumesChanged: () -> Unit,
) : AutoCloseable {
    private val thread = HandlerThread("larder-device").apply { start() }
    private val handler = Handler(thread.looper)
    private val connectivity = context.getSystemService(Context.CONNECTIVITY_SERVICE) as ConnectivityManager

    // The last observed state. Used on the watch's own thread only.
    private var network = NetworkView(NetworkState.UNKNOWN)
    private var battery = BatteryView(isCharging = false, percent = null)
    private var isStorageLow = false
    private var reported: DeviceConditions? = null

    /** Starts to observe. Call it once. */
    fun start() {
        handler.post(::begin)
    }

    override fun close() {
        handler.post {
            ignoringUnknown { if (networkCallback.isRegistered) connectivity.unregisterNetworkCallback(networkCallback) }
            ignoringUnknown { context.unregisterReceiver(states) }
            ignoringUnknown { context.unregisterReceiver(volumes) }
            thread.quit()
        }
    }

    /** Ignores the framework's exception for a callback or receiver that is not registered, which must not end the app. */
    private inline fun ignoringUnknown(unregister: () -> Unit) {
        try {
            unregister()
        } catch (_: IllegalArgumentException) {
            // Unregistered already.
        }
    }

    private fun begin() {
        network = NetworkView.now(connectivity)
        context.registerReceiver(null, IntentFilter(Intent.ACTION_BATTERY_CHANGED))?.let { battery = BatteryView.of(it) }
        // A sticky broadcast that exists while storage is low.
        isStorageLow = context.registerReceiver(null, IntentFilter(STORAGE_LOW)) != null
        reportIfChanged()
        context.registerReceiver(states, filter(*STATES), null, handler)
        context.registerReceiver(volumes, filter(*VOLUMES).apply { addDataScheme("file") }, null, handler)
        networkCallback.register()
    }

    private fun reportIfChanged() {
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

    /** Called on a thread of the framework. Uses the values in its parameters: a query at the same time may return older ones. */
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
                // No permission, or too many callbacks of this app.
                false
            }
        }

        override fun onAvailable(network: Network) {
            // From API 26 on the capabilities follow at once. Below, they may never follow.
            if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.O) return
            connectivity.getNetworkCapabilities(network)?.let { onCapabilitiesChanged(network, it) }
        }

        override fun onCapabilitiesChanged(network: Network, capabilities: NetworkCapabilities) = update {
            current = network
            this.capabilities = capabilities
        }

        override fun onBlockedStatusChanged(network: Network, blocked: Boolean) = update { isBlocked = blocked }

        override fun onLost(network: Network) = update {
            if (network == current) {
                current = null
                capabilities = null
                isBlocked = false
            }
        }

        private fun update(change: () -> Unit) {
            handler.post {
                change()
                network = when {
                    current == null || isBlocked -> NetworkView(NetworkState.OFFLINE)
                    else -> NetworkView.of(capabilities, connectivity)
                }
                reportIfChanged()
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
            reportIfChanged()
        }
    }

    private val volumes = object : BroadcastReceiver() {
        override fun onReceive(context: Context, intent: Intent): Unit = volumesChanged()
    }

    private companion object {
        // Deprecated for receivers in a manifest. A receiver that a running app registers still gets them.
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
