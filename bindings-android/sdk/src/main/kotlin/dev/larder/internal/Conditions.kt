package dev.larder.internal

import dev.larder.DeviceConditions
import dev.larder.NetworkState
import dev.larder.internal.ffi.FfiManager

/**
 * Reports the state of the device to the core: the state that the platform observes, with the app's own network state in place
 * of the observed one.
 *
 * @param manager called under a lock of this object, so that the last state is the last one reported. The manager calls no code
 *   of the app meanwhile.
 */
internal class Conditions(private val manager: FfiManager) {
    private var observed: DeviceConditions? = null
    private var appNetwork = NetworkState.UNKNOWN

    /** Reports a state that the platform has observed. */
    @Synchronized
    fun observed(conditions: DeviceConditions) {
        observed = conditions
        report()
    }

    /** Sets the app's own network state, which takes precedence. `UNKNOWN` returns to the observed state. */
    @Synchronized
    fun overrideNetwork(state: NetworkState) {
        appNetwork = state
        report()
    }

    private fun report() {
        when (val seen = observed) {
            null -> manager.setNetworkState(appNetwork)
            else -> manager.setConditions(if (appNetwork == NetworkState.UNKNOWN) seen else seen.copy(network = appNetwork))
        }
    }
}
