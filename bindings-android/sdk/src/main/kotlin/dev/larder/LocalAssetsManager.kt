package dev.larder

import android.content.Context
import dev.larder.internal.Callbacks
import dev.larder.internal.Core
import dev.larder.internal.CoreCatalog
import dev.larder.internal.CorePlayback
import dev.larder.internal.ffi.playKitStatus
import dev.larder.storage.LocalDrmStorage
import java.util.concurrent.Executor
import kotlin.time.Duration

/**
 * The registry of the media on this device. Register downloaded media while online, then play it without a network, DRM
 * included.
 *
 * ```
 * val manager = LocalAssetsManager(context)
 * manager.registerAsset(source, path, "film-1")
 * // later, on a plane
 * val local = manager.getLocalMediaSource("film-1", path)
 * ```
 *
 * **Threads.** Every function may be called from any thread, and several calls may run at once. Managers over one `dataDir`
 * share one store. Functions that do not suspend answer from memory. The first such call waits until the store is open, so
 * call [open] once where the main thread must not wait.
 *
 * **Errors.** Every function throws [LarderException] and nothing else. Calls with a listener throw nothing: a bad argument
 * reaches the listener as well, where PlayKit threw `IllegalArgumentException`. The one exception is a `null` from Java for a
 * value that must not be null, which throws `NullPointerException` at once.
 *
 * **Cancellation.** A cancelled coroutine, or [Cancellable.cancel], stops a registration, a refresh or a renewal between
 * two of its steps. The call rolls back its changes: a license that the server has granted already is released, or its
 * release is queued.
 *
 * **Listeners** are for Java. A listener is called exactly once, on [LarderSetup.callbackExecutor] or on the executor that
 * the call names, unless [removeListener] removes it before.
 */
