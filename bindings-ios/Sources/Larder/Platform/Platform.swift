import Foundation

/// The platform. The only use of conditional compilation: code that differs by platform is compiled everywhere, against
/// stubs on Linux, and selected at run time.
package enum Platform: Sendable {
  /// iOS and iPadOS, also as Mac Catalyst: a sandboxed app with a keychain of its own.
  case iOS
  /// macOS: a desktop. Its data protection keychain is there for signed apps with an entitlement only.
  case macOS
  /// Linux and other desktops.
  case desktop

  package static var current: Platform {
    #if os(iOS) || targetEnvironment(macCatalyst) || os(visionOS)
      .iOS
    #elseif os(macOS)
      .macOS
    #else
      .desktop
    #endif
  }

  /// The engines of a manager for which the app chooses none.
  package var defaultEngines: [any DrmEngine] {
    switch self {
    case .iOS, .macOS: [FairPlayEngine()]
    case .desktop: []
    }
  }
}
