import Foundation
import Security

/// A storage in the keychain, the default on iOS (``LocalAssetsManager/managerWithDefaultDataStore()``).
///
/// Each value is a generic password item, readable after the first unlock, on this device only, not in backups for other
/// devices, and not synchronised. A value is replaced in place, so either the old or the new one always exists.
///
/// **After an uninstall** the keychain keeps an app's items. Each item therefore carries the id of the installation that
/// made it, and the first use in a process removes items of other installations. The id is a file in the app's container,
/// which an uninstall deletes.
///
/// **Errors**: ``LarderError/Code/storageFailed`` for a locked device (call again once the user has unlocked it) and for
/// interaction that is not allowed, ``LarderError/Code/delegateFailed`` for a missing entitlement,
/// ``LarderError/Code/diskFull``. ``Failure/init(_:)`` distinguishes them.
///
/// **Threads**: any. Calls block until the system answers.
///
/// Source: <https://developer.apple.com/documentation/security/keychain-items>.
public final class KeychainDrmStorage: LocalDrmStorage, @unchecked Sendable {
  private let service: String
  private let accessGroup: String?
  private let installation: Installation
  // Protects `isSwept`; held during the sweep, so that no value is stored before it has ended.
  private let lock = NSLock()
  private var isSwept = false

  /// Creates a storage for this app.
  ///
  /// - Parameters:
  ///   - service: the service name of the items, one per app and purpose; by default the bundle identifier with
  ///     `.dev.larder.licenses`.
  ///   - accessGroup: the keychain access group, which must be among the app's entitlements; by default the app's first.
  ///     Apps that share a group need different services, because each would remove the other's items.
  ///   - installFolder: the folder of this installation's id, the same for all storages of one service; by default Larder's
  ///     folder in Application Support. An uninstall must delete it.
  public init(service: String? = nil, accessGroup: String? = nil, installFolder: URL? = nil) {
    self.service = service ?? Self.defaultService
    self.accessGroup = accessGroup
    installation = Installation(
      folder: installFolder ?? AppContainer.current.applicationSupport.appendingPathComponent("dev.larder"))
  }

  private static var defaultService: String {
    (Bundle.main.bundleIdentifier ?? ProcessInfo.processInfo.processName) + ".dev.larder.licenses"
  }

  /// Stores a value durably and replaces an older one.
  public func save(key: String, value: Data) throws {
    let mark = try sweptMark()
    let content: [String: Any] = [
      kSecValueData as String: value,
      kSecAttrGeneric as String: mark,
      kSecAttrAccessible as String: kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly,
    ]
    // Updates, else adds. If another thread or process adds or removes the item in between, tries again.
    for _ in 0..<8 {
      let updated = SecItemUpdate(query(key) as CFDictionary, content as CFDictionary)
      guard updated == errSecItemNotFound else { return try check(updated) }
      let added = SecItemAdd(query(key).merging(content) { $1 } as CFDictionary, nil)
      guard added == errSecDuplicateItem else { return try check(added) }
    }
    throw Failure.status(errSecDuplicateItem).error
  }

  /// Returns a value; `nil` if there is none.
  public func load(key: String) throws -> Data? {
    _ = try sweptMark()
    var one = query(key)
    one[kSecReturnData as String] = true
    one[kSecMatchLimit as String] = kSecMatchLimitOne
    var found: CFTypeRef?
    let status = SecItemCopyMatching(one as CFDictionary, &found)
    if status == errSecItemNotFound { return nil }
    try check(status)
    guard let value = found as? Data else { throw Failure.status(errSecParam).error }
    return value
  }

  /// Removes a value.
  public func remove(key: String) throws {
    _ = try sweptMark()
    let status = SecItemDelete(query(key) as CFDictionary)
    if status != errSecItemNotFound { try check(status) }
  }

  /// Removes the items of earlier installations, once per process, and returns this installation's id.
  private func sweptMark() throws -> Data {
    let mark = try installation.mark()
    try lock.withLock {
      guard !isSwept else { return }
      try sweep(except: mark)
      isSwept = true
    }
    return mark
  }

  private func sweep(except mark: Data) throws {
    var all = query(nil)
    all[kSecMatchLimit as String] = kSecMatchLimitAll
    all[kSecReturnAttributes as String] = true
    var found: CFTypeRef?
    let status = SecItemCopyMatching(all as CFDictionary, &found)
    if status == errSecItemNotFound { return }
    try check(status)
    for item in found as? [[String: Any]] ?? [] {
      guard let account = item[kSecAttrAccount as String] as? String,
        let other = item[kSecAttrGeneric as String] as? Data, Installation.isMark(other), other != mark
      else { continue }
      let deleted = SecItemDelete(query(account) as CFDictionary)
      if deleted != errSecItemNotFound { try check(deleted) }
    }
  }

  private func query(_ account: String?) -> [String: Any] {
    var query: [String: Any] = [
      kSecClass as String: kSecClassGenericPassword,
      kSecAttrService as String: service,
      kSecAttrSynchronizable as String: false,
      // Selects iOS's keychain on a Mac, too, because the Mac's own has no accessibility classes.
      kSecUseDataProtectionKeychain as String: true,
    ]
    query[kSecAttrAccount as String] = account
    query[kSecAttrAccessGroup as String] = accessGroup
    return query
  }

