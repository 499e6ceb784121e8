import AVFoundation
import Foundation
import LarderBindings

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// Downloads HLS with `AVAssetDownloadTask`, which continues in the background, and registers completed downloads.
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
/// Keys are acquired and stored during the download (``LocalAssetsManager/prepareForDownload(asset:mediaSource:assetId:contentId:playbackWindow:session:onFailure:)``).
/// The location of a package is stored as a bookmark and as a path below the app's container, which moves. An interrupted
/// package stays, is reported as incomplete, and is resumed by the next ``start(_:title:entryId:configure:)``.
///
/// **Limits of the system.** It chooses the location, and the app may not move a package. It may delete packages when space
/// runs low, and the user may delete them in Settings; ``LocalAssetsManager/verifyAsset(_:media:licenses:)`` detects this.
/// Closing the app in the app switcher ends its downloads. Playing a title while it downloads stalls the download. The
/// simulator downloads nothing.
///
/// Create one per session identifier and retain it while the app runs. Sources:
/// <https://developer.apple.com/documentation/avfoundation/avassetdownloadurlsession>,
/// <https://developer.apple.com/documentation/avfoundation/offline_playback_and_storage>.
public final class AssetDownloads: @unchecked Sendable {
  /// A change of a download. Delivered on a background thread, in order for each asset.
  public enum Event: Sendable {
    /// The download is complete and registered.
    case registered(AssetStatus)
    /// The download is complete and could not be registered: ``AssetDownloads/restore()`` tries again.
    case notRegistered(assetId: String, LarderError)
    /// The download was interrupted. Another start resumes it.
    case incomplete(assetId: String, LarderError)
    /// A key could not be acquired. The download continues.
    case keyFailed(assetId: String, LarderError)
  }

  /// A download that is not registered yet.
  public struct Download: Sendable, Equatable {
    /// The app's id.
    public let assetId: String
    /// The title that the app gave it.
    public let title: String
    /// Its state.
    public let state: State
    /// The downloaded fraction, 0 to 1, while it runs.
    public let fraction: Double?
    /// The location of its package, once the system has reported it.
    public let location: URL?
  }

  /// The states of a download.
  public enum State: Sendable {
    /// The system downloads it.
    case running
    /// It was interrupted.
    case incomplete
    /// It is complete and not registered yet.
    case downloaded
  }

  /// Creates the session. Tests replace it.
  package typealias MakeSession = (URLSessionConfiguration, any AVAssetDownloadDelegate) -> AVAssetDownloadURLSession

  private let manager: LocalAssetsManager
  private let mediaSource: @Sendable (String) -> MediaSource?
  private let onEvent: @Sendable (Event) -> Void
  private let contentId: FairPlayContentId
  private let playbackWindow: @Sendable (String) -> TimeInterval?
  private let keySession: @Sendable () -> AVContentKeySession
  private let records: AssetDownloadRecords
  private let session: AVAssetDownloadURLSession
  // Protects the properties below.
  private let lock = NSLock()
  private var tasks: [String: AVAssetDownloadTask] = [:]
  private var backgroundEventsFinished: (@MainActor @Sendable () -> Void)?

