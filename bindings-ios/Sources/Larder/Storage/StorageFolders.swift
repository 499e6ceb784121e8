import Foundation
import LarderBindings

/// The folders of an app that Larder works with.
///
/// iOS moves an app's container with each update, so no absolute path into it lasts. Larder stores a path relative to the
/// innermost ``StorageRoot`` that it lies in; the roots of ``LarderConfig/standard(profile:)`` are these folders.
public enum StorageFolders {
  /// Where the app's downloads belong unless it has a place of its own: `Downloads` in Documents, out of backups and
  /// readable after the first unlock. It is made when missing.
  ///
  /// Documents and not Caches: iOS empties Caches when space runs low, and a title that was downloaded for a flight must
  /// be there on the flight.
  ///
  /// - Throws: ``LarderError/Code/storeUnavailable`` if the folder cannot be made or marked.
  public static func downloads() throws -> URL {
    try downloads(in: AppContainer.current)
  }

  package static func downloads(in container: AppContainer) throws -> URL {
    let folder = container.documents.appendingPathComponent("Downloads", isDirectory: true)
    try makeAndMark(folder)
    return folder
  }

  /// Keeps a folder of the app's, and all that is in it, out of iCloud's and the computer's backups.
  ///
  /// Media that can be downloaded again does not belong into a backup: apps are rejected for it, and a backup that is
  /// restored on another device brings media without the licenses to play it. The folder is made when missing. The mark
  /// belongs to the folder: one that is deleted and made again needs it again, so call this at every start.
  ///
  /// - Throws: ``LarderError/Code/invalidArgument`` for what is no file URL, ``LarderError/Code/storeUnavailable`` if the
  ///   folder cannot be made or marked.
  public static func excludeFromBackup(_ folder: URL) throws {
    guard folder.isFileURL else {
      throw LarderError(.invalidArgument, "the folder is not a file URL", remedy: .fixInput)
    }
    try makeAndMark(folder)
  }

  /// Whether the system says that a folder stays out of backups. Always false on Linux, which has no such mark.
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
        .storeUnavailable, "the folder cannot be made or marked: \(cause.domain) \(cause.code)", remedy: .retry,
        isRetryable: true)
    }
  }
}

/// An app's container: on iOS a folder that has another path after each update.
package struct AppContainer: Sendable {
  package let home: URL
  package let documents: URL
  package let applicationSupport: URL
  package let caches: URL

  /// The one that the app runs in.
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

  /// One laid out as on iOS, for tests of what happens when it moves.
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

  /// The names are stored with every path: they never change. `home` is for what lies elsewhere in the container, such as
  /// the packages of `AVAssetDownloadTask` in `Library/com.apple.UserManagedAssets.…`.
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
