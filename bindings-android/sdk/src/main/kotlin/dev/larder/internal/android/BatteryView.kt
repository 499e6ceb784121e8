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

/** The battery, with the values that the core uses. */
internal data class BatteryView(val isCharging: Boolean, val percent: Int?) {
    companion object {
        fun of(changed: Intent): BatteryView {
            val level = changed.getIntExtra(BatteryManager.EXTRA_LEVEL, -1)
            val scale = changed.getIntExtra(BatteryManager.EXTRA_SCALE, -1)
            return BatteryView(
                // True while plugged in, also when the battery is full and no longer charges.
                isCharging = changed.getIntExtra(BatteryManager.EXTRA_PLUGGED, 0) != 0,
                percent = if (level >= 0 && scale > 0) 100 * level / scale else null,
            )
        }
    }
}