  private func check(_ status: OSStatus) throws {
    if status != errSecSuccess { throw Failure(status).error }
  }
}

extension KeychainDrmStorage {
  /// The reasons for which the keychain refuses a call.
  public enum Failure: Sendable, Equatable {
    /// The device has not been unlocked since its start. The same call works later.
    ///
    /// Apple's status is "interaction not allowed" (-25308), which for items that never ask for interaction means this,
    /// or "no keychain is available" (-25291).
    case deviceLocked
    /// The app lacks the entitlement for the access group, or for a keychain at all (-34018).
    case missingEntitlement
    /// The item needs the user's interaction or passcode, so this storage did not make it (-25315, -25293).
    case interactionNotAllowed
    /// The disk is full (-34).
    case diskFull
    /// Any other result code of the Security framework.
    case status(Int32)

    /// Reads a result code of the Security framework.
    ///
    /// Source: <https://developer.apple.com/documentation/security/security-framework-result-codes>.
    public init(_ status: Int32) {
      switch status {
      case errSecInteractionNotAllowed, errSecNotAvailable: self = .deviceLocked
      case errSecMissingEntitlement: self = .missingEntitlement
      case errSecInteractionRequired, errSecAuthFailed: self = .interactionNotAllowed
      case errSecDiskFull: self = .diskFull
      default: self = .status(status)
      }
    }

    /// Reads an error that a ``KeychainDrmStorage`` threw; `nil` for any other.
    public init?(_ error: any Error) {
      guard let error = error as? LarderError,
        let found = Self.named.first(where: { error.message == $0.error.message }) ?? Self.numbered(error.message)
      else { return nil }
      self = found
    }

    private static let named: [Failure] = [.deviceLocked, .missingEntitlement, .interactionNotAllowed, .diskFull]
    private static let prefix = "the keychain failed with status "

    private static func numbered(_ message: String) -> Failure? {
      guard message.hasPrefix(prefix) else { return nil }
      return Int32(message.dropFirst(prefix.count)).map { .status($0) }
    }

    /// The error that the storage throws.
    public var error: LarderError {
      switch self {
      case .deviceLocked:
        LarderError(
          .storageFailed, "the keychain is locked until the device's first unlock")
      case .missingEntitlement:
        LarderError(
          .delegateFailed, "the app lacks the entitlement for this keychain access group: sign the app with it")
      case .interactionNotAllowed:
        LarderError(
          .storageFailed, "the keychain item needs the user's interaction, which is not allowed now")
      case .diskFull:
        LarderError(.diskFull, "the keychain cannot write: the disk is full")
      case .status(let status):
        LarderError(.storageFailed, Self.prefix + String(status))
      }
    }
  }
}

/// The id of this installation of the app, in a file that an uninstall deletes.
private final class Installation: @unchecked Sendable {
  private static let prefix = "larder-install:"

  private let file: URL
  // Protects `known`; held while the file is read or written, so that a process makes one id.
  private let lock = NSLock()
  private var known: Data?

  init(folder: URL) {
    file = folder.appendingPathComponent("install-id")
  }

  static func isMark(_ data: Data) -> Bool {
    data.starts(with: Data(prefix.utf8))
  }

  func mark() throws -> Data {
    try lock.withLock {
      if let known { return known }
      let mark = try stored() ?? made()
      known = mark
      return mark
    }
  }

  /// Returns the stored id; `nil` only if there is no file. An unreadable file does not mean a new installation, because
  /// the device may be locked.
  private func stored() throws -> Data? {
    do {
      let mark = try Data(contentsOf: file)
      if Self.isMark(mark) { return mark }
      // The mark is damaged and its value lost. Assets whose handles are removed now report that they must be
      // registered again.
      try? FileManager.default.removeItem(at: file)
      return nil
    } catch let error as CocoaError where error.code == .fileReadNoSuchFile {
      return nil
    } catch {
      throw failed("cannot be read: error \((error as NSError).code)")
    }
  }

  /// Makes a new id and links its file into place, so that two processes that make one use the first.
  private func made() throws -> Data {
    let mark = Data((Self.prefix + UUID().uuidString).utf8)
    let folder = file.deletingLastPathComponent()
    let scratch = folder.appendingPathComponent(".\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: scratch) }
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try mark.write(to: scratch)
      // Synced, because the loss of the id in a power cut would remove the items.
      try FileHandle(forUpdating: scratch).synchronize()
      try FileMarks.current.protectUntilFirstUnlock(scratch)
      // A device that restores this file from a backup is another installation.
      try FileMarks.current.excludeFromBackup(scratch)
      try FileManager.default.linkItem(at: scratch, to: file)
      return mark
    } catch let error as CocoaError where error.code == .fileWriteFileExists {
      guard let first = try stored() else { throw failed("changed while it was written") }
      return first
    } catch {
      throw failed("cannot be written: error \((error as NSError).code)")
    }
  }

  private func failed(_ how: String) -> LarderError {
    LarderError(.storageFailed, "the file with the installation's id \(how)")
  }
}
