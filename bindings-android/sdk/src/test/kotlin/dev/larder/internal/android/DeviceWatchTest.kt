package dev.larder.internal.android

import android.content.Intent
import android.net.ConnectivityManager
import android.net.Network
import android.net.NetworkCapabilities
import android.os.BatteryManager
import android.os.Build
import dev.larder.DeviceConditions
import dev.larder.NetworkState
import dev.larder.support.AndroidTestDevice
import dev.larder.support.ForbiddenConnectivity
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.shadows.ShadowNetwork
import org.robolectric.shadows.ShadowNetworkCapabilities
import org.robolectric.util.ReflectionHelpers
import org.robolectric.util.ReflectionHelpers.ClassParameter
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit

/** Tests the reports of the device's state, event by event. */
@RunWith(RobolectricTestRunner::class)
@Suppress("DEPRECATION") // broadcasts that a running app still gets
class DeviceWatchTest {
    private val connectivity = checkNotNull(AndroidTestDevice.app.getSystemService(ConnectivityManager::class.java))
    private val reports = LinkedBlockingQueue<DeviceConditions>()
    private var watch: DeviceWatch? = null

    /** The callbacks of earlier watches that are not unregistered yet. */
    private var before = emptySet<ConnectivityManager.NetworkCallback>()

    @After
    fun end() {
        watch?.close()
    }

    /** Starts a watch and returns its first report. */
    private fun begin(): DeviceConditions {
        before = shadowOf(connectivity).networkCallbacks.toSet()
        watch = DeviceWatch(AndroidTestDevice.app, reports::add, volumesChanged = {}).apply { start() }
        return next()
    }

    private fun next(): DeviceConditions = checkNotNull(reports.poll(30, TimeUnit.SECONDS)) { "no report arrived" }

    private fun capabilities(vararg has: Int): NetworkCapabilities = ShadowNetworkCapabilities.newInstance().also {
        // Android 7 and 8 do not have this capability and query the connection.
        for (capability in has) {
            if (capability != atHome ||
                Build.VERSION.SDK_INT >= 28
            ) {
                shadowOf(it).addCapability(capability)
            }
        }
    }

    private val internet = NetworkCapabilities.NET_CAPABILITY_INTERNET
    private val unmetered = NetworkCapabilities.NET_CAPABILITY_NOT_METERED
    private val atHome = NetworkCapabilities.NET_CAPABILITY_NOT_ROAMING

    private fun callback(): ConnectivityManager.NetworkCallback {
        AndroidTestDevice.eventually("the watch is registered") {
            (shadowOf(connectivity).networkCallbacks - before).isNotEmpty()
        }
        return (shadowOf(connectivity).networkCallbacks - before).single()
    }

    private fun receivers() = shadowOf(AndroidTestDevice.app).registeredReceivers.count {
        it.broadcastReceiver.javaClass.name.startsWith("dev.larder")
    }

    private fun send(intent: Intent) = AndroidTestDevice.app.sendBroadcast(intent)

    @Test
    fun `the first report has the queried state`() {
        shadowOf(connectivity).setNetworkCapabilities(connectivity.activeNetwork, capabilities(internet, atHome))
        val battery = Intent(Intent.ACTION_BATTERY_CHANGED)
            .putExtra(BatteryManager.EXTRA_LEVEL, 30).putExtra(BatteryManager.EXTRA_SCALE, 60)
            .putExtra(BatteryManager.EXTRA_PLUGGED, BatteryManager.BATTERY_PLUGGED_USB)
        AndroidTestDevice.app.sendStickyBroadcast(battery)
        AndroidTestDevice.app.sendStickyBroadcast(Intent(Intent.ACTION_DEVICE_STORAGE_LOW))
        val first = begin()
        assertEquals(DeviceConditions(NetworkState.ONLINE, true, false, true, 50, true), first)
    }

    @Test
    fun `a device without a network is offline from the start`() {
        shadowOf(connectivity).setDefaultNetworkActive(false)
        shadowOf(connectivity).setActiveNetworkInfo(null)
        assertEquals(NetworkState.OFFLINE, begin().network)
        assertEquals(NetworkState.OFFLINE, NetworkView.now(connectivity).state)
    }

    @Test
    @Config(maxSdk = 25)
    fun `a new network is queried for its capabilities on Android 7`() {
        begin()
        val wifi = ShadowNetwork.newInstance(72)
        shadowOf(connectivity).setNetworkCapabilities(wifi, capabilities(internet, unmetered))
        callback().onAvailable(wifi)
        assertEquals(false, next().isMetered)
        callback().onLost(wifi)
        assertEquals(NetworkState.OFFLINE, next().network)
    }

    @Test
    @Config(minSdk = 26, maxSdk = 28)
    fun `a new network reports its capabilities from Android 8 on`() {
        begin()
        val wifi = ShadowNetwork.newInstance(72)
        callback().onAvailable(wifi)
        callback().onCapabilitiesChanged(wifi, capabilities(internet, unmetered, atHome))
        assertEquals(false, next().isMetered)
        callback().onLost(wifi)
        assertEquals(NetworkState.OFFLINE, next().network)
    }

