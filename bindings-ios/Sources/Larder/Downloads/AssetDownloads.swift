import AVFoundation
import Foundation
import LarderBindings

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// Downloads HLS with `AVAssetDownloadTask`, which goes on while the app is away, and registers what it has downloaded.
///
/// ```swift
/// let downloads = AssetDownloads(
///   manager: manager, configuration: .background(withIdentifier: "films"),
///   mediaSource: { assetId in catalogue.source(of: assetId) },
///   onEvent: { event in … })
/// await downloads.restore()  // at every start of the app
/// try downloads.start("film-1", title: "A film")
/// ```
///
/// Keys are asked for and stored while it downloads (``LocalAssetsManager/prepareForDownload(asset:mediaSource:assetId:contentId:playbackWindow:session:onFailure:)``).
/// Where the system puts a package is kept as a bookmark and as a path below the app's container, which moves. A package
/// that is broken off stays, is reported as incomplete, and is taken up again by the next ``start(_:title:entryId:configure:)``.
///
/// **Facts of the system.** It chooses the place and the app may not move a package; it may delete one when space runs low,
/// and the user may in Settings: ``LocalAssetsManager/verifyAsset(_:media:licenses:)`` notices. A user who throws the app away in
/// the app switcher ends its downloads. Playing a title while it downloads stalls the download. The simulator downloads
/// nothing.
///
/// One for each session identifier, kept as long as the app runs. Sources:
/// <https://developer.apple.com/documentation/avfoundation/avassetdownloadurlsession>,
/// <https://developer.apple.com/documentation/avfoundation/offline_playback_and_storage>.
public final class AssetDownloads: @unchecked Sendable {
  /// Something that happened to a download. On a background thread, in order for each asset.
  public enum Event: Sendable {
    /// It is here and registered.
    case registered(AssetStatus)
    /// It is here and could not be registered: ``AssetDownloads/restore()`` tries again.
    case notRegistered(assetId: String, LarderError)
    /// It was broken off. What is there can be taken up again by another start.
    case incomplete(assetId: String, LarderError)
    /// A key could not be had; the download goes on.
    case keyFailed(assetId: String, LarderError)
  }

  /// A download that is not registered yet.
  public struct Download: Sendable, Equatable {
    /// The app's id.
    public let assetId: String
    /// The title that the app gave it.
    public let title: String
    /// Where it stands.
    public let state: State
    /// How much of it is here, 0 to 1, while it runs.
    public let fraction: Double?
    /// Where its package lies, if the system has said so.
    public let location: URL?
  }

  /// Where a download stands.
  public enum State: Sendable {
    /// The system downloads it.
    case running
    /// It was broken off.
    case incomplete
    /// It is complete, and not registered.
    case downloaded
  }

  /// Makes the session; a test makes another.
  package typealias MakeSession = (URLSessionConfiguration, any AVAssetDownloadDelegate) -> AVAssetDownloadURLSession

  private let manager: LocalAssetsManager
  private let mediaSource: @Sendable (String) -> MediaSource?
  private let onEvent: @Sendable (Event) -> Void
  private let contentId: FairPlayContentId
  private let playbackWindow: @Sendable (String) -> TimeInterval?
  private let keySession: @Sendable () -> AVContentKeySession
  private let records: AssetDownloadRecords
  private let session: AVAssetDownloadURLSession
  // Protects what follows.
  private let lock = NSLock()
  private var tasks: [String: AVAssetDownloadTask] = [:]
  private var backgroundEventsFinished: (@MainActor @Sendable () -> Void)?

  /// - Parameters:
  ///   - manager: registers what is downloaded.
  ///   - configuration: a background one. Its cellular policy is the downloads'.
  ///   - mediaSource: the source of an asset. Asked when a download starts, and after a relaunch when it goes on or ends:
  ///     sources hold signed URLs and are not stored here. `nil` if the app no longer knows it.
  ///   - contentId: the rule for the content identifier, as in ``FairPlayEngine/Options/contentId``.
  ///   - playbackWindow: how long an asset's keys may be played once playback has begun, in seconds; `nil` if as long as
  ///     they are stored, or if it is not known. As in ``FairPlayEngine/Options/playbackWindow``.
  ///   - onEvent: receives each event.
  public convenience init(
    manager: LocalAssetsManager, configuration: URLSessionConfiguration,
    mediaSource: @escaping @Sendable (_ assetId: String) -> MediaSource?, contentId: FairPlayContentId = .standard,
    playbackWindow: @escaping @Sendable (_ assetId: String) -> TimeInterval? = { _ in nil },
    onEvent: @escaping @Sendable (Event) -> Void = { _ in }
  ) {
    self.init(
      manager: manager, configuration: configuration, mediaSource: mediaSource, contentId: contentId,
      playbackWindow: playbackWindow, onEvent: onEvent,
      home: AppContainer.current.home,
      keySession: { AVContentKeySession(keySystem: .fairPlayStreaming) },
      makeSession: { AVAssetDownloadURLSession(configuration: $0, assetDownloadDelegate: $1, delegateQueue: nil) })
  }

