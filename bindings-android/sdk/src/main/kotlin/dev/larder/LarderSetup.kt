package dev.larder

import java.io.File
import java.util.concurrent.Executor

/**
 * What a [LocalAssetsManager] works with: its folders, whom it works for, and what of the app's it asks. Everything that
 * differs between apps and systems, in one place.
 *
 * Kotlin:
 * ```
 * val setup = LarderSetup(LarderConfig(dataDir), MemoryDrmStorage(), engines = listOf(myEngine))
 * ```
 * Java:
 * ```
 * LarderSetup setup = new LarderSetup.Builder(dataDir).root("downloads", path).engine(myEngine).build();
 * ```
 *
 * @property storage the secret storage.
 * @property engines one per scheme; the first of a scheme counts.
 * @property requestAdapter the app's hand on requests to licence servers.
 * @property tokenProvider the app's tokens for them.
 * @property sourceURLProvider the app's own choice of what is played.
 * @property callbackExecutor where listeners are called if the call does not say otherwise; `null` for a thread of the
 *   manager's own.
 */
public class LarderSetup internal constructor(
    config: Lazy<LarderConfig>,
    public val storage: LocalDrmStorage,
    public val engines: List<DrmEngine>,
    public val requestAdapter: RequestAdapter?,
    public val tokenProvider: TokenProvider?,
    public val sourceURLProvider: SourceURLProvider?,
    public val callbackExecutor: Executor?,
    internal val platform: Platform,
) {
    /** Everything said, for a desktop or a test; nothing is asked of the platform. */
    public constructor(
        config: LarderConfig,
        storage: LocalDrmStorage,
        engines: List<DrmEngine> = emptyList(),
        requestAdapter: RequestAdapter? = null,
        tokenProvider: TokenProvider? = null,
        sourceURLProvider: SourceURLProvider? = null,
        callbackExecutor: Executor? = null,
    ) : this(
        lazyOf(config), storage, engines, requestAdapter, tokenProvider, sourceURLProvider, callbackExecutor,
        Platform.Desktop,
    )

    /** Folders, profile, timeouts. */
    public val config: LarderConfig by config

    internal fun delegates() = FfiDelegates(
        storage = DrmStorageAdapter(storage),
        engines = engines.map(::DrmEngineAdapter),
        requestAdapter = requestAdapter?.let(::RequestAdapterAdapter),
        tokenProvider = tokenProvider?.let(::TokenProviderAdapter),
        sourceUrlProvider = sourceURLProvider?.let(::SourceUrlProviderAdapter),
    )

    /**
     * A setup, piece by piece. What is not said keeps the default of [LarderConfig]; the storage is a
     * [FileDrmStorage] beside the database.
     *
     * @param dataDir absolute path of the folder for Larder's database, made when missing.
     */
    public class Builder(private val dataDir: String) {
        private var config = LarderConfig(dataDir)
        private var storage: LocalDrmStorage? = null
        private val engines = mutableListOf<DrmEngine>()
        private var requestAdapter: RequestAdapter? = null
        private var tokenProvider: TokenProvider? = null
        private var sourceURLProvider: SourceURLProvider? = null
        private var callbackExecutor: Executor? = null

        /** A folder below which media lies, under a short stable name. */
        public fun root(name: String, path: String): Builder = changed {
            config = config.copy(roots = config.roots + StorageRoot(name, path))
        }

        /** A namespace for one of the app's users. */
        public fun profile(profile: String): Builder = changed { config = config.copy(profile = profile) }

        /** How long one request to a server, one call of an engine, and one call of other code of the app may take. */
        public fun timeouts(networkS: Int, engineS: Int, delegateS: Int): Builder = changed {
            config = config.copy(networkTimeoutS = networkS, engineTimeoutS = engineS, delegateTimeoutS = delegateS)
        }

        /** Sent to servers as `User-Agent`, in front of Larder's own. */
        public fun userAgent(userAgent: String): Builder = changed { config = config.copy(userAgent = userAgent) }

        /** Registers the software ClearKey engine, which decrypts in the app's own process: for tests and desktops. */
        public fun softwareClearKey(): Builder = changed { config = config.copy(softwareClearKey = true) }

        /** A further certificate authority to trust, in DER: for tests and private deployments. */
        public fun extraRootCertificate(certificate: ByteArray): Builder = changed {
            config = config.copy(extraRootCertificates = config.extraRootCertificates + certificate)
        }

        /** The secret storage. */
        public fun storage(storage: LocalDrmStorage): Builder = changed { this.storage = storage }

        /** One more engine. */
        public fun engine(engine: DrmEngine): Builder = changed { engines += engine }

        /** The app's hand on requests to licence servers. */
        public fun requestAdapter(adapter: RequestAdapter): Builder = changed { requestAdapter = adapter }

        /** The app's tokens for licence servers. */
        public fun tokenProvider(provider: TokenProvider): Builder = changed { tokenProvider = provider }

        /** The app's own choice of what is played. */
        public fun sourceURLProvider(provider: SourceURLProvider): Builder = changed { sourceURLProvider = provider }

        /** Where listeners are called if the call does not say otherwise. */
        public fun callbackExecutor(executor: Executor): Builder = changed { callbackExecutor = executor }

        /** The setup. Whether the configuration makes sense is checked when the manager opens. */
        public fun build(): LarderSetup = LarderSetup(
            config,
            storage ?: FileDrmStorage(File(dataDir, "licenses")),
            engines.toList(),
            requestAdapter,
            tokenProvider,
            sourceURLProvider,
            callbackExecutor,
        )

        private inline fun changed(change: () -> Unit): Builder {
            change()
            return this
        }
    }
}
