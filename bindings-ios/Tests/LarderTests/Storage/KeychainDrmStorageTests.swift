import Foundation
import Larder
@_spi(Stub) import Security
import TestSupport
import Testing

@Suite("The storage in the keychain")
struct KeychainDrmStorageTests {
  let device: TestDevice
  let service = UUID().uuidString

  init() throws {
    device = try TestDevice()
  }

  @Test("a value is stored, replaced, given back and removed; what is not there is no error")
  func roundTrip() throws {
    let storage = storage()
    #expect(try storage.load(key: "a") == nil)
    try storage.remove(key: "a")
    for value in [Data("one".utf8), Data("two".utf8), Data(), Data(repeating: 7, count: 100_000)] {
      try storage.save(key: "a", value: value)
      #expect(try storage.load(key: "a") == value)
      #expect(try self.storage().load(key: "a") == value)
    }
    try storage.remove(key: "a")
    #expect(try storage.load(key: "a") == nil)
    #expect(StubKeychain.shared.accounts(of: service).isEmpty)
  }

  @Test(
    "items are for this device, after its first unlock, and not synchronised; service and group are the app's choice")
  func attributes() throws {
    try storage().save(key: "a", value: Data("1".utf8))
    try storage(accessGroup: "TEAM.shared").save(key: "b", value: Data("2".utf8))
    let items = StubKeychain.shared.accounts(of: service)
    for key in ["a", "b"] {
      #expect(items[key]?.accessible == kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly)
      #expect(items[key]?.isSynchronized == false)
    }
    #expect(items["a"]?.group == "TEAM.app" && items["b"]?.group == "TEAM.shared")
  }

