import Foundation
import LarderBindings

/// Registers downloaded media while online, and plays it later without a network, DRM included.
///
/// ```swift
/// let manager = LocalAssetsManager.managerWithDefaultDataStore()
/// try await manager.registerDownloadedAsset(location: fileURL, mediaSource: source, assetId: "film-1")
/// // later, on a plane
/// let entry = try manager.createLocalMediaEntry(for: "film-1", localURL: fileURL)
/// ```
///
/// **Threads.** Every function may be called from any thread or task, concurrently. Managers with the same
/// `LarderConfig.dataDir` share one store. Functions that are not `async` answer from memory; only the first of them waits
/// until the store is open, so `await` ``open()`` once if the main thread must not wait.
///
/// **Errors.** Functions throw ``LarderError``, or `CancellationError` in a cancelled task.
///
/// **Cancellation.** A cancelled task stops a registration, a refresh or a renewal between two of its steps. Its work is
/// undone first; a license that was already granted is released, or its release is queued. A removal that has begun is
/// completed. Other calls return at once.
///
/// **Completion handlers.** Each `async` function has a form with a completion handler, which runs on the main queue,
/// exactly once.
public final class LocalAssetsManager: Sendable {
  // The factories do not throw, as PlayKit's did not. Every call throws their error instead.
  let core: Result<FfiManager, LarderError>
  private let givenRoots: Roots
  let schemes: Set<DrmScheme>
  let dataDir: String
  let preparedKeys: PreparedKeys
  let downloadSessions = DownloadSessions()

  /// Creates a manager with a configuration and delegates of the app's own. It opens its store in the background.
  ///
  /// The manager retains its delegates.
  ///
  /// - Parameters:
  ///   - config: its folders and profile. See ``LarderConfig/standard(profile:)``.
  ///   - storage: stores the handles of licenses; by default the storage of ``managerWithDefaultDataStore()``, below
  ///     `config.dataDir`.
  ///   - engines: one CDM per key system; the first of a key system counts.
  ///   - requestAdapter: changes requests to license servers.
  ///   - tokenProvider: provides tokens for them.
  ///   - sourceURLProvider: chooses the URL that a player plays.
  ///   - httpClient: sends requests in place of the built-in client: ``URLSessionHttpClient``, for instance.
  /// - Throws: ``LarderError/Code/invalidArgument`` for an invalid configuration.
  public convenience init(
    config: LarderConfig,
    storage: (any LocalDrmStorage)? = nil,
    engines: [any DrmEngine] = [],
    requestAdapter: (any RequestAdapter)? = nil,
    tokenProvider: (any TokenProvider)? = nil,
    sourceURLProvider: (any SourceURLProvider)? = nil,
    httpClient: (any HttpClient)? = nil
  ) throws {
    try config.checkDataDir()
    config.prepareDataDir()
    let storage = storage ?? config.defaultStorage()
    let delegates = FfiDelegates(
      storage: DrmStorageAdapter(storage),
      engines: engines.map(DrmEngineAdapter.init),
      requestAdapter: requestAdapter.map(RequestAdapterAdapter.init),
      tokenProvider: tokenProvider.map(TokenProviderAdapter.init),
      sourceUrlProvider: sourceURLProvider.map(SourceURLProviderAdapter.init),
      httpClient: httpClient.map(HttpClientAdapter.init))
    let core = try translatingErrors { try FfiManager(config: config, delegates: delegates) }
    self.init(core: .success(core), config: config, storage: storage, schemes: engines.map(\.scheme))
  }

  private init(
    core: Result<FfiManager, LarderError>, config: LarderConfig, storage: any LocalDrmStorage, schemes: [DrmScheme]
  ) {
    self.core = core
    self.dataDir = config.dataDir
    self.preparedKeys = PreparedKeys(storage: storage, profile: config.profile)
    self.givenRoots = Roots(config.roots)
    // Apple's players bring FairPlay themselves.
    self.schemes = Set(schemes).union([.fairPlay]).union(config.softwareClearKey ? [.clearKey] : [])
  }

  /// Creates a manager in the app's own folder with the platform's storage for licenses: ``KeychainDrmStorage`` on iOS,
  /// ``FileDrmStorage`` on desktops. On Apple's systems it has a ``FairPlayEngine``.
  ///
  /// Has the name of PlayKit's function, and does not throw. If the folder is unusable, every call throws the error.
  public static func managerWithDefaultDataStore() -> LocalAssetsManager {
    standard(storage: nil)
  }

  /// Creates a manager in the app's own folder with the app's own storage for licenses.
  public static func manager(storage: any LocalDrmStorage) -> LocalAssetsManager {
    standard(storage: storage)
  }

  private static func standard(storage: (any LocalDrmStorage)?) -> LocalAssetsManager {
    let config = LarderConfig.standard()
    do {
      return try LocalAssetsManager(config: config, storage: storage, engines: Platform.current.defaultEngines)
    } catch {
      return LocalAssetsManager(
        core: .failure(LarderError(error)), config: config, storage: storage ?? config.defaultStorage(), schemes: [])
    }
  }

  /// Waits until the store is open.
  ///
  /// Optional, since every call waits for the store. It reports the state of the store early, and afterwards calls that are
  /// not `async` answer at once.
  ///
  /// - Throws: ``LarderError/Code/storeUnavailable`` or ``LarderError/Code/diskFull``; the next call tries again.
  @discardableResult
  public func open() async throws -> OpenReport {
    try await abandonable { try await $0.open() }
  }

  /// Closes this manager. Later calls fail with ``LarderError/Code/closed``; running calls complete.
  ///
  /// Idempotent. Other managers of the same folder stay open.
  public func close() {
    if case .success(let core) = core { core.shutDown() }
  }

  /// Returns facts for support as JSON: versions, counts, states, codes. It holds no key, handle, token or URL.
  public func diagnostics() throws -> String {
    try direct { try $0.diagnostics() }
  }

  /// Sets the network state.
  ///
  /// In `offline` the manager makes no network call. `online` sends queued releases.
  public func setNetworkState(_ state: NetworkState) throws {
    try direct { try $0.setNetworkState(state: state) }
  }

  /// Sets the root folders of media after a volume was added or removed.
  ///
  /// The names are those of the configuration. Assets below a root that is missing here have the status
  /// `PlayabilityReason.volumeMissing` until it returns.
  ///
  /// - Throws: ``LarderError/Code/invalidArgument`` or ``LarderError/Code/relativePath``; the roots are unchanged then.
  public func setRoots(_ roots: [StorageRoot]) throws {
    try direct { try $0.setRoots(roots: roots) }
    givenRoots.all = roots
  }

  var roots: [StorageRoot] { givenRoots.all }

  /// Sets the device's conditions: network, charger, battery, storage. The network in them counts as in
  /// ``setNetworkState(_:)``.
  public func setConditions(_ conditions: DeviceConditions) throws {
    try direct { try $0.setConditions(conditions: conditions) }
  }
}

/// The current roots. Any thread may replace them.
private final class Roots: @unchecked Sendable {
  // Protects `stored`.
  private let lock = NSLock()
  private var stored: [StorageRoot]

  init(_ roots: [StorageRoot]) {
    stored = roots
  }

  var all: [StorageRoot] {
    get { lock.withLock { stored } }
    set { lock.withLock { stored = newValue } }
  }
}
