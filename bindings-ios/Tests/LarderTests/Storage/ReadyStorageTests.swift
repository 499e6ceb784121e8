import Foundation
import Larder
import TestSupport
import Testing

@Suite("The ready storages")
struct ReadyStorageTests {
  @Test("they give back what they were given, and nothing once it is removed", arguments: Kind.allCases)
  func roundTrip(kind: Kind) throws {
    let device = try TestDevice()
    let storage = kind.make(device)
    #expect(try storage.load(key: "license.1") == nil)
    try storage.remove(key: "license.1")
    try storage.save(key: "license.1", value: Data([1, 2, 3]))
    try storage.save(key: "license.2", value: Data())
    try storage.save(key: "license.1", value: Data([4]))
    #expect(try storage.load(key: "license.1") == Data([4]))
    #expect(try storage.load(key: "license.2") == Data())
    try storage.remove(key: "license.1")
    #expect(try storage.load(key: "license.1") == nil)
    #expect(try storage.load(key: "license.2") == Data())
  }

  @Test("a key is data: it never leaves the folder", arguments: ["..", "a/b", "../../x", ".", "Ä", "a b", "A", "a"])
  func hostileKeys(key: String) throws {
    let device = try TestDevice()
    let folder = device.folder.appendingPathComponent("handles")
    let storage = FileDrmStorage(folder: folder)
    let before = try FileManager.default.contentsOfDirectory(atPath: device.folder.path).count
    try storage.save(key: key, value: Data(key.utf8))
    #expect(try storage.load(key: key) == Data(key.utf8))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 1)
    #expect(try FileManager.default.contentsOfDirectory(atPath: device.folder.path).count == before + 1)
  }

  @Test("keys that differ only in case have files of their own")
  func caseOfKeys() throws {
    let device = try TestDevice()
    let storage = FileDrmStorage(folder: device.folder.appendingPathComponent("handles"))
    try storage.save(key: "K", value: Data([1]))
    try storage.save(key: "k", value: Data([2]))
    #expect(try storage.load(key: "K") == Data([1]))
  }

  @Test("a key that fits in no file name is an error", arguments: ["", String(repeating: "k", count: 300)])
  func impossibleKeys(key: String) async throws {
    let device = try TestDevice()
    let storage = FileDrmStorage(folder: device.folder)
    let error = try await thrown { try storage.save(key: key, value: Data()) }
    #expect(error.code == .storageFailed)
  }

  @Test("files are for this user only, and no scratch file is left")
  func permissions() throws {
    let device = try TestDevice()
    let folder = device.folder.appendingPathComponent("handles")
    try FileDrmStorage(folder: folder).save(key: "k", value: Data([1]))
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(names == ["k"])
    let file = try FileManager.default.attributesOfItem(atPath: folder.appendingPathComponent("k").path)
    #expect((file[.posixPermissions] as? NSNumber)?.intValue == 0o600)
  }

  @Test("two storages over one folder see the same values, from many threads")
  func shared() async throws {
    let device = try TestDevice()
    let folder = device.folder.appendingPathComponent("handles")
    try await withThrowingTaskGroup(of: Void.self) { group in
      for writer in 0..<8 {
        group.addTask {
          let storage = FileDrmStorage(folder: folder)
          for turn in 0..<10 {
            try storage.save(key: "shared", value: Data(repeating: UInt8(writer), count: 1000))
            try storage.save(key: "own-\(writer)", value: Data([UInt8(turn)]))
            let seen = try #require(try FileDrmStorage(folder: folder).load(key: "shared"))
            #expect(seen.count == 1000 && Set(seen).count == 1)
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try FileDrmStorage(folder: folder).load(key: "own-7") == Data([9]))
  }

  @Test("a folder that cannot be made is an error")
  func noFolder() throws {
    let device = try TestDevice()
    let file = device.folder.appendingPathComponent("file")
    try Data().write(to: file)
    let storage = FileDrmStorage(folder: file.appendingPathComponent("handles"))
    #expect(throws: (any Error).self) { try storage.save(key: "k", value: Data()) }
    try storage.remove(key: "k")
  }

  enum Kind: CaseIterable {
    case memory
    case file

    func make(_ device: TestDevice) -> any LocalDrmStorage {
      switch self {
      case .memory: MemoryDrmStorage()
      case .file: FileDrmStorage(folder: device.folder.appendingPathComponent("handles"))
      }
    }
  }
}
