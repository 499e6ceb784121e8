package dev.larder.support

import dev.larder.LarderConfig
import dev.larder.LarderSetup
import dev.larder.LocalAssetsManager
import dev.larder.storage.MemoryDrmStorage
import java.io.FileDescriptor
import java.net.InetAddress
import java.security.Permission
import java.util.concurrent.ConcurrentLinkedQueue

/**
 * A process that makes and uses its first manager on the main thread, and prints the thread that loads each library. The JVM
 * calls a security manager for every loaded library; this one permits everything and prints.
 */
object FirstManager {
    private val loaded = ConcurrentLinkedQueue<String>()

    @Suppress("DEPRECATION", "removal") // the only notification
    private class Listening : SecurityManager() {
        override fun checkLink(library: String) {
            loaded += "${Thread.currentThread().name} $library"
        }

        override fun checkPermission(permission: Permission) = Unit
        override fun checkRead(descriptor: FileDescriptor) = Unit
        override fun checkWrite(descriptor: FileDescriptor) = Unit
        override fun checkMulticast(address: InetAddress) = Unit
    }

    @JvmStatic
    fun main(arguments: Array<String>) {
        @Suppress("DEPRECATION", "removal")
        System.setSecurityManager(Listening())
        Thread.currentThread().name = "the app's main thread"
        val manager = LocalAssetsManager(LarderSetup(LarderConfig(arguments.single()), MemoryDrmStorage()))
        println("constructed")
        manager.use { check(it.assets().isEmpty()) }
        loaded.forEach(::println)
        System.out.flush()
        Runtime.getRuntime().halt(0)
    }
}
