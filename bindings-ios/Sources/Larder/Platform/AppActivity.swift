import AVFoundation
import Foundation

/// Tracks whether the app is in the background, where FairPlay exchanges no keys.
///
/// Uses UIKit's and Foundation's names only, because a Mac has no UIKit and an extension must not link all of it. It reads
/// the application's state at the start, on the main actor, and then follows notifications. Before that, and without an
/// application object, the app counts as being in the foreground; AVFoundation reports an error if it is not.
final class AppActivity: @unchecked Sendable {
  // https://developer.apple.com/documentation/uikit/uiapplication/didenterbackgroundnotification
  // https://developer.apple.com/documentation/foundation/nsnotification/name-swift.struct/nsextensionhostdidenterbackground
  private static let left = [
    "UIApplicationDidEnterBackgroundNotification", "NSExtensionHostDidEnterBackgroundNotification",
  ]
  // https://developer.apple.com/documentation/uikit/uiapplication/willenterforegroundnotification
  // https://developer.apple.com/documentation/foundation/nsnotification/name-swift.struct/nsextensionhostwillenterforeground
  private static let back = [
    "UIApplicationWillEnterForegroundNotification", "NSExtensionHostWillEnterForegroundNotification",
  ]

  private let notifications: NotificationCenter
  // Protects the properties below.
  private let lock = NSLock()
  private var isAway = false
  private var isTold = false
  private var observers: [any NSObjectProtocol] = []

  /// - Parameter application: the name of the application's class.
  init(_ notifications: NotificationCenter, application: String) {
    self.notifications = notifications
    let names = Self.left.map { ($0, true) } + Self.back.map { ($0, false) }
    let observers = names.map { name, isAway in
      notifications.addObserver(forName: Notification.Name(name), object: nil, queue: nil) { [weak self] _ in
        self?.set(isAway)
      }
    }
    lock.withLock { self.observers = observers }
    Task { @MainActor [weak self] in
      guard let isAway = Self.isInBackground(application) else { return }
      self?.begin(isAway)
    }
  }

  deinit {
    observers.forEach(notifications.removeObserver)
  }

  var isInBackground: Bool { lock.withLock { isAway } }

  func checkForeground() throws {
    if isInBackground { throw inBackground() }
  }

  func inBackground() -> LarderError {
    LarderError(
      .cdmBusy, "FairPlay exchanges no keys while the app is in the background: call again when it is back")
  }

  private func set(_ isAway: Bool) {
    lock.withLock { (self.isAway, isTold) = (isAway, true) }
  }

  /// Sets the first state, unless a notification has come in the meantime.
  private func begin(_ isAway: Bool) {
    lock.withLock { if !isTold { self.isAway = isAway } }
  }

  /// The application's state; `nil` without an application object: in an extension, on a Mac.
  @MainActor
  private static func isInBackground(_ application: String) -> Bool? {
    // An extension has the class but must not use its shared instance.
    if Bundle.main.bundleURL.pathExtension == "appex" { return nil }
    // https://developer.apple.com/documentation/uikit/uiapplication/shared
    let shared = NSSelectorFromString("sharedApplication")
    guard let type = NSClassFromString(application) as? NSObject.Type, type.responds(to: shared),
      let application = type.perform(shared)?.takeUnretainedValue() as? NSObject
    else { return nil }
    // https://developer.apple.com/documentation/uikit/uiapplication/state/background
    return application.value(forKey: "applicationState") as? Int == 2
  }
}
