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
 * The registry of what lies on this device: register downloaded media while online, play it later without a network, DRM
 * included.
 *
 * ```
 * val manager = LocalAssetsManager(context)
 * manager.registerAsset(source, path, "film-1")
 * // later, on a plane
 * val local = manager.getLocalMediaSource("film-1", path)
 * ```
 *
 * **Threads.** Everything may be called from any thread, several calls at once. Managers over one `dataDir` share one
 * store. What does not suspend answers from memory; only the first such call waits until the store is open, so call
 * [open] once where that must not happen on the main thread.
 *
 * **Errors.** Everything throws [LarderException] and nothing else. Calls with a listener throw nothing: a bad argument,
 * too, comes to the listener, where PlayKit threw `IllegalArgumentException`. Only a `null` of Java's where there must be a
 * value is a `NullPointerException` at once.
 *
 * **Cancellation.** A cancelled coroutine, or [Cancellable.cancel], stops a registration, a refresh or a renewal between
 * two of its steps. What it began is undone: a license that was granted already is given back, or its release is queued.
 *
 * **Listeners** are for Java. They are called exactly once, on [LarderSetup.callbackExecutor] or on the executor that
 * the call is given, unless [removeListener] takes them away before.
 */
public class LocalAssetsManager private constructor(private val core: Core, private val callbacks: Callbacks) :
    AssetCatalog by CoreCatalog(core),
    LocalPlayback by CorePlayback(core),
    AutoCloseable {

    /**
     * A manager with everything that Android gives: see [LarderSetup.Builder]. It keeps the application context of
     * whatever it is given, starts to open in the background and returns at once.
     */
    public constructor(context: Context) : this(LarderSetup.Builder(context).build())

    /** The same with a secret storage of the app's own. */
    public constructor(context: Context, storage: LocalDrmStorage) :
        this(LarderSetup.Builder(context).storage(storage).build())

    /**
     * A manager with this setup. It starts to open in the background and returns at once; a configuration that makes no
     * sense is told by the first call, with `INVALID_ARGUMENT` or `RELATIVE_PATH`.
     */
    public constructor(setup: LarderSetup) : this(Core(setup), Callbacks(setup.callbackExecutor))

    /** What [registerAsset] and [refreshAsset] tell a Java app. */
    public interface AssetRegistrationListener {
        /** The asset is registered, and durable. */
        public fun onRegistered(assetPath: String)

        /** It is not, and nothing is left behind. [error] is a [LarderException]. */
        public fun onFailed(assetPath: String, error: Exception)
    }

    /** What [unregisterAsset] tells a Java app. */
    public fun interface AssetRemovalListener {
        /** The asset is not registered any more. */
        public fun onRemoved(assetPath: String)

        /** The registry could not be changed: a full disk, a locked device. [error] is a [LarderException]. */
        public fun onFailed(assetPath: String, error: Exception) {}
    }

    /**
     * What [checkAssetStatus] tells a Java app, in PlayKit's terms. Implement the form that you need: the longer one is
     * called, and calls the shorter one unless it is overridden.
     */
    public interface AssetStatusListener {
        /**
         * @param expiryTimeSeconds seconds left to start a playback; `Long.MAX_VALUE` for no limit, 0 if it is over.
         * @param availableTimeSeconds seconds left of the playback itself; the same.
         */
        public fun onStatus(localAssetPath: String, expiryTimeSeconds: Long, availableTimeSeconds: Long) {}

        /** @param isRegistered false for an asset that is unknown. */
        public fun onStatus(
            localAssetPath: String,
            expiryTimeSeconds: Long,
            availableTimeSeconds: Long,
            isRegistered: Boolean,
        ) {
            onStatus(localAssetPath, expiryTimeSeconds, availableTimeSeconds)
        }

        /** The status cannot be told. By default this is PlayKit's "no information": -1, -1, not registered. */
        public fun onFailed(localAssetPath: String, error: Exception) {
            onStatus(localAssetPath, -1, -1, false)
        }
    }

    // Opening

    /**
     * Waits until the store is open.
     *
     * @throws LarderException `STORE_UNAVAILABLE` or `DISK_FULL`; the next call of anything tries again.
     */
    @JvmSynthetic
    public suspend fun open(): OpenReport = core.await { it.open() }

    /** [open] for Java. */
    @JvmOverloads
    public fun open(listener: ResultListener<OpenReport>, executor: Executor? = null): Cancellable =
        start(listener, executor) { open() }

    // Registration

    /**
     * Registers media that lies on this device, with its licenses if it is protected.
     *
     * Clear media needs no network. The same id and path again bring the registration up to date and keep licenses that
     * are good; other media under the same id is `ASSET_EXISTS`. On failure nothing is left behind.
     *
     * @param mediaSource the remote source that the media was downloaded from, with its DRM parameters.
     * @param localAssetPath absolute: a manifest, a media file, or a folder that holds one manifest.
     * @param assetId the app's id of it: any string of 1 to 1024 bytes without NUL.
     * @param entryId the backend's id, by which [sourceUrl] is asked; the asset id if `null`.
     * @param metadata whatever the app wants to keep with it, at most 1 MiB; `null` keeps what is stored.
     */
    @JvmSynthetic
    public suspend fun registerAsset(
        mediaSource: MediaSource,
        localAssetPath: String,
        assetId: String,
        entryId: String? = null,
        metadata: ByteArray? = null,
    ): AssetStatus = registerAsset(AssetRegistration(assetId, localAssetPath, mediaSource, entryId, metadata))

    /** The same from one value. */
    @JvmSynthetic
    public suspend fun registerAsset(registration: AssetRegistration): AssetStatus =
        core.awaitCancellable { manager, cancellation -> manager.registerAsset(registration, cancellation) }

    /** [registerAsset] for Java, as in the guides. */
    @JvmOverloads
    public fun registerAsset(
        mediaSource: MediaSource,
        localAssetPath: String,
        assetId: String,
        listener: AssetRegistrationListener,
        executor: Executor? = null,
    ): Cancellable = start(localAssetPath, listener, executor) { registerAsset(mediaSource, localAssetPath, assetId) }

    /** [registerAsset] for Java, with everything that can be said and told. */
    @JvmOverloads
    public fun registerAsset(
        registration: AssetRegistration,
        listener: ResultListener<AssetStatus>,
        executor: Executor? = null,
    ): Cancellable = start(listener, executor) { registerAsset(registration) }

    /**
     * Gets new licenses for a registered asset by its source's [RenewalPolicy], and stores new metadata. If it fails, the
     * old licenses still work (but see [RenewalPolicy.RELEASE_THEN_ACQUIRE]).
     *
     * @param mediaSource replaces the stored source if given.
     * @throws LarderException `ASSET_NOT_FOUND` for an unknown id, else as [registerAsset].
     */
    @JvmSynthetic
    public suspend fun refreshAsset(
        assetId: String,
        mediaSource: MediaSource? = null,
        metadata: ByteArray? = null,
    ): AssetStatus = core.awaitCancellable { manager, cancellation ->
        manager.refreshAsset(assetId, mediaSource, metadata, cancellation)
    }

    /** [refreshAsset] for Java, as in the guides. The path only names the asset for the listener. */
    @JvmOverloads
    public fun refreshAsset(
        mediaSource: MediaSource,
        localAssetPath: String,
        assetId: String,
        listener: AssetRegistrationListener,
        executor: Executor? = null,
    ): Cancellable = start(localAssetPath, listener, executor) { refreshAsset(assetId, mediaSource) }

    /** [refreshAsset] for Java, from what is stored. */
    @JvmOverloads
    public fun refreshAsset(
        assetId: String,
        listener: ResultListener<AssetStatus>,
        executor: Executor? = null,
    ): Cancellable = start(listener, executor) { refreshAsset(assetId) }

    /**
     * Removes a registration. Never needs the media or a network: releases that cannot be sent now are queued. The media
     * itself is the app's to delete.
     */
    @JvmSynthetic
    public suspend fun unregisterAsset(assetId: String): UnregisterResult = core.await { it.unregisterAsset(assetId) }

    /** [unregisterAsset] for Java, as in the guides. The path only names the asset for the listener. */
    @JvmOverloads
    public fun unregisterAsset(
        localAssetPath: String,
        assetId: String,
        listener: AssetRemovalListener?,
        executor: Executor? = null,
    ): Cancellable = callbacks.start(executor, listener, { unregisterAsset(assetId) }) { told, outcome ->
        outcome.fold(
            onSuccess = { told.onRemoved(localAssetPath) },
            onFailure = { told.onFailed(localAssetPath, it as LarderException) },
        )
    }

    /** Removes every registration of this profile, in the same way. Returns how many. */
    @JvmSynthetic
    public suspend fun removeAll(): Int = core.await { it.removeAll() }.toInt()

    /** [removeAll] for Java. */
    @JvmOverloads
    public fun removeAll(listener: ResultListener<Int>, executor: Executor? = null): Cancellable =
        start(listener, executor) { removeAll() }

    // Import

    /**
     * Takes over titles whose licenses another library of the app has stored (PlayKit, Media3), one after the other; a
     * failure does not stop the rest, and there is one answer per title, in order. No network is used, nothing is
     * released, and what the other library has stays as it is. Importing twice is importing once.
     *
     * Protected media without a license is `LICENSE_MISSING`, a license that the CDM does not know `LICENSE_VANISHED`.
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

    /** The status from the ledger: no CDM session, no network. An unknown id has a status, too (`NOT_REGISTERED`). */
    @JvmSynthetic
    public suspend fun status(assetId: String): AssetStatus = core.await { it.assetStatus(assetId) }

    /** [status] for Java. */
    @JvmOverloads
    public fun status(assetId: String, listener: ResultListener<AssetStatus>, executor: Executor? = null): Cancellable =
        start(listener, executor) { status(assetId) }

    /** The status of every registered asset, in one call. */
    @JvmSynthetic
    public suspend fun allStatuses(): List<AssetStatus> = core.await { it.allStatuses() }

    /** [allStatuses] for Java. */
    @JvmOverloads
    public fun allStatuses(listener: ResultListener<List<AssetStatus>>, executor: Executor? = null): Cancellable =
        start(listener, executor) { allStatuses() }

    /** The status after asking the disk ([checkMedia]) and the CDM ([checkLicenses]). Slower. */
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

    /** What PlayKit reported: seconds and a flag. For apps that move from it; new code asks for the [status]. */
    @JvmOverloads
    public fun checkAssetStatus(
        localAssetPath: String,
        assetId: String,
        listener: AssetStatusListener?,
        executor: Executor? = null,
    ): Cancellable = callbacks.start(executor, listener, { Larder.playKitStatus(status(assetId)) }) { told, outcome ->
        outcome.fold(
            onSuccess = {
                told.onStatus(localAssetPath, it.expiryTimeSeconds, it.availableTimeSeconds, it.isRegistered)
            },
            onFailure = { told.onFailed(localAssetPath, it as LarderException) },
        )
    }

    // Upkeep

    /**
     * Renews the licenses that end within this time, one asset after the other; a failure does not stop the rest and is
     * told in its [RenewalResult].
     */
    @JvmSynthetic
    public suspend fun renewAll(expiringWithin: Duration): List<RenewalResult> = renewAll(expiringWithin.inWholeSeconds)

    /** [renewAll] for Java, in seconds. */
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
                "the time within which to renew is negative",
                Remedy.FIX_INPUT,
            )
        }
        return core.awaitCancellable { manager, cancellation ->
            manager.renewAll(expiringWithinSeconds.toULong(), cancellation)
        }
    }

    /**
     * Sends queued releases and reconciles the registry with the CDM. Also runs by itself, after opening and whenever the
     * app reports a network.
     */
    @JvmSynthetic
    public suspend fun reconcile(): ReconcileReport = core.await { it.reconcile() }

    /** [reconcile] for Java. */
    @JvmOverloads
    public fun reconcile(listener: ResultListener<ReconcileReport>, executor: Executor? = null): Cancellable =
        start(listener, executor) { reconcile() }

    /**
     * What the app knows of the network. `OFFLINE` means no network call at all; `ONLINE` sends what was queued.
     *
     * On Android the network is observed, and needs no word of the app's. What is said here counts instead until
     * `UNKNOWN` is said: a switch "no network, please" is `OFFLINE` and `UNKNOWN`.
     */
    public fun setNetworkState(state: NetworkState): Unit = core.setNetworkState(state)

    /** Facts for support, as JSON: versions, counts, states, codes. No key, handle, token or URL. */
    public fun diagnostics(): String = core.call { it.diagnostics() }

    /**
     * Takes a listener away from every call that it still waits for, for a screen that goes: the calls go on, but it is
     * neither called nor held any more. Called on the thread on which the listener would be (the main one, mostly), it is
     * certain that it is not called afterwards.
     */
    public fun removeListener(listener: Any): Unit = callbacks.forget(listener)

    /** Ends this manager: later calls fail with `CLOSED`, running ones end as they would. */
    override fun close(): Unit = core.close()

    internal fun <T> start(listener: ResultListener<T>, executor: Executor?, work: suspend () -> T): Cancellable =
        callbacks.start(executor, listener, work) { told, outcome ->
            outcome.fold(onSuccess = told::onSuccess, onFailure = { told.onFailed(it as LarderException) })
        }

    private fun start(
        path: String,
        listener: AssetRegistrationListener,
        executor: Executor?,
        work: suspend () -> AssetStatus,
    ): Cancellable = callbacks.start(executor, listener, work) { told, outcome ->
        outcome.fold(
            onSuccess = { told.onRegistered(path) },
            onFailure = { told.onFailed(path, it as LarderException) },
        )
    }
}
