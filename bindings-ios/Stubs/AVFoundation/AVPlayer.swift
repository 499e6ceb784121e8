import Foundation

// https://developer.apple.com/documentation/avfoundation/avfoundationerrordomain-swift.var
public let AVFoundationErrorDomain = "AVFoundationErrorDomain"

// https://developer.apple.com/documentation/avfoundation/avplayeritem
@available(iOS 4.0, macOS 10.7, *)
@MainActor
public final class AVPlayerItem: NSObject {
  // https://developer.apple.com/documentation/avfoundation/avplayeritem/status-swift.enum
  public enum Status: Int, Sendable {
    case unknown = 0
    case readyToPlay = 1
    case failed = 2
  }

  // ".../asset": isolated, for AVAsset is not Sendable.
  public var asset: AVAsset { storedAsset }

  private nonisolated let storedAsset: any AVAsset & Sendable
  // Protects what follows: these members are nonisolated.
  private nonisolated let lock = NSLock()
  private nonisolated(unsafe) var storedStatus = Status.unknown
  private nonisolated(unsafe) var storedError: (any Error)?
  private nonisolated(unsafe) var selected: [AVMediaSelectionGroup: AVMediaSelectionOption?] = [:]

  // ".../init(url:)"
  public nonisolated convenience init(url URL: URL) {
    self.init(asset: AVURLAsset(url: URL))
  }

  // ".../init(asset:)-…": "If you are using a Sendable subclass of AVAsset, such as AVURLAsset, an overload of this
  // initializer will be chosen automatically".
  public nonisolated init(asset: any AVAsset & Sendable) {
    storedAsset = asset
    super.init()
  }

  // ".../status-swift.property"
  public nonisolated var status: Status { lock.withLock { storedStatus } }

  // ".../error"
  public nonisolated var error: (any Error)? { lock.withLock { storedError } }

  // ".../currentmediaselection"
  public nonisolated var currentMediaSelection: AVMediaSelection { lock.withLock { AVMediaSelection(selected) } }

  // ".../select(_:in:)": "Before macOS 13, iOS 16, […] this method must be invoked on the main thread/queue."
  public func select(_ mediaSelectionOption: AVMediaSelectionOption?, in mediaSelectionGroup: AVMediaSelectionGroup) {
    guard mediaSelectionOption != nil || mediaSelectionGroup.allowsEmptySelection else { return }
    lock.withLock { selected[mediaSelectionGroup] = .some(mediaSelectionOption) }
  }

  nonisolated func complete(_ outcome: Result<Void, any Error>) {
    lock.withLock {
      switch outcome {
      case .success: storedStatus = .readyToPlay
      case .failure(let error):
        storedStatus = .failed
        // https://developer.apple.com/documentation/foundation/nsunderlyingerrorkey
        storedError = NSError(
          domain: AVFoundationErrorDomain, code: -11800, userInfo: [NSUnderlyingErrorKey: error as NSError])
      }
    }
  }
}

// https://developer.apple.com/documentation/avfoundation/avplayer
@available(iOS 4.0, macOS 10.7, *)
@MainActor
public final class AVPlayer: NSObject {
  // https://developer.apple.com/documentation/avfoundation/avplayer/timecontrolstatus-swift.enum
  public enum TimeControlStatus: Int, Sendable {
    case paused = 0
    case waitingToPlayAtSpecifiedRate = 1
    case playing = 2
  }

  // ".../ratedidchangenotification": the object is the player.
  @available(iOS 15.0, macOS 12.0, *)
  public nonisolated static let rateDidChangeNotification = NSNotification.Name("AVPlayerRateDidChangeNotification")

  private var observers: [Int: (DispatchQueue?, @Sendable (CMTime) -> Void)] = [:]
  private var count = 0

  // ".../init(playeritem:)"
  public init(playerItem item: AVPlayerItem?) {
    currentItem = item
    super.init()
  }

  // ".../currentitem"
  public private(set) var currentItem: AVPlayerItem?

  // ".../replacecurrentitem(with:)"
  public func replaceCurrentItem(with item: AVPlayerItem?) {
    currentItem = item
    (rate, timeControlStatus) = (0, .paused)
  }

  // ".../timecontrolstatus-swift.property"
  @available(iOS 10.0, macOS 10.12, *)
  public private(set) var timeControlStatus = TimeControlStatus.paused

  // ".../rate"
  public var rate: Float = 0 {
    didSet {
      guard rate != oldValue else { return }
      if rate == 0 { timeControlStatus = .paused }
      NotificationCenter.default.post(name: Self.rateDidChangeNotification, object: self)
    }
  }

  // ".../appliesmediaselectioncriteriaautomatically"
  @available(iOS 7.0, macOS 10.9, *)
  public var appliesMediaSelectionCriteriaAutomatically = true

  // ".../play()": the same as a rate of 1. Media moves once its keys are there.
  public func play() {
    timeControlStatus = .waitingToPlayAtSpecifiedRate
    rate = 1
    guard let item = currentItem, let asset = item.asset as? AVURLAsset else { return }
    Task { await start(item, asset) }
  }

  // ".../pause()": the same as a rate of 0.
  public func pause() {
    rate = 0
  }

  // ".../addperiodictimeobserver(forinterval:queue:using:)": also called "when time jumps and when playback starts or
  // stops". The caller keeps what is returned, and gives it back.
  public func addPeriodicTimeObserver(
    forInterval interval: CMTime, queue: DispatchQueue?, using block: @escaping @Sendable (CMTime) -> Void
  ) -> Any {
    count += 1
    observers[count] = (queue, block)
    return count
  }

  // ".../removetimeobserver(_:)"
  public func removeTimeObserver(_ observer: Any) {
    (observer as? Int).map { _ = observers.removeValue(forKey: $0) }
  }

  /// How many time observers there are.
  @_spi(Stub) public var stubObservers: Int { observers.count }

  private func start(_ item: AVPlayerItem, _ asset: AVURLAsset) async {
    do {
      let media = StubMedia.at(asset.url)
      for identifier in media.keys { try await media.key(identifier, for: asset) }
      item.complete(.success(()))
    } catch {
      item.complete(.failure(error))
    }
    guard currentItem === item, rate != 0, item.status == .readyToPlay else { return }
    timeControlStatus = .playing
    for (queue, block) in observers.values { (queue ?? .main).async { block(.zero) } }
  }
}

// https://developer.apple.com/documentation/avfoundation/averror
public struct AVError: Error, Sendable {
  // https://developer.apple.com/documentation/avfoundation/averror/code
  public enum Code: Int, Sendable {
    case unknown = -11800
    case mediaServicesWereReset = -11819
    case contentIsNotAuthorized = -11835
  }

  // ".../mediaserviceswerereset-swift.type.property": "the operation failed because media services became unavailable".
  public static var mediaServicesWereReset: Code { .mediaServicesWereReset }

  // ".../contentisnotauthorized-swift.type.property"
  public static var contentIsNotAuthorized: Code { .contentIsNotAuthorized }
}
