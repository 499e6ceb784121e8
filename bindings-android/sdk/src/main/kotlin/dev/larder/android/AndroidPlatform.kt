package dev.larder.android

import android.content.Context
import android.os.Handler
import android.os.Looper
import dev.larder.DrmEngine
import dev.larder.LocalDrmStorage
import dev.larder.Platform
import dev.larder.StorageRoot
import java.util.concurrent.Executor

/** Android, as seen by one app. Making one touches nothing; a constructor of a manager may be on the main thread. */
internal class AndroidPlatform(context: Context) : Platform {
    // An application that is just being made has none yet, and is its own.
    private val context: Context = context.applicationContext ?: context
    private val folders = StorageFolders(this.context)

    override val callbackExecutor: Executor get() = MainLooper

    override fun dataDir(): String = folders.data().path

    override fun roots(): List<StorageRoot> = folders.roots()

    override fun storage(): LocalDrmStorage = SharedPreferencesDrmStorage(context)

    override fun engines(): List<DrmEngine> = emptyList()
}

/** The app's main looper, where listeners expect to be called. */
internal object MainLooper : Executor {
    private val handler by lazy { Handler(Looper.getMainLooper()) }

    override fun execute(command: Runnable) {
        handler.post(command)
    }
}