  package init(
    manager: LocalAssetsManager, configuration: URLSessionConfiguration,
    mediaSource: @escaping @Sendable (String) -> MediaSource?, contentId: FairPlayContentId = .standard,
    playbackWindow: @escaping @Sendable (String) -> TimeInterval? = { _ in nil },
    onEvent: @escaping @Sendable (Event) -> Void,
    home: URL, keySession: @escaping @Sendable () -> AVContentKeySession, makeSession: MakeSession
  ) {
    self.manager = manager
    self.mediaSource = mediaSource
    self.contentId = contentId
    self.playbackWindow = playbackWindow
    self.onEvent = onEvent
    self.keySession = keySession
    records = AssetDownloadRecords(dataDir: manager.dataDir, home: home)
    // A session keeps its delegate for ever, so that is not this.
    let relay = DownloadRelay()
    session = makeSession(configuration, relay)
    relay.downloads = self
  }

  deinit {
    session.finishTasksAndInvalidate()
  }

  /// Starts to download an asset, or takes a broken-off download up again. Call it in the foreground, where FairPlay
  /// exchanges keys.
  ///
  /// - Parameters:
  ///   - assetId: the app's id. The session must not be downloading it already.
  ///   - title: what the system's settings show.
  ///   - entryId: the backend's entry id. The asset id if `nil`.
  ///   - configure: quality and languages, before the task is made.
  /// - Throws: ``LarderError/Code/invalidArgument`` without a source that AVFoundation can download,
  ///   ``LarderError/Code/assetBusy`` while it is being downloaded, ``LarderError/Code/storeUnavailable`` if that it has
  ///   begun cannot be noted.
  @discardableResult
  public func start(
    _ assetId: String, title: String, entryId: String? = nil,
    configure: (AVAssetDownloadConfiguration) -> Void = { _ in }
  ) throws -> AVAssetDownloadTask {
    guard let source = mediaSource(assetId), source.likelyFormat == .hls, let url = URL(string: source.url) else {
      throw LarderError(.invalidArgument, "the asset has no HLS source: AVFoundation downloads HLS", remedy: .fixInput)
    }
    guard lock.withLock({ tasks[assetId] }) == nil else {
      throw LarderError(.assetBusy, "the asset is being downloaded", remedy: .retry, isRetryable: true)
    }
    let partial = records[assetId].flatMap(records.location)
    let asset = AVURLAsset(url: partial ?? url)
    prepare(asset, source, assetId)
    let configuration = AVAssetDownloadConfiguration(asset: asset, title: title)
    configure(configuration)
    // Noted before it begins: what is on the disk has an owner.
    var record = records[assetId] ?? AssetDownloadRecords.Record(assetId: assetId)
    (record.title, record.entryId, record.state, record.errorCode) = (title, entryId, .running, nil)
    try noting { try records.put(record) }
    let task = session.makeAssetDownloadTask(downloadConfiguration: configuration)
    task.taskDescription = assetId
    lock.withLock { tasks[assetId] = task }
    task.resume()
    return task
  }

  /// Takes up what an earlier run of the app began: call it at every start.
  ///
  /// Running tasks go on; a download whose task is gone (the user threw the app away) is incomplete; one that was complete
  /// and not registered is registered now.
  @discardableResult
  public func restore() async -> [Download] {
    let found = await withCheckedContinuation { continuation in
      session.getAllTasks { continuation.resume(returning: Tasks($0.compactMap { $0 as? AVAssetDownloadTask })) }
    }
    for task in found.all {
      guard let assetId = task.taskDescription else { continue }
      lock.withLock { tasks[assetId] = task }
      if let source = mediaSource(assetId) { prepare(task.urlAsset, source, assetId) }
    }
    for record in records.all {
      switch record.state {
      case .running where lock.withLock({ tasks[record.assetId] }) == nil:
        breakOff(record.assetId, LarderError(.cancelled, "the download was ended with the app", isRetryable: true))
      case .downloaded: await register(record.assetId)
      case .running, .incomplete: break
      }
    }
    return downloads()
  }

  /// Every download that is not registered yet, by asset id.
  public func downloads() -> [Download] {
    let running = lock.withLock { tasks }
    return records.all.map { record in
      Download(
        assetId: record.assetId, title: record.title, state: State(record.state),
        fraction: running[record.assetId]?.progress.fractionCompleted, location: records.location(of: record))
    }
  }

  /// Ends a download and removes what is there of it. A registered asset is not touched: unregister it, and then delete its
  /// package.
  public func remove(_ assetId: String) throws {
    let location = records[assetId].flatMap(records.location)
    // The record goes first: events of a task without a record are ignored.
    try noting { try records.remove(assetId) }
    lock.withLock { tasks.removeValue(forKey: assetId) }?.cancel()
    if let location { try? FileManager.default.removeItem(at: location) }
    if let source = mediaSource(assetId) { try? manager.forgetPreparedKeys(of: source) }
  }

