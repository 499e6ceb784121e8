import Foundation

// https://developer.apple.com/documentation/avfoundation/avmediacharacteristic
@available(iOS 4.0, macOS 10.7, *)
public struct AVMediaCharacteristic: RawRepresentable, Hashable, Sendable {
  public let rawValue: String

  public init(rawValue: String) {
    self.rawValue = rawValue
  }

  // ".../visual"
  public static let visual = AVMediaCharacteristic(rawValue: "public.visual")
  // ".../audible"
  public static let audible = AVMediaCharacteristic(rawValue: "public.audible")
  // ".../legible"
  public static let legible = AVMediaCharacteristic(rawValue: "public.legible")
}

// https://developer.apple.com/documentation/avfoundation/avmediaselectiongroup (not Sendable)
@available(iOS 5.0, macOS 10.8, *)
public final class AVMediaSelectionGroup: NSObject {
  // ".../options"
  public let options: [AVMediaSelectionOption]
  // ".../defaultoption"
  @available(iOS 8.0, macOS 10.10, *)
  public let defaultOption: AVMediaSelectionOption?
  // ".../allowsemptyselection"
  public let allowsEmptySelection: Bool

  @_spi(Stub) public init(
    _ options: [AVMediaSelectionOption], defaultOption: AVMediaSelectionOption? = nil,
    allowsEmptySelection: Bool = false
  ) {
    self.options = options
    self.defaultOption = defaultOption
    self.allowsEmptySelection = allowsEmptySelection
    super.init()
  }

  // ".../mediaselectionoptions(from:filteredandsortedaccordingtopreferredlanguages:)": those in these languages, the most
  // preferred first.
  public class func mediaSelectionOptions(
    from mediaSelectionOptions: [AVMediaSelectionOption],
    filteredAndSortedAccordingToPreferredLanguages preferredLanguages: [String]
  ) -> [AVMediaSelectionOption] {
    preferredLanguages.flatMap { language in
      mediaSelectionOptions.filter { $0.extendedLanguageTag?.hasPrefix(language.prefix(2)) == true }
    }
  }
}

// https://developer.apple.com/documentation/avfoundation/avmediaselectionoption (not Sendable)
@available(iOS 5.0, macOS 10.8, *)
public final class AVMediaSelectionOption: NSObject {
  // ".../displayname"
  public let displayName: String
  // ".../extendedlanguagetag"
  public let extendedLanguageTag: String?

  @_spi(Stub) public init(_ displayName: String, language: String? = nil) {
    self.displayName = displayName
    extendedLanguageTag = language
    super.init()
  }
}

// https://developer.apple.com/documentation/avfoundation/avmediaselection (not Sendable)
@available(iOS 9.0, macOS 10.11, *)
public final class AVMediaSelection: NSObject {
  private let selected: [AVMediaSelectionGroup: AVMediaSelectionOption?]

  init(_ selected: [AVMediaSelectionGroup: AVMediaSelectionOption?]) {
    self.selected = selected
    super.init()
  }

  // ".../selectedmediaoption(in:)"
  public func selectedMediaOption(in mediaSelectionGroup: AVMediaSelectionGroup) -> AVMediaSelectionOption? {
    selected[mediaSelectionGroup] ?? mediaSelectionGroup.defaultOption
  }
}

// https://developer.apple.com/documentation/coremedia/cmtime, which AVFoundation exports.
public struct CMTime: Sendable, Equatable {
  public var value: Int64
  public var timescale: Int32

  // ".../init(seconds:preferredtimescale:)"
  public init(seconds: Double, preferredTimescale: Int32) {
    value = Int64((seconds * Double(preferredTimescale)).rounded())
    timescale = preferredTimescale
  }

  // ".../seconds"
  public var seconds: Double { Double(value) / Double(timescale) }

  // ".../zero"
  public static let zero = CMTime(seconds: 0, preferredTimescale: 1)
}
