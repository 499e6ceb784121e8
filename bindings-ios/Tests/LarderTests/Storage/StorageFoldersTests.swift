import Foundation
import Larder
import TestSupport
import Testing

@Suite("The app's folders")
struct AppFoldersTests {
  private let source = MediaSource(id: "s", url: "https://cdn.example/master.m3u8")

  @Test("what is registered below any root plays after an update has moved the container")
  func containerMove() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let before = AppContainer(home: device.folder.appendingPathComponent("Application/AAAA"))
    let places: [(root: String, folder: URL)] = [
      ("documents", try StorageFolders.downloads(in: before)),
      ("support", before.applicationSupport.appendingPathComponent("films")),
      ("caches", before.caches.appendingPathComponent("trailers")),
      ("home", before.home.appendingPathComponent("Library/com.apple.UserManagedAssets.x")),
    ]
    let engine = SwiftClearKey()
    func open(_ container: AppContainer) throws -> LocalAssetsManager {
      let handles = FileDrmStorage(folder: container.applicationSupport.appendingPathComponent("handles"))
      return try LocalAssetsManager(config: .standard(in: container), storage: handles, engines: [engine])
    }
    do {
      let manager = try open(before)
      for place in places {
        let film = try device.copy(.cencDash, to: place.folder.appendingPathComponent("film"))
        try await manager.registerDownloadedAsset(
          location: film, mediaSource: servers.source(.cencDash, asset: place.root), assetId: place.root)
      }
      manager.close()
    }
    try await servers.stop()
    let after = AppContainer(home: device.folder.appendingPathComponent("Application/BBBB"))
    try FileManager.default.moveItem(at: before.home, to: after.home)

