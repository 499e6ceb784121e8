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

/** Android, as seen by one app. Making one touches nothing; a constructor of a manager may be on the main thread. */
internal class AndroidPlatform(context: Context) : Platform {
    // An application that is just being made has none yet, and is its own.
    private val context: Context = context.applicationContext ?: context
    private val folders = StorageFolders(this.context)

    override val callbackExecutor: Executor get() = MainLooper

    override fun dataDir(): String = folders.data().path

    override fun roots(): List<StorageRoot> = folders.roots()

    override fun network(): NetworkState =
        NetworkView.now(context.getSystemService(Context.CONNECTIVITY_SERVICE) as ConnectivityManager).state

    override fun storage(): LocalDrmStorage = SharedPreferencesDrmStorage(context)

    /** Widevine, where the device has it; for another scheme's CDM the app adds a [MediaDrmEngine] of its own. */
    override fun engines(): List<DrmEngine> =
        if (MediaDrm.isCryptoSchemeSupported(SystemId.of(DrmScheme.WIDEVINE))) listOf(MediaDrmEngine()) else emptyList()

    override fun serverTrust(): FfiServerTrust = PlatformTrust()

    override fun watch(report: (DeviceConditions) -> Unit, volumesChanged: () -> Unit): AutoCloseable =
        DeviceWatch(context, report, volumesChanged).apply { start() }
}

/** The app's main looper, where listeners expect to be called. */
internal object MainLooper : Executor {
    private val handler by lazy { Handler(Looper.getMainLooper()) }

    override fun execute(command: Runnable) {
        handler.post(command)
    }
}
