import Foundation

/// The media at a URL, for assets made of it. Nothing is read: a test declares the media.
@_spi(Stub) public final class StubMedia: @unchecked Sendable {
  /// The result of an `AVAssetDownloadTask`.
  public struct Stored: @unchecked Sendable {
    public var isComplete: Bool
    public var options: Set<AVMediaSelectionOption>

    public init(isComplete: Bool = true, options: Set<AVMediaSelectionOption> = []) {
      self.isComplete = isComplete
      self.options = options
    }
  }

  /// Its media selection groups.
  public let groups: [AVMediaCharacteristic: AVMediaSelectionGroup]
  /// The identifiers of its keys.
  public let keys: [String]
  /// The downloaded part; `nil` for media that AVFoundation did not download.
  public let stored: Stored?
  let durationSeconds: Double
  /// Whether its keys are asked for on AirPlay's behalf, which cannot persist.
  public let isOnAirPlay: Bool
  // Protects `failures`.
  private let lock = NSLock()
  private var failures: [NSError]

  /// - Parameter failures: what the first attempts to load something fail with.
  public init(
    groups: [AVMediaCharacteristic: AVMediaSelectionGroup] = [:], keys: [String] = [], stored: Stored? = nil,
    durationSeconds: Double = 60, isOnAirPlay: Bool = false, failures: [NSError] = []
  ) {
    self.groups = groups
    self.keys = keys
    self.stored = stored
    self.durationSeconds = durationSeconds
    self.isOnAirPlay = isOnAirPlay
    self.failures = failures
  }

  /// From now on, this lies there.
  public static func put(_ media: StubMedia, at url: URL) {
    table.lock.withLock { table.media[url.standardizedFileURL.path] = media }
  }

  /// Whether nothing was put there.
  public static func isEmpty(at url: URL) -> Bool {
    table.lock.withLock { table.media[url.standardizedFileURL.path] } == nil
  }

  /// Returns the media at a URL.
  public static func at(_ url: URL) -> StubMedia {
    table.lock.withLock { table.media[url.standardizedFileURL.path] } ?? StubMedia()
  }

  static let unknown = NSError(domain: AVFoundationErrorDomain, code: -11829)

  func nextFailure() -> NSError? {
    lock.withLock { failures.isEmpty ? nil : failures.removeFirst() }
  }

  /// Gets one key for an asset, as a player does. Fails if nobody answers for it.
  public func key(_ identifier: String, for asset: AVURLAsset) async throws {
    guard let session = asset.stubSession, session.isLive else {
      throw NSError(domain: AVFoundationErrorDomain, code: -11835)
    }
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
      session.ask(identifier, canPersist: !isOnAirPlay) { continuation.resume(with: $0) }
    }
  }

  private final class Table: @unchecked Sendable {
    let lock = NSLock()
    var media: [String: StubMedia] = [:]
  }

  private static let table = Table()
}
