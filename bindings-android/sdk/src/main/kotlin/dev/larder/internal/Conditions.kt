package dev.larder.internal

import dev.larder.DeviceConditions
import dev.larder.NetworkState
import dev.larder.internal.ffi.FfiManager

/**
 * What the core is told of the device: what its platform observes, with the app's own word on the network before it.
 *
 * @param manager is told under a lock of this object's own, so that the last word is the last one told. It calls nothing
 *   of the app's meanwhile.
 */
internal class Conditions(private val manager: FfiManager) {
    private var observed: DeviceConditions? = null
    private var said = NetworkState.UNKNOWN

    /** The platform has seen something new. */
    @Synchronized
    fun observed(conditions: DeviceConditions) {
        observed = conditions
        tell()
    }

    /** The app says what the network is, or with `UNKNOWN` that the platform may. */
    @Synchronized
    fun said(state: NetworkState) {
        said = state
        tell()
    }

    private fun tell() {
        when (val seen = observed) {
            null -> manager.setNetworkState(said)
            else -> manager.setConditions(if (said == NetworkState.UNKNOWN) seen else seen.copy(network = said))
        }
    }
}