  @Test("an item of a weaker class gets the right one when it is replaced")
  func weakerClass() throws {
    let storage = storage()
    try storage.save(key: "a", value: Data("1".utf8))
    #expect(
      SecItemUpdate(Self.item("a", service), [kSecAttrAccessible: kSecAttrAccessibleWhenUnlocked]) == errSecSuccess)
    try storage.save(key: "a", value: Data("2".utf8))
    #expect(
      StubKeychain.shared.accounts(of: service)["a"]?.accessible == kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly)
  }

  @Test("a value is replaced without a moment in which there is neither")
  func noWindow() throws {
    let (storage, reader) = (storage(), storage())
    try storage.save(key: "a", value: Data("old".utf8))
    _ = try reader.load(key: "a")
    let missing = Shared(0)
    let isReading = Shared(false)
    StubKeychain.shared.onCall(service) { call in
      guard call != .copy, !isReading.value else { return }
      isReading.value = true
      if (try? reader.load(key: "a")) == nil { missing.change { $0 += 1 } }
      isReading.value = false
    }
    for n in 0..<10 { try storage.save(key: "a", value: Data("\(n)".utf8)) }
    #expect(missing.value == 0)
  }

  @Test("another process that adds or removes the item in between does not make a save fail")
  func races() throws {
    let storage = storage()
    _ = try storage.load(key: "a")
    let hasStepped = Shared(false)
    StubKeychain.shared.onCall(service) { [service] call in
      guard call == .add, !hasStepped.value else { return }
      hasStepped.value = true
      _ = SecItemAdd(Self.item("a", service).merging([kSecValueData: Data("theirs".utf8)]) { $1 }, nil)
    }
    try storage.save(key: "a", value: Data("ours".utf8))
    #expect(try storage.load(key: "a") == Data("ours".utf8))
    hasStepped.value = false
    StubKeychain.shared.onCall(service) { [service] call in
      guard call == .update, !hasStepped.value else { return }
      hasStepped.value = true
      _ = SecItemDelete(Self.item("a", service))
    }
    try storage.save(key: "a", value: Data("again".utf8))
    #expect(try storage.load(key: "a") == Data("again".utf8))
  }

  @Test("a locked device reads on; before its first unlock it says so, and works again after it")
  func locked() async throws {
    let storage = storage()
    try storage.save(key: "a", value: Data("1".utf8))
    StubKeychain.shared.set(.locked, for: service)
    #expect(try storage.load(key: "a") == Data("1".utf8))
    try storage.save(key: "a", value: Data("2".utf8))
    StubKeychain.shared.set(.beforeFirstUnlock, for: service)
    for call in calls(storage) {
      let error = try await thrown { try call() }
      #expect(error.code == .storageFailed && error.isRetryable && error.remedy == .retry)
      #expect(KeychainDrmStorage.Failure(error) == .deviceLocked)
    }
    StubKeychain.shared.set(.unlocked, for: service)
    #expect(try storage.load(key: "a") == Data("2".utf8))
  }

  @Test(
    "what the keychain refuses is typed",
    arguments: [
      (errSecMissingEntitlement, KeychainDrmStorage.Failure.missingEntitlement),
      (errSecInteractionNotAllowed, .deviceLocked),
      (errSecNotAvailable, .deviceLocked),
      (errSecInteractionRequired, .interactionNotAllowed),
      (errSecAuthFailed, .interactionNotAllowed),
      (errSecDiskFull, .diskFull),
      (errSecParam, .status(-50)),
    ])
  func refusals(status: OSStatus, failure: KeychainDrmStorage.Failure) async throws {
    let storage = storage()
    _ = try storage.load(key: "a")
    StubKeychain.shared.set(.answers(status), for: service)
    for call in calls(storage) {
      let error = try await thrown { try call() }
      #expect(KeychainDrmStorage.Failure(error) == failure, "\(error)")
    }
  }

  @Test("a group that the app is not entitled to is a missing entitlement")
  func foreignGroup() async throws {
    let storage = storage(accessGroup: "OTHER.app")
    let error = try await thrown { try storage.save(key: "a", value: Data()) }
    #expect(KeychainDrmStorage.Failure(error) == .missingEntitlement && !error.isRetryable)
  }

  @Test("what survived an uninstall is swept, and nothing else is")
  func uninstall() throws {
    try storage().save(key: "a", value: Data("old".utf8))
    let foreign = Self.item("not Larder's", service).merging([kSecValueData: Data("x".utf8)]) { $1 }
    #expect(SecItemAdd(foreign, nil) == errSecSuccess)
    // A new start of the same installation keeps it.
    #expect(try storage().load(key: "a") == Data("old".utf8))
    // The container goes with the app, the keychain stays.
    try FileManager.default.removeItem(at: installFolder)
    let storage = storage()
    #expect(try storage.load(key: "a") == nil)
    #expect(Set(StubKeychain.shared.accounts(of: service).keys) == ["not Larder's"])
    try storage.save(key: "a", value: Data("new".utf8))
    #expect(try self.storage().load(key: "a") == Data("new".utf8))
  }

  @Test("a sweep that the locked device refuses is made later, and nothing is stored before it")
  func sweepLater() throws {
    try storage().save(key: "a", value: Data("old".utf8))
    try FileManager.default.removeItem(at: installFolder)
    let storage = storage()
    StubKeychain.shared.set(.beforeFirstUnlock, for: service)
    #expect(throws: LarderError.self) { try storage.save(key: "b", value: Data()) }
    StubKeychain.shared.set(.unlocked, for: service)
    try storage.save(key: "b", value: Data())
    #expect(Set(StubKeychain.shared.accounts(of: service).keys) == ["b"])
  }

  @Test("an id that cannot be read is no new installation")
  func unreadableId() throws {
    try storage().save(key: "a", value: Data("1".utf8))
    let id = installFolder.appendingPathComponent("install-id")
    let mark = try Data(contentsOf: id)
    try FileManager.default.removeItem(at: id)
    // As a protected file before the first unlock: there, and not to be read.
    try FileManager.default.createDirectory(at: id, withIntermediateDirectories: false)
    #expect(throws: LarderError.self) { try storage().load(key: "a") }
    #expect(StubKeychain.shared.accounts(of: service).count == 1)
    try FileManager.default.removeItem(at: id)
    try mark.write(to: id)
    #expect(try storage().load(key: "a") == Data("1".utf8))
  }

  @Test("storages that start at the same time agree on one installation")
  func together() async throws {
    let storages = (0..<8).map { _ in storage() }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (n, storage) in storages.enumerated() {
        group.addTask { try storage.save(key: "\(n)", value: Data("\(n)".utf8)) }
      }
      try await group.waitForAll()
    }
    let last = storage()
    for n in 0..<8 { #expect(try last.load(key: "\(n)") == Data("\(n)".utf8)) }
  }

  @Test("the keychain's failure is the registration's, typed, and leaves no license")
  func registration() async throws {
    let servers = try TestServers()
    let storage = storage()
    let manager = try LocalAssetsManager(config: device.config(), storage: storage, engines: [SwiftClearKey()])
    let location = try device.download(.cencDash)
    _ = try storage.load(key: "x")
    StubKeychain.shared.set(.beforeFirstUnlock, for: service)
    let error = try await thrown {
      try await manager.registerDownloadedAsset(
        location: location, mediaSource: servers.source(.cencDash), assetId: "film")
    }
    #expect(error.code == .storageFailed && error.isRetryable)
    StubKeychain.shared.set(.unlocked, for: service)
    try await manager.registerDownloadedAsset(
      location: location, mediaSource: servers.source(.cencDash), assetId: "film")
    #expect(StubKeychain.shared.accounts(of: service).count == 1)
    #expect(try await manager.verifyAsset("film").isPlayable)

    StubKeychain.shared.set(.beforeFirstUnlock, for: service)
    let license = try #require(try manager.getLocalMediaSource(assetId: "film").licenses.first)
    #expect(try await thrown { try manager.licenseHandle(license.licenseId) }.code == .storageFailed)
    StubKeychain.shared.set(.unlocked, for: service)
    try await manager.unregisterAsset("film")
    try await manager.reconcile()
    #expect(StubKeychain.shared.accounts(of: service).isEmpty)
    #expect(try await servers.licenseRecords().live == 0)
  }

  @Test("it is the default on iOS; desktops keep files")
  func defaults() {
    #expect(device.config().defaultStorage(on: .iOS) is KeychainDrmStorage)
    #expect(device.config().defaultStorage(on: .macOS) is FileDrmStorage)
    #expect(device.config().defaultStorage(on: .desktop) is FileDrmStorage)
  }

  // MARK: -

  private var installFolder: URL { device.folder.appendingPathComponent("install") }

  private func storage(accessGroup: String? = nil) -> KeychainDrmStorage {
    KeychainDrmStorage(service: service, accessGroup: accessGroup, installFolder: installFolder)
  }

  private static func item(_ account: String, _ service: String) -> [String: Any] {
    [kSecClass: kSecClassGenericPassword, kSecAttrService: service, kSecAttrAccount: account]
  }

  private func calls(_ storage: KeychainDrmStorage) -> [() throws -> Void] {
    [
      { try storage.save(key: "a", value: Data()) },
      { _ = try storage.load(key: "a") },
      { try storage.remove(key: "a") },
    ]
  }
}