    @Test
    @Config(maxSdk = 27)
    fun `roaming is queried from the connection before Android 9`() {
        val roaming = checkNotNull(connectivity.activeNetworkInfo)
        assertEquals(false, NetworkView.of(capabilities(internet), connectivity).isRoaming)
        ReflectionHelpers.callInstanceMethod<Unit>(
            roaming,
            "setRoaming",
            ClassParameter.from(Boolean::class.javaPrimitiveType, true),
        )
        assertEquals(true, NetworkView.of(capabilities(internet), connectivity).isRoaming)
    }

    @Test
    fun `an app without the network permission gets an unknown network and all other reports`() {
        ForbiddenConnectivity.isForbidden = true
        try {
            assertEquals(NetworkState.UNKNOWN, begin().network)
            AndroidTestDevice.eventually("the watch is registered") { receivers() == 2 }
            send(
                Intent(
                    Intent.ACTION_BATTERY_CHANGED,
                ).putExtra(BatteryManager.EXTRA_LEVEL, 7).putExtra(BatteryManager.EXTRA_SCALE, 100),
            )
            assertEquals(7, next().batteryPercent)
            watch?.close()
            AndroidTestDevice.eventually("the receivers are unregistered") { receivers() == 0 }
            watch = null
        } finally {
            ForbiddenConnectivity.isForbidden = false
        }
    }

    @Test
    @Config(minSdk = 29)
    fun `new, changed, blocked and lost networks are reported once each`() {
        begin()
        val (mobile, wifi) = ShadowNetwork.newInstance(71) to ShadowNetwork.newInstance(72)
        val callback = callback()
        fun told(change: (ConnectivityManager.NetworkCallback) -> Unit): NetworkView {
            change(callback)
            return next().let { NetworkView(it.network, it.isMetered, it.isRoaming) }
        }
        fun ConnectivityManager.NetworkCallback.has(network: Network, vararg has: Int) {
            onAvailable(network)
            onCapabilitiesChanged(network, capabilities(*has))
        }
        val online = NetworkState.ONLINE
        assertEquals(NetworkView(online, isMetered = true, isRoaming = true), told { it.has(mobile, internet) })
        assertEquals(NetworkView(online, isMetered = true), told { it.has(mobile, internet, atHome) })
        assertEquals(NetworkView(online), told { it.has(wifi, internet, atHome, unmetered) })
        // The loss of the previous network, which arrives later, does not change the current one.
        callback.onLost(mobile)
        assertEquals(NetworkView(NetworkState.OFFLINE), told { it.onBlockedStatusChanged(wifi, true) })
        assertEquals(NetworkView(online), told { it.onBlockedStatusChanged(wifi, false) })
        assertEquals(NetworkView(NetworkState.OFFLINE), told { it.onLost(wifi) })
        assertEquals(NetworkView(online), told { it.has(wifi, internet, atHome, unmetered) })
        assertTrue("one report for each change", reports.isEmpty())
    }

    @Test
    fun `changes of charging, battery and storage are reported`() {
        begin()
        callback()
        fun battery(level: Int, plugged: Int) = Intent(Intent.ACTION_BATTERY_CHANGED)
            .putExtra(BatteryManager.EXTRA_LEVEL, level).putExtra(BatteryManager.EXTRA_SCALE, 100)
            .putExtra(BatteryManager.EXTRA_PLUGGED, plugged)
        send(battery(40, 0))
        next().let { assertEquals(40 to false, it.batteryPercent to it.isCharging) }
        send(battery(40, BatteryManager.BATTERY_PLUGGED_AC))
        next().let { assertEquals(40 to true, it.batteryPercent to it.isCharging) }
        // An unchanged state, which the framework sends with every change of the temperature.
        send(battery(40, BatteryManager.BATTERY_PLUGGED_AC))
        send(Intent(Intent.ACTION_DEVICE_STORAGE_LOW))
        assertTrue(next().isStorageLow)
        send(Intent(Intent.ACTION_DEVICE_STORAGE_OK))
        assertEquals(false, next().isStorageLow)
        send(Intent(Intent.ACTION_BATTERY_CHANGED))
        next().let { assertEquals(null to false, it.batteryPercent to it.isCharging) }
    }

    @Test
    fun `close unregisters callback and receivers`() {
        begin()
        val callback = callback()
        watch?.close()
        AndroidTestDevice.eventually("the callback is unregistered") { callback !in shadowOf(connectivity).networkCallbacks }
        AndroidTestDevice.eventually("the receivers are unregistered") { receivers() == 0 }
        watch = null
    }

    @Test
    fun `a default network without internet is unknown and not offline`() {
        assertEquals(NetworkState.UNKNOWN, NetworkView.of(capabilities(unmetered), connectivity).state)
        assertEquals(NetworkState.UNKNOWN, NetworkView.of(null, connectivity).state)
    }
}
