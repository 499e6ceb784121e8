package dev.larder

import android.content.Context
import java.util.concurrent.Executor

/**
 * What a [LocalAssetsManager] works with: its folders, whom it works for, and what of the app's it asks. Everything that
 * differs between apps and systems, in one place.
 *
 * On Android, where everything that is not said has a default of the platform's:
 * ```
 * val setup = LarderSetup.Builder(context).profile("ann").tokenProvider(tokens).build()
 * ```
 * On a desktop, or in a test:
 * ```
 * val setup = LarderSetup(LarderConfig(dataDir), MemoryDrmStorage(), engines = listOf(myEngine))
 * ```
 *
 * @property storage the secret storage.
 * @property engines the app's own, one per scheme; the first of a scheme counts, and the platform's come after them.
 * @property requestAdapter the app's hand on requests to license servers.
 * @property tokenProvider the app's tokens for them.
 * @property sourceURLProvider the app's own choice of what is played.
 * @property callbackExecutor where listeners are called if the call does not say otherwise; `null` for a thread of the
 *   manager's own.
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
    /** Everything said; nothing is asked of the platform. */
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

    /** Folders, profile, timeouts. On Android, asking for it may touch the disk: do so off the main thread. */
    public val config: LarderConfig by lazy(configure)

    /** The roots that are there now, the app's own among them. Touches the disk. */
    internal fun rootsNow(): List<StorageRoot> = configure().roots

    internal fun delegates() = FfiDelegates(
        storage = DrmStorageAdapter(storage),
        engines = (engines + platform.engines()).map(::DrmEngineAdapter),
        requestAdapter = requestAdapter?.let(::RequestAdapterAdapter),
        tokenProvider = tokenProvider?.let(::TokenProviderAdapter),
        sourceUrlProvider = sourceURLProvider?.let(::SourceUrlProviderAdapter),
        serverTrust = platform.serverTrust(),
    )

    /** A setup, piece by piece. */
    public class Builder private constructor(private val platform: Platform) {
        /**
         * With Android's defaults: the database below `noBackupFilesDir`, roots for the app's internal, external and
         * removable storage ([StorageFolders]), handles in a
         * [SharedPreferencesDrmStorage], the device's CDM, listeners on the main looper, and what the
         * network and the device are like observed for the manager. Nothing is touched before the manager opens.
         *
         * @param context any of the app's; its application context is kept.
         */
        public constructor(context: Context) : this(AndroidPlatform(context))

        /**
         * With a desktop's: what is not said keeps the default of [LarderConfig], and the storage is a [FileDrmStorage]
         * beside the database.
         *
         * @param dataDir absolute path of the folder for Larder's database, made when missing.
         */
        public constructor(dataDir: String) : this(Platform.Desktop(dataDir))

        private val changes = mutableListOf<(LarderConfig) -> LarderConfig>()
        private var storage: LocalDrmStorage? = null
        private val engines = mutableListOf<DrmEngine>()
        private var requestAdapter: RequestAdapter? = null
        private var tokenProvider: TokenProvider? = null
        private var sourceURLProvider: SourceURLProvider? = null
        private var callbackExecutor: Executor? = null

        /** A folder below which media lies, under a short stable name. In place of one of the platform's of that name. */
        public fun root(name: String, path: String): Builder = changed {
            changes += { it.copy(roots = it.roots.filter { root -> root.name != name } + StorageRoot(name, path)) }
        }

        /** A namespace for one of the app's users. */
        public fun profile(profile: String): Builder = changed { changes += { it.copy(profile = profile) } }

        /** How long one request to a server, one call of an engine, and one call of other code of the app may take. */
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

        /** Sent to servers as `User-Agent`, in front of Larder's own. */
        public fun userAgent(userAgent: String): Builder = changed { changes += { it.copy(userAgent = userAgent) } }

        /**
         * Registers the software ClearKey engine, which decrypts in the app's own process: for tests and desktops. Its
         * handles are keys: on Android use it with a [SealedDrmStorage].
         */
        public fun softwareClearKey(): Builder = changed { changes += { it.copy(softwareClearKey = true) } }

        /** A further certificate authority to trust, in DER: for tests and private deployments. */
        public fun extraRootCertificate(certificate: ByteArray): Builder = changed {
            changes += { it.copy(extraRootCertificates = it.extraRootCertificates + certificate) }
        }

        /** The secret storage. */
        public fun storage(storage: LocalDrmStorage): Builder = changed { this.storage = storage }

        /** One more engine. */
        public fun engine(engine: DrmEngine): Builder = changed { engines += engine }

        /** The app's hand on requests to license servers. */
        public fun requestAdapter(adapter: RequestAdapter): Builder = changed { requestAdapter = adapter }

        /** The app's tokens for license servers. */
        public fun tokenProvider(provider: TokenProvider): Builder = changed { tokenProvider = provider }

        /** The app's own choice of what is played. */
        public fun sourceURLProvider(provider: SourceURLProvider): Builder = changed { sourceURLProvider = provider }

        /** Where listeners are called if the call does not say otherwise. */
        public fun callbackExecutor(executor: Executor): Builder = changed { callbackExecutor = executor }

        /** The setup. Whether the configuration makes sense is checked when the manager opens. */
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
