import Foundation

/// Sets attributes of Apple's file systems: backup exclusion and data protection. Linux has neither: Foundation accepts
/// the attributes there and drops them, so tests bring an implementation of their own.
package protocol FileMarking: Sendable {
  /// Keeps a file, or a folder with all in it, out of backups.
  func excludeFromBackup(_ place: URL) throws

  /// Whether backups leave it out.
  func isExcludedFromBackup(_ place: URL) -> Bool

  /// Makes it readable from the first unlock after a start of the device on, also while the device is locked again; a
  /// folder passes this on to what is made in it.
  func protectUntilFirstUnlock(_ place: URL) throws
}

/// The marks that are in force; a test sets others for its own task.
package enum FileMarks {
  @TaskLocal package static var current: any FileMarking = FoundationFileMarks()
}

/// Foundation's own.
package struct FoundationFileMarks: FileMarking {
  package init() {}

  package func excludeFromBackup(_ place: URL) throws {
    var values = URLResourceValues()
    values.isExcludedFromBackup = true
    var marked = place
    try marked.setResourceValues(values)
  }

  package func isExcludedFromBackup(_ place: URL) -> Bool {
    // A URL caches what it was asked once.
    let fresh = URL(fileURLWithPath: place.path, isDirectory: place.hasDirectoryPath)
    let values = try? fresh.resourceValues(forKeys: [.isExcludedFromBackupKey])
    return values?.isExcludedFromBackup ?? false
  }

  package func protectUntilFirstUnlock(_ place: URL) throws {
    do {
      try FileManager.default.setAttributes(
        [.protectionKey: FileProtectionType.completeUntilFirstUserAuthentication], ofItemAtPath: place.path)
    } catch  where Self.isUnsupported(error) {
      // A Mac's disk may know no classes: FileVault protects it as a whole.
    }
  }

  private static func isUnsupported(_ error: any Error) -> Bool {
    if let error = error as? CocoaError, error.code == .featureUnsupported { return true }
    let cause = ((error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError) ?? error as NSError
    return cause.domain == NSPOSIXErrorDomain && [ENOTSUP, EINVAL].contains(Int32(cause.code))
  }
}
