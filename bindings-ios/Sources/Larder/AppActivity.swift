import Foundation

/// Whether the app is in the background, where FairPlay exchanges no keys.
///
/// By notifications and their names: UIKit's own property is for the main thread, and is not there in extensions nor on a
/// Mac. Until the first notification the app counts as being in the foreground; AVFoundation says if that is wrong.
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
  // Protects what follows.
  private let lock = NSLock()
  private var isAway = false
  private var observers: [any NSObjectProtocol] = []

  init(_ notifications: NotificationCenter) {
    self.notifications = notifications
    let names = Self.left.map { ($0, true) } + Self.back.map { ($0, false) }
    let observers = names.map { name, isAway in
      notifications.addObserver(forName: Notification.Name(name), object: nil, queue: nil) { [weak self] _ in
        self?.set(isAway)
      }
    }
    lock.withLock { self.observers = observers }
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
      .cdmBusy, "FairPlay exchanges no keys while the app is in the background: call again when it is back",
      remedy: .retry, isRetryable: true)
  }

  private func set(_ isAway: Bool) {
    lock.withLock { self.isAway = isAway }
  }
}
