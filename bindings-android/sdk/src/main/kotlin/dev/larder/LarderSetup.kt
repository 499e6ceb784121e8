package dev.larder

import android.content.Context
import dev.larder.drm.DrmEngine
import dev.larder.internal.Platform
import dev.larder.internal.android.AndroidPlatform
import dev.larder.internal.ffi.DrmEngineAdapter
import dev.larder.internal.ffi.DrmStorageAdapter
import dev.larder.internal.ffi.FfiDelegates
import dev.larder.internal.ffi.RequestAdapterAdapter
import dev.larder.internal.ffi.SourceUrlProviderAdapter
import dev.larder.internal.ffi.TokenProviderAdapter
import dev.larder.storage.FileDrmStorage
import dev.larder.storage.LocalDrmStorage
import dev.larder.storage.SealedDrmStorage
import dev.larder.storage.SharedPreferencesDrmStorage
import dev.larder.storage.StorageFolders
import java.util.concurrent.Executor

/**
 * The configuration of a [LocalAssetsManager] and the parts of the app that it calls: folders, profile, secret storage, DRM
 * engines, delegates.
 *
 * On Android, where every setting has a default of the platform:
 * ```
 * val setup = LarderSetup.Builder(context).profile("ann").tokenProvider(tokens).build()
 * ```
 * On a desktop, or in a test:
 * ```
 * val setup = LarderSetup(LarderConfig(dataDir), MemoryDrmStorage(), engines = listOf(myEngine))
 * ```
 *
 * @property storage the secret storage.
 * @property engines the app's DRM engines. The first engine of a scheme is used; the platform's engines come after the app's.
 * @property requestAdapter changes requests to license servers.
 * @property tokenProvider provides the tokens for license servers.
 * @property sourceURLProvider chooses the URL that a player plays.
 * @property callbackExecutor runs listeners unless a call names another executor; `null` for a thread of the manager.
 */
