import Foundation

extension LarderConfig {
  /// Where an app usually keeps things: the database in Application Support, media anywhere below the home folder, which
  /// on iOS is the app's container and moves with each update.
  ///
  /// - Parameter profile: a namespace for one of the app's users.
  public static func standard(profile: String = "") -> LarderConfig {
    let home = URL(fileURLWithPath: NSHomeDirectory(), isDirectory: true)
    let support =
      FileManager.default.urls(for: .applicationSupportDirectory, in: .userDomainMask).first
      ?? home.appendingPathComponent("Library/Application Support")
    return LarderConfig(
      dataDir: support.appendingPathComponent("dev.larder").path,
      roots: [StorageRoot(name: "home", path: home.path)],
      profile: profile)
  }

  func defaultStorage() -> any LocalDrmStorage {
    FileDrmStorage(folder: URL(fileURLWithPath: dataDir, isDirectory: true).appendingPathComponent("licenses"))
  }

  // A restored backup must not bring licences of another device. If this fails, opening will say why.
  func keepOutOfBackups() {
    #if canImport(Darwin)
      guard dataDir.hasPrefix("/") else { return }
      var folder = URL(fileURLWithPath: dataDir, isDirectory: true)
      try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      var values = URLResourceValues()
      values.isExcludedFromBackup = true
      try? folder.setResourceValues(values)
    #endif
  }
}
