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

/** The parts of a manager's setup that the operating system provides. */
internal interface Platform {
    /** Runs listeners unless the app names another executor; `null` for a thread of the manager. */
    val callbackExecutor: Executor?

    /** Returns the folder of Larder's database. Reads the disk: call it off the main thread. */
    fun dataDir(): String

    /** Returns the folders that can contain media now. Reads the disk: call it off the main thread. */
    fun roots(): List<StorageRoot>

    /** Returns the current state of the network. */
    fun network(): NetworkState

    /** Returns the default secret storage. Reads nothing yet. */
    fun storage(): LocalDrmStorage

    /** Returns the platform's engines. An engine of the app for the same scheme takes precedence. */
    fun engines(): List<DrmEngine>

    /** Returns the platform's check of server certificates; `null` where the core calls the platform directly. */
    fun serverTrust(): FfiServerTrust?

    /** Reports the state of the device, and changes of [roots], until the result is closed. */
    fun watch(report: (DeviceConditions) -> Unit, volumesChanged: () -> Unit): AutoCloseable

    /** A desktop, which provides nothing: the app configures everything. */
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
