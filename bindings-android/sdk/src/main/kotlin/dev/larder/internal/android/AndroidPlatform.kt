package dev.larder.internal.android

import android.content.Context
import android.media.MediaDrm
import android.net.ConnectivityManager
import android.os.Handler
import android.os.Looper
import dev.larder.DeviceConditions
import dev.larder.DrmScheme
import dev.larder.NetworkState
import dev.larder.StorageRoot
import dev.larder.drm.DrmEngine
import dev.larder.drm.MediaDrmEngine
import dev.larder.internal.Platform
import dev.larder.internal.drm.SystemId
import dev.larder.internal.ffi.FfiServerTrust
import dev.larder.storage.LocalDrmStorage
import dev.larder.storage.SharedPreferencesDrmStorage
import dev.larder.storage.StorageFolders
import java.util.concurrent.Executor

/** Android, for one app. The constructor reads nothing: an app may construct a manager on the main thread. */
internal class AndroidPlatform(context: Context) : Platform {
    // While an Application is being created, its application context is null: use the Application itself.
    private val context: Context = context.applicationContext ?: context
    private val folders = StorageFolders(this.context)

    override val callbackExecutor: Executor get() = MainLooper

    override fun dataDir(): String = folders.data().path

    override fun roots(): List<StorageRoot> = folders.roots()

    override fun network(): NetworkState =
        NetworkView.now(context.getSystemService(Context.CONNECTIVITY_SERVICE) as ConnectivityManager).state

    override fun storage(): LocalDrmStorage = SharedPreferencesDrmStorage(context)

    /** Returns Widevine's engine, if the device has Widevine. For another scheme the app adds a [MediaDrmEngine] itself. */
    override fun engines(): List<DrmEngine> =
        if (MediaDrm.isCryptoSchemeSupported(SystemId.of(DrmScheme.WIDEVINE))) listOf(MediaDrmEngine()) else emptyList()

    override fun serverTrust(): FfiServerTrust = PlatformTrust()

    override fun watch(report: (DeviceConditions) -> Unit, volumesChanged: () -> Unit): AutoCloseable =
        DeviceWatch(context, report, volumesChanged).apply { start() }
}

/** Runs listeners on the app's main looper. */
internal object MainLooper : Executor {
    private val handler by lazy { Handler(Looper.getMainLooper()) }

    override fun execute(command: Runnable) {
        handler.post(command)
    }
}