  /// For `application(_:handleEventsForBackgroundURLSession:completionHandler:)`: called on the main queue when the system
  /// has told everything.
  public func whenBackgroundEventsAreFinished(_ completion: @escaping @MainActor @Sendable () -> Void) {
    lock.withLock { backgroundEventsFinished = completion }
  }

  // MARK: - What the system says

  fileprivate func lies(_ task: AVAssetDownloadTask, at location: URL) {
    guard let assetId = task.taskDescription else { return }
    // On failure the location is lost, and the download is reported as incomplete at its end.
    try? records.setLocation(location, of: assetId)
  }

  fileprivate func completed(_ task: URLSessionTask, _ error: (any Error)?) {
    guard let assetId = task.taskDescription, let record = records[assetId] else { return }
    lock.withLock { tasks[assetId] = nil }
    if let error { return breakOff(assetId, LarderError(download: error)) }
    guard let location = records.location(of: record) else {
      return breakOff(
        assetId, LarderError(.mediaNotFound, "the system did not say where the package is", remedy: .repair))
    }
    // AVFoundation ends tasks without an error that have not got everything.
    guard LocalAssetsManager.isPlayableOffline(location) != false else {
      return breakOff(
        assetId, LarderError(.mediaUnreadable, "the package is incomplete", remedy: .repair, isRetryable: true))
    }
    try? records.change(assetId) { $0.state = .downloaded }
    Task { await register(assetId) }
  }

  fileprivate func finishedBackgroundEvents() {
    let completion = lock.withLock { () -> (@MainActor @Sendable () -> Void)? in
      defer { backgroundEventsFinished = nil }
      return backgroundEventsFinished
    }
    if let completion { Task { @MainActor in completion() } }
  }

  // MARK: -

  private func prepare(_ asset: AVURLAsset, _ source: MediaSource, _ assetId: String) {
    manager.prepareForDownload(
      asset: asset, mediaSource: source, assetId: assetId, contentId: contentId,
      playbackWindow: playbackWindow(assetId),
      session: keySession(),
      onFailure: { [onEvent] in onEvent(.keyFailed(assetId: assetId, $0)) })
  }

  private func breakOff(_ assetId: String, _ error: LarderError) {
    try? records.change(assetId) { ($0.state, $0.errorCode) = (.incomplete, error.code.rawValue) }
    onEvent(.incomplete(assetId: assetId, error))
  }

  private func register(_ assetId: String) async {
    do {
      guard let record = records[assetId], let location = records.location(of: record) else {
        throw LarderError(.mediaNotFound, "the package is gone", remedy: .repair)
      }
      guard let source = mediaSource(assetId) else {
        throw LarderError(.invalidArgument, "the app knows no source of the asset", remedy: .fixInput)
      }
      let status = try await manager.registerDownloadedAsset(
        location: location, mediaSource: source, assetId: assetId, entryId: record.entryId)
      try? records.remove(assetId)
      onEvent(.registered(status))
    } catch {
      let error = LarderError(error)
      try? records.change(assetId) { $0.errorCode = error.code.rawValue }
      onEvent(.notRegistered(assetId: assetId, error))
    }
  }

  private func noting(_ body: () throws -> Void) throws {
    do { try body() } catch {
      let cause = error as NSError
      throw LarderError(
        .storeUnavailable, "the download cannot be noted: \(cause.domain) \(cause.code)", remedy: .freeSpace,
        isRetryable: true)
    }
  }

  /// Tasks on their way to another thread.
  private struct Tasks: @unchecked Sendable {
    let all: [AVAssetDownloadTask]

    init(_ all: [AVAssetDownloadTask]) { self.all = all }
  }
}

/// Passes on what the system says of downloads.
private final class DownloadRelay: NSObject, AVAssetDownloadDelegate, @unchecked Sendable {
  // Protects `stored`.
  private let lock = NSLock()
  private weak var stored: AssetDownloads?

  var downloads: AssetDownloads? {
    get { lock.withLock { stored } }
    set { lock.withLock { stored = newValue } }
  }

  // As soon as there is a location.
  @available(iOS 18.0, macOS 15.0, *)
  func urlSession(_ session: URLSession, assetDownloadTask: AVAssetDownloadTask, willDownloadTo location: URL) {
    downloads?.lies(assetDownloadTask, at: location)
  }

  // Of a complete package, and of one that was broken off.
  func urlSession(_ session: URLSession, assetDownloadTask: AVAssetDownloadTask, didFinishDownloadingTo location: URL) {
    downloads?.lies(assetDownloadTask, at: location)
  }

  func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
    downloads?.completed(task, error)
  }

  func urlSessionDidFinishEvents(forBackgroundURLSession session: URLSession) {
    downloads?.finishedBackgroundEvents()
  }
}

extension AssetDownloads.State {
  fileprivate init(_ state: AssetDownloadRecords.State) {
    switch state {
    case .running: self = .running
    case .incomplete: self = .incomplete
    case .downloaded: self = .downloaded
    }
  }
}
