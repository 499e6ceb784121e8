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
 * A process that makes its first manager on its main thread, uses it there, and prints which thread has loaded which library.
 * The JVM tells a security manager of every library that is loaded, so this one permits everything and listens.
 */
object FirstManager {
    private val loaded = ConcurrentLinkedQueue<String>()

    @Suppress("DEPRECATION", "removal") // nothing else is told
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