public class LocalAssetsManager private constructor(private val core: Core, private val callbacks: Callbacks) :
    AssetCatalog by CoreCatalog(core),
    LocalPlayback by CorePlayback(core),
    AutoCloseable {

    /**
     * Makes a manager with Android's defaults: see [LarderSetup.Builder]. Keeps only the application context of [context],
     * starts to open in the background and returns at once.
     */
    public constructor(context: Context) : this(LarderSetup.Builder(context).build())

    /** Makes a manager with Android's defaults and the app's own secret storage. */
    public constructor(context: Context, storage: LocalDrmStorage) :
        this(LarderSetup.Builder(context).storage(storage).build())

    /**
     * Makes a manager with this setup. Starts to open in the background and returns at once. The first call reports an
     * invalid configuration with `INVALID_ARGUMENT` or `RELATIVE_PATH`.
     */
    public constructor(setup: LarderSetup) : this(Core(setup), Callbacks(setup.callbackExecutor))

    /** The listener of [registerAsset] and [refreshAsset] for Java. */
    public interface AssetRegistrationListener {
        /** The asset is registered, and the registration is durable. */
        public fun onRegistered(assetPath: String)

        /** The asset is not registered, and the call has rolled back its changes. [error] is a [LarderException]. */
        public fun onFailed(assetPath: String, error: Exception)
    }

    /** The listener of [unregisterAsset] for Java. */
    public fun interface AssetRemovalListener {
        /** The asset is no longer registered. */
        public fun onRemoved(assetPath: String)

        /** The registry cannot be written now: a full disk, a locked device. [error] is a [LarderException]. */
        public fun onFailed(assetPath: String, error: Exception) {}
    }

    /**
     * The listener of [checkAssetStatus] for Java, with PlayKit's values. Implement one of the two forms: Larder calls the
     * longer one, whose default calls the shorter one.
     */
    public interface AssetStatusListener {
        /**
         * The status, for a registered or unknown asset.
         *
         * @param expiryTimeSeconds the seconds left to start a playback; `Long.MAX_VALUE` for no limit, 0 after the end.
         * @param availableTimeSeconds the seconds left of the playback itself, with the same limits.
         */
        public fun onStatus(localAssetPath: String, expiryTimeSeconds: Long, availableTimeSeconds: Long) {}

        /**
         * The status, with a flag that tells an unknown asset from an expired one.
         *
         * @param isRegistered false for an unknown asset.
         */
        public fun onStatus(
            localAssetPath: String,
            expiryTimeSeconds: Long,
            availableTimeSeconds: Long,
            isRegistered: Boolean,
        ) {
            onStatus(localAssetPath, expiryTimeSeconds, availableTimeSeconds)
        }

        /** The status is not available. The default reports PlayKit's "no information": -1, -1, not registered. */
        public fun onFailed(localAssetPath: String, error: Exception) {
            onStatus(localAssetPath, -1, -1, false)
        }
    }

    // Opening

    /**
     * Waits until the store is open.
     *
     * @throws LarderException `STORE_UNAVAILABLE` or `DISK_FULL`. The next call of any function tries again.
     */
    @JvmSynthetic
    public suspend fun open(): OpenReport = core.await { it.open() }

    /** [open] for Java. */
    @JvmOverloads
    public fun open(listener: ResultListener<OpenReport>, executor: Executor? = null): Cancellable =
        start(listener, executor) { open() }

    // Registration

    /**
     * Registers media on this device, and acquires its licenses if it is protected.
     *
     * Clear media needs no network. A registration with the same id and path updates the existing one and keeps valid
     * licenses. Other media under the same id is refused with `ASSET_EXISTS`: unregister it first. A failed call rolls back
     * its changes.
     *
     * @param mediaSource the remote source that the media was downloaded from, with its DRM parameters.
     * @param localAssetPath the absolute path of a manifest, of a media file, or of a folder that contains one manifest.
     * @param assetId the app's id for the asset: any string of 1 to 1024 bytes without NUL.
     * @param entryId the backend's id for the title, which [sourceUrl] takes; the asset id if `null`.
     * @param metadata data of the app's choice, at most 1 MiB; `null` keeps the stored metadata.
     */
    @JvmSynthetic
    public suspend fun registerAsset(
        mediaSource: MediaSource,
        localAssetPath: String,
        assetId: String,
        entryId: String? = null,
        metadata: ByteArray? = null,
    ): AssetStatus = registerAsset(AssetRegistration(assetId, localAssetPath, mediaSource, entryId, metadata))

    /** Registers media on this device from one value. See the other overload. */
    @JvmSynthetic
    public suspend fun registerAsset(registration: AssetRegistration): AssetStatus =
        core.awaitCancellable { manager, cancellation -> manager.registerAsset(registration, cancellation) }

    /** [registerAsset] for Java, as PlayKit's guide shows it. */
    @JvmOverloads
    public fun registerAsset(
        mediaSource: MediaSource,
        localAssetPath: String,
        assetId: String,
        listener: AssetRegistrationListener,
        executor: Executor? = null,
    ): Cancellable = start(localAssetPath, listener, executor) { registerAsset(mediaSource, localAssetPath, assetId) }

    /** [registerAsset] for Java, with every parameter and the status as its result. */
    @JvmOverloads
    public fun registerAsset(
        registration: AssetRegistration,
        listener: ResultListener<AssetStatus>,
        executor: Executor? = null,
    ): Cancellable = start(listener, executor) { registerAsset(registration) }

    /**
     * Acquires new licenses for a registered asset by the [RenewalPolicy] of its source, and stores new metadata. After a
     * failure the old licenses still work, except with [RenewalPolicy.RELEASE_THEN_ACQUIRE].
     *
     * @param mediaSource replaces the stored source, if it is given.
     * @throws LarderException `ASSET_NOT_FOUND` for an unknown id; otherwise the codes of [registerAsset].
     */
    @JvmSynthetic
    public suspend fun refreshAsset(
        assetId: String,
        mediaSource: MediaSource? = null,
        metadata: ByteArray? = null,
    ): AssetStatus = core.awaitCancellable { manager, cancellation ->
        manager.refreshAsset(assetId, mediaSource, metadata, cancellation)
    }

    /** [refreshAsset] for Java, as PlayKit's guide shows it. [localAssetPath] is only passed to the listener. */
    @JvmOverloads
    public fun refreshAsset(
        mediaSource: MediaSource,
        localAssetPath: String,
        assetId: String,
        listener: AssetRegistrationListener,
        executor: Executor? = null,
    ): Cancellable = start(localAssetPath, listener, executor) { refreshAsset(assetId, mediaSource) }

    /** [refreshAsset] for Java, with the stored source. */
    @JvmOverloads
    public fun refreshAsset(
        assetId: String,
        listener: ResultListener<AssetStatus>,
        executor: Executor? = null,
    ): Cancellable = start(listener, executor) { refreshAsset(assetId) }

    /**
     * Removes a registration and releases its licenses. Needs neither the media nor a network: a release that cannot be sent
     * now is queued. Deletes no media; that is the app's part.
     */
    @JvmSynthetic
    public suspend fun unregisterAsset(assetId: String): UnregisterResult = core.await { it.unregisterAsset(assetId) }

    /** [unregisterAsset] for Java, as PlayKit's guide shows it. [localAssetPath] is only passed to the listener. */
    @JvmOverloads
    public fun unregisterAsset(
        localAssetPath: String,
        assetId: String,
        listener: AssetRemovalListener?,
        executor: Executor? = null,
    ): Cancellable = callbacks.start(executor, listener, { unregisterAsset(assetId) }) { target, outcome ->
        outcome.fold(
            onSuccess = { target.onRemoved(localAssetPath) },
            onFailure = { target.onFailed(localAssetPath, it as LarderException) },
        )
    }

    /** Removes every registration of this profile as [unregisterAsset] does. Returns the number of removed registrations. */
    @JvmSynthetic
    public suspend fun removeAll(): Int = core.await { it.removeAll() }.toInt()

    /** [removeAll] for Java. */
    @JvmOverloads
    public fun removeAll(listener: ResultListener<Int>, executor: Executor? = null): Cancellable =
        start(listener, executor) { removeAll() }

    // Import

    /**
     * Imports titles whose licenses another library of the app has stored (PlayKit, Media3), one after the other. A failure
     * does not stop the rest; there is one result per title, in order. Uses no network, releases nothing, and leaves the
     * records of the other library unchanged. Idempotent.
     *
     * Protected media without a license has the code `LICENSE_MISSING`, a license that the CDM does not know
     * `LICENSE_VANISHED`.
     */
    @JvmSynthetic
    public suspend fun importAssets(assets: List<AssetImport>): List<ImportResult> =
        core.awaitCancellable { manager, cancellation -> manager.importAssets(assets, cancellation) }

    /** [importAssets] for Java. */
    @JvmOverloads
    public fun importAssets(
        assets: List<AssetImport>,
        listener: ResultListener<List<ImportResult>>,
        executor: Executor? = null,
    ): Cancellable = start(listener, executor) { importAssets(assets) }

    // Status

    /** Returns the status without a CDM session and without a network. An unknown id has the status `NOT_REGISTERED`. */
    @JvmSynthetic
    public suspend fun status(assetId: String): AssetStatus = core.await { it.assetStatus(assetId) }

    /** [status] for Java. */
    @JvmOverloads
    public fun status(assetId: String, listener: ResultListener<AssetStatus>, executor: Executor? = null): Cancellable =
        start(listener, executor) { status(assetId) }

    /** Returns the status of every registered asset, in one call. */
    @JvmSynthetic
    public suspend fun allStatuses(): List<AssetStatus> = core.await { it.allStatuses() }

    /** [allStatuses] for Java. */
    @JvmOverloads
    public fun allStatuses(listener: ResultListener<List<AssetStatus>>, executor: Executor? = null): Cancellable =
        start(listener, executor) { allStatuses() }

    /** Checks the disk ([checkMedia]) and the CDM ([checkLicenses]), and returns the status. Slower than [status]. */
    @JvmSynthetic
    public suspend fun verifyAsset(
        assetId: String,
        checkMedia: Boolean = true,
        checkLicenses: Boolean = true,
    ): AssetStatus = core.await { it.verifyAsset(assetId, checkMedia, checkLicenses) }

    /** [verifyAsset] for Java. */
    @JvmOverloads
    public fun verifyAsset(
        assetId: String,
        checkMedia: Boolean,
        checkLicenses: Boolean,
        listener: ResultListener<AssetStatus>,
        executor: Executor? = null,
    ): Cancellable = start(listener, executor) { verifyAsset(assetId, checkMedia, checkLicenses) }

    /** Reports the status with PlayKit's values: two times in seconds and a flag. For migration; new code uses [status]. */
    @JvmOverloads
    public fun checkAssetStatus(
        localAssetPath: String,
        assetId: String,
        listener: AssetStatusListener?,
        executor: Executor? = null,
    ): Cancellable = callbacks.start(executor, listener, { Larder.playKitStatus(status(assetId)) }) { target, outcome ->
        outcome.fold(
            onSuccess = {
                target.onStatus(localAssetPath, it.expiryTimeSeconds, it.availableTimeSeconds, it.isRegistered)
            },
            onFailure = { target.onFailed(localAssetPath, it as LarderException) },
        )
    }

    // Upkeep

    /**
     * Renews the licenses that expire within this time, one asset after the other. A failure does not stop the rest; its
     * [RenewalResult] has the code.
     */
    @JvmSynthetic
    public suspend fun renewAll(expiringWithin: Duration): List<RenewalResult> = renewAll(expiringWithin.inWholeSeconds)

    /** [renewAll] for Java, with the time in seconds. */
    @JvmOverloads
    public fun renewAll(
        expiringWithinSeconds: Long,
        listener: ResultListener<List<RenewalResult>>,
        executor: Executor? = null,
    ): Cancellable = start(listener, executor) { renewAll(expiringWithinSeconds) }

    private suspend fun renewAll(expiringWithinSeconds: Long): List<RenewalResult> {
        if (expiringWithinSeconds < 0) {
            throw LarderException(
                LarderException.Code.INVALID_ARGUMENT,
                "expiringWithinSeconds is negative: pass 0 or more",
            )
        }
        return core.awaitCancellable { manager, cancellation ->
            manager.renewAll(expiringWithinSeconds.toULong(), cancellation)
        }
    }

    /**
     * Sends queued releases and reconciles the registry with the CDM. Larder also does this by itself after opening and
     * whenever a network appears.
     */
    @JvmSynthetic
    public suspend fun reconcile(): ReconcileReport = core.await { it.reconcile() }

    /** [reconcile] for Java. */
    @JvmOverloads
    public fun reconcile(listener: ResultListener<ReconcileReport>, executor: Executor? = null): Cancellable =
        start(listener, executor) { reconcile() }

    /**
     * Sets the state of the network. `OFFLINE` forbids every network call; `ONLINE` sends queued releases.
     *
     * On Android Larder observes the network by itself, and the app need not call this function. A state that the app sets
     * takes precedence until the app sets `UNKNOWN`: a switch for an offline mode sets `OFFLINE` and, later, `UNKNOWN`.
     */
    public fun setNetworkState(state: NetworkState): Unit = core.setNetworkState(state)

    /** Returns facts for support as JSON: versions, counts, states, codes. Contains no key, handle, token or URL. */
    public fun diagnostics(): String = core.call { it.diagnostics() }

    /**
     * Removes a listener from every running call, for a screen that ends. The calls continue without the listener, and Larder
     * no longer refers to it. After a call of this function on the listener's own thread (mostly the main thread), the listener
     * is not called any more.
     */
    public fun removeListener(listener: Any): Unit = callbacks.forget(listener)

    /** Closes this manager. Later calls fail with `CLOSED`; running calls complete. Idempotent. */
    override fun close(): Unit = core.close()

    internal fun <T> start(listener: ResultListener<T>, executor: Executor?, work: suspend () -> T): Cancellable =
        callbacks.start(executor, listener, work) { target, outcome ->
            outcome.fold(onSuccess = target::onSuccess, onFailure = { target.onFailed(it as LarderException) })
        }

    private fun start(
        path: String,
        listener: AssetRegistrationListener,
        executor: Executor?,
        work: suspend () -> AssetStatus,
    ): Cancellable = callbacks.start(executor, listener, work) { target, outcome ->
        outcome.fold(
            onSuccess = { target.onRegistered(path) },
            onFailure = { target.onFailed(path, it as LarderException) },
        )
    }
}
