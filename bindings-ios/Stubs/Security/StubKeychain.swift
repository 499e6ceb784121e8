import Foundation

/// A keychain with generic password items: one for the process, as Apple's is. Tests stay apart by service.
///
/// A model of ours. An item is known by class, account, service, access group and whether it is synchronised
/// (https://developer.apple.com/documentation/security/errsecduplicateitem); a search without a group looks in all that the
/// app is entitled to, an added item without one goes into the first.
@_spi(Stub) public final class StubKeychain: @unchecked Sendable {
  public static let shared = StubKeychain()

  /// How the device stands, for the items of one service.
  public enum Condition: Sendable {
    /// Unlocked.
    case unlocked
    /// Locked, but unlocked once since its start: items "when unlocked" cannot be read.
    case locked
    /// Not unlocked since its start: items "after first unlock" cannot be read either.
    case beforeFirstUnlock
    /// Every call answers with this status.
    case answers(OSStatus)
  }

  /// One call, as it came.
  public enum Call: Sendable, Equatable {
    case add
    case update
    case copy
    case delete
  }

  private struct Key: Hashable {
    let account: String
    let service: String
    let group: String
    let isSynchronized: Bool
  }

  private struct Item {
    var data: Data
    var generic: Data?
    var accessible: String
  }

  // Protects what follows; never held while the app's code runs, but for `onCall`.
  private let lock = NSLock()
  private var items: [Key: Item] = [:]
  private var conditions: [String: Condition] = [:]
  private var hooks: [String: @Sendable (Call) -> Void] = [:]
  private var groups = ["TEAM.app", "TEAM.shared"]

  /// How the device stands for a service.
  public func set(_ condition: Condition, for service: String) {
    lock.withLock { conditions[service] = condition }
  }

  /// Called before each call on a service's items takes effect, outside the lock: another process may step in here.
  public func onCall(_ service: String, _ hook: @escaping @Sendable (Call) -> Void) {
    lock.withLock { hooks[service] = hook }
  }

  /// The accounts of a service, and what is known of each item.
  public func accounts(of service: String) -> [String: (accessible: String, group: String, isSynchronized: Bool)] {
    lock.withLock {
      var found: [String: (accessible: String, group: String, isSynchronized: Bool)] = [:]
      for (key, item) in items where key.service == service {
        found[key.account] = (item.accessible, key.group, key.isSynchronized)
      }
      return found
    }
  }

  // MARK: - The four calls

  func add(_ attributes: [String: Any]) -> OSStatus {
    guard let service = attributes[kSecAttrService] as? String, let account = attributes[kSecAttrAccount] as? String,
      isGenericPassword(attributes), let data = attributes[kSecValueData] as? Data
    else { return errSecParam }
    called(.add, service)
    return lock.withLock {
      let group = attributes[kSecAttrAccessGroup] as? String ?? groups[0]
      guard groups.contains(group) else { return errSecMissingEntitlement }
      let key = Key(
        account: account, service: service, group: group,
        isSynchronized: attributes[kSecAttrSynchronizable] as? Bool ?? false)
      let item = Item(
        data: data, generic: attributes[kSecAttrGeneric] as? Data,
        accessible: attributes[kSecAttrAccessible] as? String ?? kSecAttrAccessibleWhenUnlocked)
      if let status = refusal(service, item.accessible) { return status }
      guard items[key] == nil else { return errSecDuplicateItem }
      items[key] = item
      return errSecSuccess
    }
  }

  func update(_ query: [String: Any], _ changes: [String: Any]) -> OSStatus {
    guard isGenericPassword(query), let service = query[kSecAttrService] as? String else { return errSecParam }
    // "Only attributes and data": no search or return keys.
    let known = [kSecValueData, kSecAttrGeneric, kSecAttrAccessible]
    guard changes.keys.allSatisfy(known.contains) else { return errSecParam }
    called(.update, service)
    return matching(query) { keys in
      for key in keys {
        if let data = changes[kSecValueData] as? Data { items[key]?.data = data }
        if let generic = changes[kSecAttrGeneric] as? Data { items[key]?.generic = generic }
        if let accessible = changes[kSecAttrAccessible] as? String { items[key]?.accessible = accessible }
      }
    }
  }

  func copy(_ query: [String: Any]) -> (OSStatus, AnyObject?) {
    guard isGenericPassword(query), let service = query[kSecAttrService] as? String else { return (errSecParam, nil) }
    called(.copy, service)
    var found: AnyObject?
    let status = matching(query) { keys in
      if query[kSecMatchLimit] as? String == kSecMatchLimitAll {
        found = keys.map { attributes($0, query) } as AnyObject
      } else if let key = keys.first, query[kSecReturnData] as? Bool == true {
        found = items[key]?.data as AnyObject?
      }
    }
    return (status, found)
  }

  func delete(_ query: [String: Any]) -> OSStatus {
    guard isGenericPassword(query), let service = query[kSecAttrService] as? String else { return errSecParam }
    called(.delete, service)
    return matching(query) { keys in keys.forEach { items[$0] = nil } }
  }

  // MARK: -

  private func attributes(_ key: Key, _ query: [String: Any]) -> [String: Any] {
    var all: [String: Any] = [
      kSecAttrAccount: key.account, kSecAttrService: key.service, kSecAttrAccessGroup: key.group,
    ]
    if let generic = items[key]?.generic { all[kSecAttrGeneric] = generic }
    return all
  }

  private func isGenericPassword(_ query: [String: Any]) -> Bool {
    query[kSecClass] as? String == kSecClassGenericPassword
  }

  private func called(_ call: Call, _ service: String) {
    lock.withLock { hooks[service] }?(call)
  }

  private func refusal(_ service: String, _ accessible: String) -> OSStatus? {
    switch conditions[service] ?? .unlocked {
    case .unlocked: nil
    case .locked: accessible == kSecAttrAccessibleWhenUnlocked ? errSecInteractionNotAllowed : nil
    case .beforeFirstUnlock: errSecInteractionNotAllowed
    case .answers(let status): status
    }
  }

  private func matching(_ query: [String: Any], _ change: ([Key]) -> Void) -> OSStatus {
    lock.withLock {
      let service = query[kSecAttrService] as? String ?? ""
      if case .answers(let status) = conditions[service] ?? .unlocked { return status }
      let group = query[kSecAttrAccessGroup] as? String
      if let group, !groups.contains(group) { return errSecMissingEntitlement }
      let account = query[kSecAttrAccount] as? String
      // Without kSecAttrSynchronizable a search finds what is not synchronised.
      let isSynchronized = query[kSecAttrSynchronizable] as? Bool ?? false
      let found = items.keys.filter { key in
        key.service == service && (account == nil || key.account == account) && key.isSynchronized == isSynchronized
          && groups.contains(key.group) && (group == nil || key.group == group)
      }
      guard !found.isEmpty else {
        // Whether there is one cannot be told before the first unlock.
        return refusal(service, kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly) ?? errSecItemNotFound
      }
      if let status = found.lazy.compactMap({ self.refusal(service, self.items[$0]?.accessible ?? "") }).first {
        return status
      }
      change(found)
      return errSecSuccess
    }
  }
}