  /// - Parameters:
  ///   - manager: the manager that registers completed downloads.
  ///   - configuration: a background configuration. Its cellular policy applies to the downloads.
  ///   - mediaSource: returns the source of an asset; `nil` if the app no longer knows it. Called when a download starts,
  ///     and after a relaunch when it continues or ends. Sources hold signed URLs and are not stored here.
  ///   - contentId: the rule for the content identifier, as in ``FairPlayEngine/Options/contentId``.
  ///   - playbackWindow: the playback window of an asset's keys, in seconds from the first playback; `nil` for the whole
  ///     time that they are stored, or if it is not known. As in ``FairPlayEngine/Options/playbackWindow``.
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
    // A session retains its delegate for ever, so the delegate is a relay with a weak reference.
    let relay = DownloadRelay()
    session = makeSession(configuration, relay)
    relay.downloads = self
  }

  deinit {
    session.finishTasksAndInvalidate()
  }

  /// Starts the download of an asset, or resumes an interrupted one. Call it in the foreground, because FairPlay exchanges
  /// no keys in the background.
  ///
  /// - Parameters:
  ///   - assetId: the app's id. The session must not be downloading it already.
  ///   - title: the title that the system's settings show.
  ///   - entryId: the backend's entry id; the asset id by default.
  ///   - configure: sets quality and languages before the task is created.
  /// - Throws: ``LarderError/Code/invalidArgument`` without a source that AVFoundation can download,
  ///   ``LarderError/Code/assetBusy`` while it is being downloaded, ``LarderError/Code/diskFull`` or
  ///   ``LarderError/Code/storeUnavailable`` if its record cannot be written.
  @discardableResult
  public func start(
    _ assetId: String, title: String, entryId: String? = nil,
    configure: (AVAssetDownloadConfiguration) -> Void = { _ in }
  ) throws -> AVAssetDownloadTask {
    guard let source = mediaSource(assetId), source.likelyFormat == .hls, let url = URL(string: source.url) else {
      throw LarderError(.invalidArgument, "the asset has no HLS source: AVFoundation downloads HLS")
    }
    guard lock.withLock({ tasks[assetId] }) == nil else {
      throw LarderError(.assetBusy, "the asset is being downloaded")
    }
    let partial = records[assetId].flatMap(records.location)
    let asset = AVURLAsset(url: partial ?? url)
    prepare(asset, source, assetId)
    let configuration = AVAssetDownloadConfiguration(asset: asset, title: title)
    configure(configuration)
    // The record is written first, so that every package on the disk has an owner.
    var record = records[assetId] ?? AssetDownloadRecords.Record(assetId: assetId)
    (record.title, record.entryId, record.state, record.errorCode) = (title, entryId, .running, nil)
    try writingRecords { try records.put(record) }
    let task = session.makeAssetDownloadTask(downloadConfiguration: configuration)
    task.taskDescription = assetId
    lock.withLock { tasks[assetId] = task }
    task.resume()
    return task
  }

  /// Restores the downloads of earlier runs of the app. Call it at every start.
  ///
  /// Running tasks continue. A download without a task (the user closed the app in the switcher) is incomplete. A complete
  /// download that is not registered is registered now.
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
        interrupt(record.assetId, LarderError(.cancelled, "the download was ended with the app"))
      case .downloaded: await register(record.assetId)
      case .running, .incomplete: break
      }
    }
    return downloads()
  }

  /// Returns every download that is not registered yet, sorted by asset id.
  public func downloads() -> [Download] {
    let running = lock.withLock { tasks }
    return records.all.map { record in
      Download(
        assetId: record.assetId, title: record.title, state: State(record.state),
        fraction: running[record.assetId]?.progress.fractionCompleted, location: records.location(of: record))
    }
  }

  /// Cancels a download and deletes its files. Registered assets are not affected: unregister one, then delete its
  /// package.
  public func remove(_ assetId: String) throws {
    let location = records[assetId].flatMap(records.location)
    // The record goes first: events of a task without a record are ignored.
    try writingRecords { try records.remove(assetId) }
    lock.withLock { tasks.removeValue(forKey: assetId) }?.cancel()
    if let location { try? FileManager.default.removeItem(at: location) }
    if let source = mediaSource(assetId) { try? manager.forgetPreparedKeys(of: source) }
  }

  /// For `application(_:handleEventsForBackgroundURLSession:completionHandler:)`: called on the main queue when all
  /// events of the system are delivered.
  public func whenBackgroundEventsAreFinished(_ completion: @escaping @MainActor @Sendable () -> Void) {
    lock.withLock { backgroundEventsFinished = completion }
  }

  // MARK: - Events of the system

  fileprivate func setLocation(of task: AVAssetDownloadTask, to location: URL) {
    guard let assetId = task.taskDescription else { return }
    // If this fails, the location is lost and the download is reported as incomplete at its end.
    try? records.setLocation(location, of: assetId)
  }

  fileprivate func completed(_ task: URLSessionTask, _ error: (any Error)?) {
    guard let assetId = task.taskDescription, let record = records[assetId] else { return }
    lock.withLock { tasks[assetId] = nil }
    if let error { return interrupt(assetId, LarderError(download: error)) }
    guard let location = records.location(of: record) else {
      return interrupt(
        assetId, LarderError(.mediaNotFound, "the system reported no location for the package"))
    }
    // AVFoundation ends some incomplete tasks without an error.
    guard LocalAssetsManager.isPlayableOffline(location) != false else {
      return interrupt(
        assetId, LarderError(.mediaNotFound, "the package is incomplete: download the rest"))
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

  private func interrupt(_ assetId: String, _ error: LarderError) {
    try? records.change(assetId) { ($0.state, $0.errorCode) = (.incomplete, error.code.rawValue) }
    onEvent(.incomplete(assetId: assetId, error))
  }

  private func register(_ assetId: String) async {
    do {
      guard let record = records[assetId], let location = records.location(of: record) else {
        throw LarderError(.mediaNotFound, "the package is gone")
      }
      guard let source = mediaSource(assetId) else {
        throw LarderError(.invalidArgument, "the app knows no source of the asset")
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

  private func writingRecords(_ body: () throws -> Void) throws {
    do { try body() } catch {
      let cause = error as NSError
      let isDiskFull = cause.domain == NSCocoaErrorDomain && cause.code == NSFileWriteOutOfSpaceError
      throw LarderError(
        isDiskFull ? .diskFull : .storeUnavailable,
        "the record of the download cannot be written: \(cause.domain) \(cause.code)")
    }
  }

  /// Tasks that are passed to another thread.
  private struct Tasks: @unchecked Sendable {
    let all: [AVAssetDownloadTask]

    init(_ all: [AVAssetDownloadTask]) { self.all = all }
  }
}

/// Forwards the system's download events.
private final class DownloadRelay: NSObject, AVAssetDownloadDelegate, @unchecked Sendable {
  // Protects `stored`.
  private let lock = NSLock()
  private weak var stored: AssetDownloads?

  var downloads: AssetDownloads? {
    get { lock.withLock { stored } }
    set { lock.withLock { stored = newValue } }
  }

  // Called once the location is known.
  @available(iOS 18.0, macOS 15.0, *)
  func urlSession(_ session: URLSession, assetDownloadTask: AVAssetDownloadTask, willDownloadTo location: URL) {
    downloads?.setLocation(of: assetDownloadTask, to: location)
  }

  // Called for complete and for interrupted packages.
  func urlSession(_ session: URLSession, assetDownloadTask: AVAssetDownloadTask, didFinishDownloadingTo location: URL) {
    downloads?.setLocation(of: assetDownloadTask, to: location)
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
