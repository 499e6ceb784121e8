import Foundation
@_spi(Stub) import Security
import Testing

/// The behaviour of the keychain that the stub models. A change here is a decision about Apple's behaviour.
@Suite("The stub of the keychain")
struct KeychainStubTests {
  let service = UUID().uuidString

  @Test("an item is added once, updated where it is, read and deleted")
  func items() {
    #expect(update("a", "1") == errSecItemNotFound)
    #expect(add("a", "1") == errSecSuccess)
    #expect(add("a", "2") == errSecDuplicateItem)
    #expect(read("a") == "1")
    #expect(update("a", "2") == errSecSuccess)
    #expect(read("a") == "2")
    #expect(SecItemDelete(query("a")) == errSecSuccess)
    #expect(SecItemDelete(query("a")) == errSecItemNotFound)
    #expect(read("a") == nil)
  }

  @Test("what is not synchronised is not found among what is, nor added into a group of others")
  func groups() {
    #expect(add("a", "1") == errSecSuccess)
    var other = query("a")
    other[kSecAttrSynchronizable] = true
    #expect(SecItemDelete(other) == errSecItemNotFound)
    other = query("b")
    other[kSecAttrAccessGroup] = "OTHER.app"
    other[kSecValueData] = Data()
    #expect(SecItemAdd(other, nil) == errSecMissingEntitlement)
    #expect(StubKeychain.shared.accounts(of: service)["a"]?.group == "TEAM.app")
  }

  @Test("a locked device gives what may be read after its first unlock, and nothing before that")
  func locked() {
    #expect(add("first", "1", accessible: kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly) == errSecSuccess)
    #expect(add("unlocked", "1", accessible: kSecAttrAccessibleWhenUnlocked) == errSecSuccess)
    StubKeychain.shared.set(.locked, for: service)
    #expect(read("first") == "1" && read("unlocked") == nil)
    StubKeychain.shared.set(.beforeFirstUnlock, for: service)
    #expect(read("first") == nil && add("second", "1") == errSecInteractionNotAllowed)
    #expect(SecItemDelete(query("third")) == errSecInteractionNotAllowed)
    StubKeychain.shared.set(.unlocked, for: service)
    #expect(read("unlocked") == "1")
  }

  @Test("all items of a service are listed with their attributes and without their data")
  func list() throws {
    #expect(add("a", "1") == errSecSuccess && add("b", "2") == errSecSuccess)
    var all = query(nil)
    all[kSecMatchLimit] = kSecMatchLimitAll
    all[kSecReturnAttributes] = true
    var found: CFTypeRef?
    #expect(SecItemCopyMatching(all, &found) == errSecSuccess)
    let items = try #require(found as? [[String: Any]])
    #expect(Set(items.compactMap { $0[kSecAttrAccount] as? String }) == ["a", "b"])
    #expect(items.allSatisfy { $0[kSecValueData] == nil })
  }

  private func query(_ account: String?) -> [String: Any] {
    var query: [String: Any] = [kSecClass: kSecClassGenericPassword, kSecAttrService: service]
    query[kSecAttrAccount] = account
    return query
  }

  private func add(_ account: String, _ value: String, accessible: String = kSecAttrAccessibleWhenUnlocked) -> OSStatus
  {
    var item = query(account)
    item[kSecValueData] = Data(value.utf8)
    item[kSecAttrAccessible] = accessible
    return SecItemAdd(item, nil)
  }

  private func update(_ account: String, _ value: String) -> OSStatus {
    SecItemUpdate(query(account), [kSecValueData: Data(value.utf8)])
  }

  private func read(_ account: String) -> String? {
    var one = query(account)
    one[kSecReturnData] = true
    var found: CFTypeRef?
    guard SecItemCopyMatching(one, &found) == errSecSuccess, let data = found as? Data else { return nil }
    return String(decoding: data, as: UTF8.self)
  }
}