    let manager = try open(after)
    #expect(try await manager.open().assets == places.count)
    for place in places {
      let status = try await manager.verifyAsset(place.root)
      #expect(status.isPlayable && status.media == .present && status.warnings.isEmpty)
      #expect(status.root == place.root)
      let local = try manager.getLocalMediaSource(assetId: place.root)
      let url = try #require(URL(string: local.url))
      #expect(url.path.hasPrefix(after.home.path + "/"))
      #expect(try manager.asset(at: url)?.assetId == place.root)
      #expect(try !manager.licenseHandle(try #require(local.licenses.first).licenseId).isEmpty)
    }
  }

  @Test("a root that has gone takes its assets along, and brings them back")
  func goneRoot() async throws {
    let device = try TestDevice()
    let manager = try LocalAssetsManager(config: device.config(), storage: MemoryDrmStorage())
    let location = try device.download(.clearHls)
    try await manager.registerDownloadedAsset(location: location, mediaSource: source, assetId: "film")
    try manager.setRoots([])
    let gone = try await manager.status(of: "film")
    #expect(!gone.isPlayable && gone.why == .volumeMissing)
    #expect(try await thrown { try manager.getLocalMediaSource(assetId: "film") }.code == .volumeMissing)
    try manager.setRoots(device.config().roots)
    #expect(try await manager.status(of: "film").isPlayable)
    let relative = [StorageRoot(name: "downloads", path: "relative")]
    #expect(try await thrown { try manager.setRoots(relative) }.code == .relativePath)
    #expect(try await manager.status(of: "film").isPlayable)
  }

  @Test("the roots have names that never change, innermost first")
  func rootNames() {
    #expect(StorageRoot.standard.map(\.name) == ["documents", "support", "caches", "home"])
    #expect(LarderConfig.standard().roots == StorageRoot.standard)
    #expect(StorageRoot.standard.allSatisfy { $0.path.hasPrefix("/") })
  }

  @Test("downloads go to a folder of their own in Documents, out of backups and readable while the device is locked")
  func downloads() throws {
    let device = try TestDevice()
    let marks = Marks()
    let container = AppContainer(home: device.folder)
    let folder = try FileMarks.$current.withValue(marks) { try StorageFolders.downloads(in: container) }
    #expect(folder.path == device.folder.path + "/Documents/Downloads")
    #expect(FileManager.default.fileExists(atPath: folder.path))
    #expect(marks.excluded == [folder.path] && marks.protected == [folder.path])
    #expect(FileMarks.$current.withValue(marks) { StorageFolders.isExcludedFromBackup(folder) })
  }

  @Test("a folder of the app's own is made and excluded, again at every start")
  func ownFolder() throws {
    let device = try TestDevice()
    let (first, second) = (Marks(), Marks())
    let folder = device.folder.appendingPathComponent("films", isDirectory: true)
    try FileMarks.$current.withValue(first) { try StorageFolders.excludeFromBackup(folder) }
    try FileManager.default.removeItem(at: folder)
    try FileMarks.$current.withValue(second) { try StorageFolders.excludeFromBackup(folder) }
    #expect(first.excluded == [folder.path] && second.excluded == [folder.path])
    #expect(FileManager.default.fileExists(atPath: folder.path))
  }

  @Test("a folder that cannot be marked is an error, not a silent backup")
  func cannotMark() async throws {
    let device = try TestDevice()
    let folder = device.folder.appendingPathComponent("films")
    let error = try await thrown {
      try FileMarks.$current.withValue(Marks(failing: true)) { try StorageFolders.excludeFromBackup(folder) }
    }
    #expect(error.code == .storeUnavailable && error.isRetryable)
    let web = try #require(URL(string: "https://cdn.example/"))
    #expect(try await thrown { try StorageFolders.excludeFromBackup(web) }.code == .invalidArgument)
  }

  @Test("the database's folder and files are out of backups and protected until the first unlock, old files too")
  func database() async throws {
    let device = try TestDevice()
    let config = device.config()
    let first = try LocalAssetsManager(config: config, storage: MemoryDrmStorage())
    try await first.open()
    let files = try FileManager.default.contentsOfDirectory(atPath: config.dataDir)
    #expect(!files.isEmpty)

    let marks = Marks()
    let second = try FileMarks.$current.withValue(marks) {
      try LocalAssetsManager(config: config, storage: MemoryDrmStorage())
    }
    try await second.open()
    #expect(marks.excluded == [config.dataDir])
    #expect(marks.protected.contains(config.dataDir))
    #expect(marks.protected.isSuperset(of: files.map { "\(config.dataDir)/\($0)" }))
  }

  @Test(
    "a database in an app group's container is refused: iOS ends an app that is suspended in a transaction there",
    arguments: [
      "/private/var/mobile/Containers/Shared/AppGroup/0F1E/Library/larder",
      "/var/mobile/Containers/Shared/AppGroup/0F1E/../0F1E/larder",
      "/Volumes/disk/Library/Group Containers/group.dev/larder",
    ])
  func appGroup(path: String) async throws {
    let error = try await thrown { try LocalAssetsManager(config: LarderConfig(dataDir: path)) }
    #expect(error.code == .invalidArgument && error.remedy == .fixInput)
    #expect(!FileManager.default.fileExists(atPath: path))
  }
}

/// The marks of a file system that has them.
private final class Marks: FileMarking {
  private let failing: Bool
  private let made = Shared<(excluded: Set<String>, protected: Set<String>)>(([], []))

  init(failing: Bool = false) {
    self.failing = failing
  }

  var excluded: Set<String> { made.value.excluded }
  var protected: Set<String> { made.value.protected }

  func excludeFromBackup(_ place: URL) throws {
    if failing { throw CocoaError(.fileWriteNoPermission) }
    made.change { _ = $0.excluded.insert(place.path) }
  }

  func isExcludedFromBackup(_ place: URL) -> Bool { excluded.contains(place.path) }

  func protectUntilFirstUnlock(_ place: URL) throws {
    made.change { _ = $0.protected.insert(place.path) }
  }
}
