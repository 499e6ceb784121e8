import Foundation
import LarderBindings

/// The registry of what lies on this device: register downloaded media while online, play it later without a network,
/// DRM included.
///
/// ```swift
/// let manager = LocalAssetsManager.managerWithDefaultDataStore()
/// try await manager.registerDownloadedAsset(location: fileURL, mediaSource: source, assetId: "film-1")
/// // later, on a plane
/// let entry = try manager.createLocalMediaEntry(for: "film-1", localURL: fileURL)
/// ```
///
/// **Threads.** Everything may be called from any thread or task, several calls at once. Managers over one
/// `LarderConfig.dataDir` share one store. What is not `async` answers from memory; only the first such call waits until
/// the store is open, so `await` ``open()`` once where that must not happen on the main thread.
///
/// **Errors.** Everything throws ``LarderError``, and `CancellationError` where a task was cancelled.
///
/// **Cancellation.** A cancelled task stops a registration, a refresh or a renewal between two of its steps; what it
/// began is undone first, a license that was granted already is released or its release is queued. A removal that has
/// begun is finished. Other calls return at once.
///
/// **Completion handlers.** Each `async` function has a form with a completion handler, which runs on the main queue,
/// exactly once.
public final class LocalAssetsManager: Sendable {
  // A factory cannot throw where PlayKit's could not: what went wrong there is thrown by every call instead.
  let core: Result<FfiManager, LarderError>
  private let givenRoots: Roots
  let schemes: Set<DrmScheme>
  let dataDir: String
  let preparedKeys: PreparedKeys
  let downloadSessions = DownloadSessions()

  /// A manager with a configuration and delegates of the app's own. It starts to open in the background.
  ///
  /// The manager keeps its delegates until it goes.
  ///
  /// - Parameters:
  ///   - config: where and for whom it works. See ``LarderConfig/standard(profile:)``.
  ///   - storage: keeps the handles of licenses. The default is what ``managerWithDefaultDataStore()`` uses, below
  ///     `config.dataDir`.
  ///   - engines: one CDM per key system; the first of a key system counts.
  ///   - requestAdapter: changes requests to license servers.
  ///   - tokenProvider: gives tokens for them.
  ///   - sourceURLProvider: chooses what a player plays.
  ///   - httpClient: sends requests in place of the built-in client: ``URLSessionHttpClient``, for instance.
  /// - Throws: ``LarderError/Code/invalidArgument`` for a configuration that cannot work.
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
    // FairPlay is what Apple's players bring themselves.
    self.schemes = Set(schemes).union([.fairPlay]).union(config.softwareClearKey ? [.clearKey] : [])
  }

  /// A manager in the app's own folder with the platform's storage for licenses: ``KeychainDrmStorage`` on iOS,
  /// ``FileDrmStorage`` on desktops. On Apple's systems it has a ``FairPlayEngine``.
  ///
  /// What PlayKit's function of this name gave. It cannot throw; should the folder not be usable, every call says so.
  public static func managerWithDefaultDataStore() -> LocalAssetsManager {
    standard(storage: nil)
  }

  /// A manager in the app's own folder with a storage of the app's own for licenses.
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
  /// Not needed: every call waits by itself. It tells early whether the store is there and what was found, and lets
  /// later calls that are not `async` answer at once.
  ///
  /// - Throws: ``LarderError/Code/storeUnavailable`` or ``LarderError/Code/diskFull``; the next call tries again.
  @discardableResult
  public func open() async throws -> OpenReport {
    try await abandonable { try await $0.open() }
  }

  /// Ends this manager: later calls fail with ``LarderError/Code/closed``, running ones end as they would.
  ///
  /// Closing twice is closing once. Other managers over the same folder stay open.
  public func close() {
    if case .success(let core) = core { core.shutDown() }
  }

  /// Facts for support, as JSON: versions, counts, states, codes. No key, handle, token or URL.
  public func diagnostics() throws -> String {
    try direct { try $0.diagnostics() }
  }

  /// Tells the manager what the app knows of the network.
  ///
  /// `offline` means that no network call is made at all. `online` sends what is queued.
  public func setNetworkState(_ state: NetworkState) throws {
    try direct { try $0.setNetworkState(state: state) }
  }

  /// The folders below which media lies now: a volume has come or gone.
  ///
  /// Names are those given at opening. Assets below a root that is not among them are `PlayabilityReason.volumeMissing` until it is again.
  ///
  /// - Throws: ``LarderError/Code/invalidArgument`` or ``LarderError/Code/relativePath``; then nothing has changed.
  public func setRoots(_ roots: [StorageRoot]) throws {
    try direct { try $0.setRoots(roots: roots) }
    givenRoots.all = roots
  }

  var roots: [StorageRoot] { givenRoots.all }

  /// Tells the manager what the device is like now: its network, charger, battery, storage. Its network counts as
  /// ``setNetworkState(_:)`` has it.
  public func setConditions(_ conditions: DeviceConditions) throws {
    try direct { try $0.setConditions(conditions: conditions) }
  }
}

/// The roots of this run. Another thread may give others.
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
