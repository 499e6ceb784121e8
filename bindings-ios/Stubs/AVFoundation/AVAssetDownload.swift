import Foundation
import FoundationNetworking

// https://developer.apple.com/documentation/avfoundation/avassetdownloadconfiguration
@available(iOS 15.0, macOS 12.0, *)
public final class AVAssetDownloadConfiguration: NSObject {
  let asset: AVURLAsset
  let title: String

  // ".../init(asset:title:)"
  public init(asset: AVURLAsset, title: String) {
    self.asset = asset
    self.title = title
    super.init()
  }

  // ".../artworkdata": shown in the system's settings beside the title.
  public var artworkData: Data?

  // ".../optimizesauxiliarycontentconfigurations": true unless set.
  public var optimizesAuxiliaryContentConfigurations = true
}

// https://developer.apple.com/documentation/avfoundation/avassetdownloadurlsession
//
// Its tasks run in a process of the system's and outlive the app; a session with the identifier of an earlier one has
// that one's tasks.
@available(iOS 9.0, macOS 10.15, *)
public final class AVAssetDownloadURLSession: URLSession, @unchecked Sendable {
  private let system: StubDownloads

  // ".../init(configuration:assetdownloaddelegate:delegatequeue:)": needs a background configuration. The session keeps its
  // delegate until it is invalidated.
  public convenience init(
    configuration: URLSessionConfiguration, assetDownloadDelegate delegate: (any AVAssetDownloadDelegate)?,
    delegateQueue: OperationQueue?
  ) {
    self.init(system: .shared, assetDownloadDelegate: delegate, delegateQueue: delegateQueue)
  }

  @_spi(Stub) public init(
    system: StubDownloads, assetDownloadDelegate delegate: (any AVAssetDownloadDelegate)?,
    delegateQueue: OperationQueue?
  ) {
    self.system = system
    super.init(configuration: .ephemeral, delegate: delegate, delegateQueue: delegateQueue)
    system.connect(self, delegate)
  }

  // ".../makeassetdownloadtask(downloadconfiguration:)"
  @available(iOS 15.0, macOS 12.0, *)
  public func makeAssetDownloadTask(downloadConfiguration: AVAssetDownloadConfiguration) -> AVAssetDownloadTask {
    system.begin(AVAssetDownloadTask(downloadConfiguration.asset, downloadConfiguration.title, system))
  }

  // https://developer.apple.com/documentation/foundation/urlsession/getalltasks(completionhandler:)
  public override func getAllTasks(completionHandler: @escaping @Sendable ([URLSessionTask]) -> Void) {
    completionHandler(system.tasks)
  }

  // https://developer.apple.com/documentation/foundation/urlsession/finishtasksandinvalidate()
  public override func finishTasksAndInvalidate() { system.disconnect(self) }

  // https://developer.apple.com/documentation/foundation/urlsession/invalidateandcancel()
  public override func invalidateAndCancel() {
    system.tasks.forEach { $0.cancel() }
    system.disconnect(self)
  }
}

// https://developer.apple.com/documentation/avfoundation/avassetdownloadtask
@available(iOS 9.0, macOS 10.15, *)
public final class AVAssetDownloadTask: URLSessionTask, @unchecked Sendable {
  /// The title that the system's settings show.
  @_spi(Stub) public let title: String
  private let system: StubDownloads
  // Protects what follows.
  private let lock = NSLock()
  private var storedDescription: String?
  private var storedState = URLSessionTask.State.suspended
  private let storedProgress = Progress(totalUnitCount: 100)

  init(_ asset: AVURLAsset, _ title: String, _ system: StubDownloads) {
    self.urlAsset = asset
    self.title = title
    self.system = system
    super.init()
  }

  // ".../urlasset"
  public let urlAsset: AVURLAsset

  // https://developer.apple.com/documentation/foundation/urlsessiontask/taskdescription: kept over relaunches.
  public override var taskDescription: String? {
    get { lock.withLock { storedDescription } }
    set { lock.withLock { storedDescription = newValue } }
  }

  // https://developer.apple.com/documentation/foundation/urlsessiontask/progress
  public override var progress: Progress { storedProgress }

  // https://developer.apple.com/documentation/foundation/urlsessiontask/state-swift.property
  public override var state: URLSessionTask.State { lock.withLock { storedState } }

  // https://developer.apple.com/documentation/foundation/urlsessiontask/resume()
  public override func resume() { change(to: .running) }

  // https://developer.apple.com/documentation/foundation/urlsessiontask/suspend()
  public override func suspend() { change(to: .suspended) }

  // https://developer.apple.com/documentation/foundation/urlsessiontask/cancel(): the delegate gets an error.
  public override func cancel() {
    change(to: .canceling)
    system.end(self, URLError(.cancelled))
  }

  func change(to state: URLSessionTask.State) { lock.withLock { storedState = state } }
}

// https://developer.apple.com/documentation/avfoundation/avassetdownloaddelegate
//
// Apple's protocol is Objective-C's: all methods are optional. An empty default stands for one that is not there.
@available(iOS 9.0, macOS 10.15, *)
public protocol AVAssetDownloadDelegate: URLSessionTaskDelegate {
  // ".../urlsession(_:assetdownloadtask:willdownloadto:)": where it is going to be; the app keeps the location, and moves
  // nothing.
  @available(iOS 18.0, macOS 15.0, *)
  func urlSession(
    _ session: URLSession, assetDownloadTask: AVAssetDownloadTask, willDownloadTo location: URL)

  // ".../urlsession(_:assetdownloadtask:didfinishdownloadingto:)": where it is, also for a download that was broken off:
  // what is there is partial then, and can be taken up again.
  func urlSession(
    _ session: URLSession, assetDownloadTask: AVAssetDownloadTask, didFinishDownloadingTo location: URL)

  // https://developer.apple.com/documentation/foundation/urlsessiondelegate/urlsessiondidfinishevents(forbackgroundurlsession:)
  // URLSessionDelegate's, which Linux's Foundation does not have.
  func urlSessionDidFinishEvents(forBackgroundURLSession session: URLSession)
}

extension AVAssetDownloadDelegate {
  public func urlSession(
    _ session: URLSession, assetDownloadTask: AVAssetDownloadTask, willDownloadTo location: URL
  ) {}

  public func urlSession(
    _ session: URLSession, assetDownloadTask: AVAssetDownloadTask, didFinishDownloadingTo location: URL
  ) {}

  public func urlSessionDidFinishEvents(forBackgroundURLSession session: URLSession) {}
}
