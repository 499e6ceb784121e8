import Foundation
import FoundationNetworking

/// The system's process that downloads for apps: it goes on when the app ends, and forgets all when the user throws the app
/// away. A model of ours. A test says when a download proceeds; no byte is fetched.
@_spi(Stub) public final class StubDownloads: @unchecked Sendable {
  static let shared = StubDownloads()

  // Protects what follows; never held while a delegate is called.
  private let lock = NSLock()
  private var running: [AVAssetDownloadTask] = []
  private weak var session: AVAssetDownloadURLSession?
  private var delegate: (any AVAssetDownloadDelegate)?
  // Serial, as a delegate queue is.
  private let queue = DispatchQueue(label: "com.apple.nsurlsessiond.stub")

  public init() {}

  /// Tasks that have not ended.
  public var tasks: [AVAssetDownloadTask] { lock.withLock { running } }

  /// The user has thrown the app away in the app switcher: its tasks are gone without a word.
  public func forgetAll() {
    lock.withLock { running = [] }
  }

  /// Lets a download run: asks for the keys of the media that lies at the asset's URL, as AVFoundation does when it meets
  /// them, then says where it lies, and then that it has ended.
  ///
  /// - Parameters:
  ///   - location: where the package is, which the test has put there.
  ///   - error: why it is broken off, if it is; what is at `location` is partial then.
  public func run(_ task: AVAssetDownloadTask, to location: URL, error: (any Error)? = nil) async throws {
    guard task.state == .running else { throw URLError(.cancelled) }
    tell { delegate, session in
      if #available(iOS 18.0, macOS 15.0, *) {
        delegate.urlSession(session, assetDownloadTask: task, willDownloadTo: location)
      }
    }
    let media = StubMedia.at(task.urlAsset.url)
    for key in media.keys { try? await media.key(key, for: task.urlAsset) }
    task.progress.completedUnitCount = error == nil ? 100 : 50
    tell { $0.urlSession($1, assetDownloadTask: task, didFinishDownloadingTo: location) }
    end(task, error)
    await idle()
  }

  /// Waits until the delegate has been told everything.
  public func idle() async {
    await withCheckedContinuation { continuation in queue.async { continuation.resume() } }
  }

  /// The system woke the app, and all events have been delivered.
  public func finishBackgroundEvents() {
    tell { $0.urlSessionDidFinishEvents(forBackgroundURLSession: $1) }
  }

  func connect(_ session: AVAssetDownloadURLSession, _ delegate: (any AVAssetDownloadDelegate)?) {
    lock.withLock { (self.session, self.delegate) = (session, delegate) }
  }

  func disconnect(_ session: AVAssetDownloadURLSession) {
    lock.withLock { if self.session === session { (self.session, self.delegate) = (nil, nil) } }
  }

  func begin(_ task: AVAssetDownloadTask) -> AVAssetDownloadTask {
    lock.withLock { running.append(task) }
    return task
  }

  func end(_ task: AVAssetDownloadTask, _ error: (any Error)?) {
    let wasRunning = lock.withLock { () -> Bool in
      defer { running.removeAll { $0 === task } }
      return running.contains { $0 === task }
    }
    guard wasRunning else { return }
    task.change(to: .completed)
    tell { $0.urlSession($1, task: task, didCompleteWithError: error) }
  }

  private func tell(_ what: @escaping @Sendable (any AVAssetDownloadDelegate, URLSession) -> Void) {
    queue.async { [self] in
      let (session, delegate) = lock.withLock { (self.session, self.delegate) }
      if let session, let delegate { what(delegate, session) }
    }
  }
}
