package dev.larder.internal

import dev.larder.DeviceConditions
import dev.larder.NetworkState
import dev.larder.StorageRoot
import dev.larder.drm.DrmEngine
import dev.larder.internal.ffi.FfiServerTrust
import dev.larder.storage.FileDrmStorage
import dev.larder.storage.LocalDrmStorage
import java.io.File
import java.util.concurrent.Executor

/** What an operating system gives to a manager beyond what the app says. */
internal interface Platform {
    /** Where listeners are called unless the app says otherwise; `null` for a thread of the manager's own. */
    val callbackExecutor: Executor?

    /** Where Larder's database lies. Touches the disk: off the main thread. */
    fun dataDir(): String

    /** The folders below which media may lie at the moment. Touches the disk: off the main thread. */
    fun roots(): List<StorageRoot>

    /** What it says of the network at the moment. */
    fun network(): NetworkState

    /** The secret storage for an app that brings none. Touches nothing yet. */
    fun storage(): LocalDrmStorage

    /** Its engines. An app's own for the same scheme comes first. */
    fun engines(): List<DrmEngine>

    /** Its judgement of servers; `null` where the core asks the platform itself. */
    fun serverTrust(): FfiServerTrust?

    /** Tells what the device is like from now on, and when [roots] has changed, until the result is closed. */
    fun watch(report: (DeviceConditions) -> Unit, volumesChanged: () -> Unit): AutoCloseable

    /** A desktop: whatever there is, the app says. */
    class Desktop(private val dataDir: String) : Platform {
        override val callbackExecutor: Executor? get() = null

        override fun dataDir(): String = dataDir

        override fun roots(): List<StorageRoot> = emptyList()

        override fun network(): NetworkState = NetworkState.UNKNOWN

        override fun storage(): LocalDrmStorage = FileDrmStorage(File(dataDir, "licenses"))

        override fun engines(): List<DrmEngine> = emptyList()

        override fun serverTrust(): FfiServerTrust? = null

        override fun watch(report: (DeviceConditions) -> Unit, volumesChanged: () -> Unit): AutoCloseable = AutoCloseable {}
    }
}