public class LarderSetup internal constructor(
    private val configure: () -> LarderConfig,
    public val storage: LocalDrmStorage,
    public val engines: List<DrmEngine>,
    public val requestAdapter: RequestAdapter?,
    public val tokenProvider: TokenProvider?,
    public val sourceURLProvider: SourceURLProvider?,
    public val callbackExecutor: Executor?,
    internal val platform: Platform,
) {
    /** A complete setup, which takes no default from the platform. */
    public constructor(
        config: LarderConfig,
        storage: LocalDrmStorage,
        engines: List<DrmEngine> = emptyList(),
        requestAdapter: RequestAdapter? = null,
        tokenProvider: TokenProvider? = null,
        sourceURLProvider: SourceURLProvider? = null,
        callbackExecutor: Executor? = null,
    ) : this(
        { config },
        storage,
        engines,
        requestAdapter,
        tokenProvider,
        sourceURLProvider,
        callbackExecutor,
        Platform.Desktop(config.dataDir),
    )

    /** Folders, profile and timeouts. On Android the first access may read the disk, so access it off the main thread. */
    public val config: LarderConfig by lazy(configure)

    /** Returns the roots that are mounted now, including the app's own. Reads the disk. */
    internal fun rootsNow(): List<StorageRoot> = configure().roots

    internal fun delegates() = FfiDelegates(
        storage = DrmStorageAdapter(storage),
        engines = (engines + platform.engines()).map(::DrmEngineAdapter),
        requestAdapter = requestAdapter?.let(::RequestAdapterAdapter),
        tokenProvider = tokenProvider?.let(::TokenProviderAdapter),
        sourceUrlProvider = sourceURLProvider?.let(::SourceUrlProviderAdapter),
        serverTrust = platform.serverTrust(),
    )

    /** Builds a setup step by step. */
    public class Builder private constructor(private val platform: Platform) {
        /**
         * Starts with Android's defaults: the database below `noBackupFilesDir`, roots for the app's internal, external and
         * removable storage ([StorageFolders]), handles in a [SharedPreferencesDrmStorage], the device's CDM, listeners on
         * the main looper. The manager observes the network and the state of the device by itself.
         *
         * Reads nothing from the disk before the manager opens.
         *
         * @param context any context of the app. Only its application context is kept.
         */
        public constructor(context: Context) : this(AndroidPlatform(context))

        /**
         * Starts with a desktop's defaults: those of [LarderConfig], and a [FileDrmStorage] beside the database.
         *
         * @param dataDir the absolute path of the folder for Larder's database. Created if it is missing.
         */
        public constructor(dataDir: String) : this(Platform.Desktop(dataDir))

        private val changes = mutableListOf<(LarderConfig) -> LarderConfig>()
        private var storage: LocalDrmStorage? = null
        private val engines = mutableListOf<DrmEngine>()
        private var requestAdapter: RequestAdapter? = null
        private var tokenProvider: TokenProvider? = null
        private var sourceURLProvider: SourceURLProvider? = null
        private var callbackExecutor: Executor? = null

        /** Adds a folder that contains media, under a short stable name. Replaces a root of the platform with that name. */
        public fun root(name: String, path: String): Builder = changed {
            changes += { it.copy(roots = it.roots.filter { root -> root.name != name } + StorageRoot(name, path)) }
        }

        /** Sets the namespace of one of the app's users. */
        public fun profile(profile: String): Builder = changed { changes += { it.copy(profile = profile) } }

        /** Sets the timeouts of one request to a server, of one call of an engine, and of one call of another delegate. */
        public fun timeouts(networkSeconds: Int, engineSeconds: Int, delegateSeconds: Int): Builder = changed {
            changes +=
                {
                    it.copy(
                        networkTimeoutSeconds = networkSeconds,
                        engineTimeoutSeconds = engineSeconds,
                        delegateTimeoutSeconds = delegateSeconds,
                    )
                }
        }

        /** Sets the text that servers get as `User-Agent`, in front of Larder's own. */
        public fun userAgent(userAgent: String): Builder = changed { changes += { it.copy(userAgent = userAgent) } }

        /**
         * Adds the software ClearKey engine, which decrypts in the app's process: for tests and desktops.
         *
         * Its handles are the keys themselves, so on Android combine it with a [SealedDrmStorage].
         */
        public fun softwareClearKey(): Builder = changed { changes += { it.copy(softwareClearKey = true) } }

        /** Trusts another certificate authority, in DER: for tests and private deployments. */
        public fun extraRootCertificate(certificate: ByteArray): Builder = changed {
            changes += { it.copy(extraRootCertificates = it.extraRootCertificates + certificate) }
        }

        /** Sets the secret storage. */
        public fun storage(storage: LocalDrmStorage): Builder = changed { this.storage = storage }

        /** Adds a DRM engine. The first engine of a scheme is used. */
        public fun engine(engine: DrmEngine): Builder = changed { engines += engine }

        /** Sets the adapter of requests to license servers. */
        public fun requestAdapter(adapter: RequestAdapter): Builder = changed { requestAdapter = adapter }

        /** Sets the provider of tokens for license servers. */
        public fun tokenProvider(provider: TokenProvider): Builder = changed { tokenProvider = provider }

        /** Sets the provider that chooses the URL that a player plays. */
        public fun sourceURLProvider(provider: SourceURLProvider): Builder = changed { sourceURLProvider = provider }

        /** Sets the executor of listeners, unless a call names another one. */
        public fun callbackExecutor(executor: Executor): Builder = changed { callbackExecutor = executor }

        /** Returns the setup. The manager checks the configuration when it opens. */
        public fun build(): LarderSetup {
            val (platform, changes) = platform to changes.toList()
            return LarderSetup(
                {
                    val config = LarderConfig(platform.dataDir(), platform.roots(), network = platform.network())
                    changes.fold(config) { changed, change -> change(changed) }
                },
                storage ?: platform.storage(),
                engines.toList(),
                requestAdapter,
                tokenProvider,
                sourceURLProvider,
                callbackExecutor ?: platform.callbackExecutor,
                platform,
            )
        }

        private inline fun changed(change: () -> Unit): Builder {
            change()
            return this
        }
    }
}
