import Foundation
import LarderBindings

extension LarderConfig {
  /// The standard configuration: the database in Application Support, media below the folders of
  /// ``StorageRoot/standard``.
  ///
  /// - Parameter profile: a namespace for one of the app's users.
  public static func standard(profile: String = "") -> LarderConfig {
    standard(profile: profile, in: AppContainer.current)
  }

  package static func standard(profile: String = "", in container: AppContainer) -> LarderConfig {
    LarderConfig(
      dataDir: container.applicationSupport.appendingPathComponent("dev.larder").path,
      roots: container.roots,
      profile: profile)
  }

  /// Returns the storage of license handles for an app that brings none: the keychain on iOS, files on desktops, whose
  /// keychain asks an unsigned app for a password or refuses it.
  package func defaultStorage(on platform: Platform = .current) -> any LocalDrmStorage {
    switch platform {
    case .iOS:
      KeychainDrmStorage()
    case .macOS, .desktop:
      FileDrmStorage(folder: URL(fileURLWithPath: dataDir, isDirectory: true).appendingPathComponent("licenses"))
    }
  }

  /// Refuses a folder in an app group's container. iOS kills a process that is suspended while it holds a file lock there
  /// (`0xdead10cc`), and SQLite holds such locks.
  func checkDataDir() throws {
    let path = URL(fileURLWithPath: dataDir).standardizedFileURL.path
    guard path.contains("/Containers/Shared/AppGroup/") || path.contains("/Library/Group Containers/") else { return }
    throw LarderError(
      .invalidArgument,
      "dataDir lies in an app group's container, where iOS ends an app that is suspended in a transaction: "
        + "use the app's own container")
  }

  /// Creates the database's folder and sets its attributes: it is excluded from backups, which would bring licenses of
  /// another device, and it is readable while the device is locked, for downloads that end in the background. A failure
  /// here is reported by opening.
  func prepareDataDir() {
    guard dataDir.hasPrefix("/") else { return }
    let folder = URL(fileURLWithPath: dataDir, isDirectory: true)
    try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try? FileMarks.current.excludeFromBackup(folder)
    try? FileMarks.current.protectUntilFirstUnlock(folder)
    // New files inherit the folder's protection class. Existing files of an app with a stricter default keep theirs, so
    // it is set here.
    let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
    for file in files { try? FileMarks.current.protectUntilFirstUnlock(file) }
  }
}
