import Foundation
import LarderBindings

/// The folders of an app that Larder works with.
///
/// iOS moves an app's container with each update, so absolute paths into it do not last. Larder stores paths relative
/// to their innermost ``StorageRoot``; the roots of ``LarderConfig/standard(profile:)`` are these folders.
public enum StorageFolders {
  /// Returns the default folder for downloads: `Downloads` in Documents, excluded from backups and readable after the first
  /// unlock. Creates it if it is missing.
  ///
  /// It is not in Caches, which iOS empties when space runs low: a title that was downloaded for a flight must be there on
  /// the flight.
  ///
  /// - Throws: ``LarderError/Code/storeUnavailable`` if the folder cannot be created or its attributes set.
  public static func downloads() throws -> URL {
    try downloads(in: AppContainer.current)
  }

  package static func downloads(in container: AppContainer) throws -> URL {
    let folder = container.documents.appendingPathComponent("Downloads", isDirectory: true)
    try makeAndMark(folder)
    return folder
  }

  /// Excludes a folder with its contents from backups to iCloud and computers.
  ///
  /// App review rejects apps that back up media which can be downloaded again, and a backup that is restored on another
  /// device has media without licenses. Creates the folder if it is missing. A folder that is deleted and created again
  /// loses the attribute, so call this at every start.
  ///
  /// - Throws: ``LarderError/Code/invalidArgument`` for a URL that is not a file URL,
  ///   ``LarderError/Code/storeUnavailable`` if the folder cannot be created or its attributes set.
  public static func excludeFromBackup(_ folder: URL) throws {
    guard folder.isFileURL else {
      throw LarderError(.invalidArgument, "the folder is not a file URL")
    }
    try makeAndMark(folder)
  }

  /// Returns whether the system excludes a folder from backups. Always false on Linux, which has no such attribute.
  public static func isExcludedFromBackup(_ folder: URL) -> Bool {
    FileMarks.current.isExcludedFromBackup(folder)
  }

  private static func makeAndMark(_ folder: URL) throws {
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try FileMarks.current.excludeFromBackup(folder)
      try FileMarks.current.protectUntilFirstUnlock(folder)
    } catch {
      let cause = error as NSError
      throw LarderError(
        .storeUnavailable, "the folder cannot be created or its attributes set: \(cause.domain) \(cause.code)")
    }
  }
}

/// An app's container: on iOS a folder that has another path after each update.
package struct AppContainer: Sendable {
  package let home: URL
  package let documents: URL
  package let applicationSupport: URL
  package let caches: URL

  /// The container of the running app.
  package static var current: AppContainer {
    let home = URL(fileURLWithPath: NSHomeDirectory(), isDirectory: true)
    let byHand = AppContainer(home: home)
    func place(_ directory: FileManager.SearchPathDirectory, _ otherwise: URL) -> URL {
      FileManager.default.urls(for: directory, in: .userDomainMask).first ?? otherwise
    }
    return AppContainer(
      home: home,
      documents: place(.documentDirectory, byHand.documents),
      applicationSupport: place(.applicationSupportDirectory, byHand.applicationSupport),
      caches: place(.cachesDirectory, byHand.caches))
  }

  /// Creates a container with iOS's layout, for tests of a move.
  package init(home: URL) {
    self.init(
      home: home, documents: home.appendingPathComponent("Documents", isDirectory: true),
      applicationSupport: home.appendingPathComponent("Library/Application Support", isDirectory: true),
      caches: home.appendingPathComponent("Library/Caches", isDirectory: true))
  }

  private init(home: URL, documents: URL, applicationSupport: URL, caches: URL) {
    self.home = home
    self.documents = documents
    self.applicationSupport = applicationSupport
    self.caches = caches
  }

  /// The names never change, because they are stored with every path. `home` is for files elsewhere in the container, such
  /// as the packages of `AVAssetDownloadTask` in `Library/com.apple.UserManagedAssets.…`.
  package var roots: [StorageRoot] {
    [
      StorageRoot(name: "documents", path: documents.path),
      StorageRoot(name: "support", path: applicationSupport.path),
      StorageRoot(name: "caches", path: caches.path),
      StorageRoot(name: "home", path: home.path),
    ]
  }
}

extension StorageRoot {
  /// Documents, Application Support, Caches, and the container around them: `documents`, `support`, `caches`, `home`.
  ///
  /// An app with roots of its own adds them: `StorageRoot.standard + [StorageRoot(name: "films", path: …)]`. A name is
  /// stored with each path below it and must stay the same from version to version.
  public static var standard: [StorageRoot] { AppContainer.current.roots }
}
