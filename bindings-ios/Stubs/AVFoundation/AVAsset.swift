import Foundation

// https://developer.apple.com/documentation/avfoundation/avpartialasyncproperty
@available(iOS 15, macOS 12, *)
public class AVPartialAsyncProperty<Root>: @unchecked Sendable where Root: AVAsynchronousKeyValueLoading {
  let name: String

  init(name: String) {
    self.name = name
  }
}

// https://developer.apple.com/documentation/avfoundation/avasyncproperty
@available(iOS 15, macOS 12, *)
public final class AVAsyncProperty<Root, Value>: AVPartialAsyncProperty<Root>, @unchecked Sendable
where Root: AVAsynchronousKeyValueLoading {}

// https://developer.apple.com/documentation/avfoundation/avasynchronouskeyvalueloading
public protocol AVAsynchronousKeyValueLoading: AnyObject {}

extension AVAsynchronousKeyValueLoading {
  // ".../load(_:)"
  @available(iOS 15, macOS 12, *)
  public func load<T: Sendable>(_ property: AVAsyncProperty<Self, T>) async throws -> T {
    guard let asset = self as? AVURLAsset else { throw StubMedia.unknown }
    let media = StubMedia.at(asset.url)
    if let error = media.nextFailure() { throw error }
    let value: Any =
      switch property.name {
      case "isPlayable": true
      case "duration": CMTime(seconds: media.durationSeconds, preferredTimescale: 600)
      case "availableMediaCharacteristicsWithMediaSelectionOptions": Array(media.groups.keys)
      default: throw StubMedia.unknown
      }
    guard let value = value as? T else { throw StubMedia.unknown }
    return value
  }
}

extension AVPartialAsyncProperty where Root: AVAsset {
  // https://developer.apple.com/documentation/avfoundation/avpartialasyncproperty/isplayable
  @available(iOS 15, macOS 12, *)
  public static var isPlayable: AVAsyncProperty<Root, Bool> { AVAsyncProperty(name: "isPlayable") }

  // https://developer.apple.com/documentation/avfoundation/avpartialasyncproperty/duration
  @available(iOS 15, macOS 12, *)
  public static var duration: AVAsyncProperty<Root, CMTime> { AVAsyncProperty(name: "duration") }

  // https://developer.apple.com/documentation/avfoundation/avpartialasyncproperty/availablemediacharacteristicswithmediaselectionoptions
  @available(iOS 15, macOS 12, *)
  public static var availableMediaCharacteristicsWithMediaSelectionOptions:
    AVAsyncProperty<Root, [AVMediaCharacteristic]>
  {
    AVAsyncProperty(name: "availableMediaCharacteristicsWithMediaSelectionOptions")
  }
}

// https://developer.apple.com/documentation/avfoundation/avasset
@available(iOS 4.0, macOS 10.7, *)
open class AVAsset: NSObject, AVAsynchronousKeyValueLoading {}

// https://developer.apple.com/documentation/avfoundation/avurlasset
//
// Sendable (NS_SWIFT_SENDABLE). May be subclassed: "Subclasses of this type that are used from Swift must fulfill the
// requirements of a Sendable type" (AVAsset.h).
@available(iOS 4.0, macOS 10.7, *)
open class AVURLAsset: AVAsset, AVContentKeyRecipient, @unchecked Sendable {
  // ".../url"
  public let url: URL

  // Protects `storedSession`.
  private let lock = NSLock()
  private weak var storedSession: AVContentKeySession?

  // ".../init(url:options:)": the designated initializer.
  public init(url URL: URL, options: [String: Any]? = nil) {
    url = URL
    super.init()
  }

  // ".../resourceloader"
  public let resourceLoader = AVAssetResourceLoader()

  // ".../assetcache": not nil for assets that were downloaded as HLS.
  @available(iOS 10.0, macOS 10.12, *)
  public var assetCache: AVAssetCache? { StubMedia.at(url).stored.map { AVAssetCache($0) } }

  // https://developer.apple.com/documentation/avfoundation/avcontentkeyrecipient/mayrequirecontentkeysformediadataprocessing
  public var mayRequireContentKeysForMediaDataProcessing: Bool { true }

  // https://developer.apple.com/documentation/avfoundation/avasset/loadmediaselectiongroup(for:)
  @available(iOS 15, macOS 12, *)
  public func loadMediaSelectionGroup(
    for mediaCharacteristic: AVMediaCharacteristic
  ) async throws -> AVMediaSelectionGroup? {
    let media = StubMedia.at(url)
    if let error = media.nextFailure() { throw error }
    return media.groups[mediaCharacteristic]
  }

  /// The session whose recipient it is.
  var stubSession: AVContentKeySession? {
    get { lock.withLock { storedSession } }
    set { lock.withLock { storedSession = newValue } }
  }
}

// https://developer.apple.com/documentation/avfoundation/avassetresourceloader
@available(iOS 6.0, macOS 10.9, *)
public final class AVAssetResourceLoader: NSObject, @unchecked Sendable {
  // ".../preloadseligiblecontentkeys": off unless set.
  @available(iOS 9.0, macOS 10.11, *)
  public var preloadsEligibleContentKeys = false
}

// https://developer.apple.com/documentation/avfoundation/avassetcache
@available(iOS 10.0, macOS 10.12, *)
public final class AVAssetCache: NSObject, @unchecked Sendable {
  private let stored: StubMedia.Stored

  init(_ stored: StubMedia.Stored) {
    self.stored = stored
    super.init()
  }

  // ".../isplayableoffline": a complete rendition is there; not every media selection is.
  public var isPlayableOffline: Bool { stored.isComplete }

  // ".../mediaselectionoptions(in:)": those that can be played offline.
  public func mediaSelectionOptions(in mediaSelectionGroup: AVMediaSelectionGroup) -> [AVMediaSelectionOption] {
    mediaSelectionGroup.options.filter { stored.options.contains($0) }
  }
}
