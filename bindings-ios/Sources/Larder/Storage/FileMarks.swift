import Foundation

/// Sets attributes of Apple's file systems: backup exclusion and data protection. Linux has neither: Foundation accepts
/// the attributes there and drops them, so tests bring an implementation of their own.
package protocol FileMarking: Sendable {
  /// Excludes a file, or a folder with its contents, from backups.
  func excludeFromBackup(_ place: URL) throws

  /// Returns whether a file or folder is excluded from backups.
  func isExcludedFromBackup(_ place: URL) -> Bool

  /// Makes a file readable after the first unlock since the device started, also while it is locked again. New files in a
  /// folder inherit this.
  func protectUntilFirstUnlock(_ place: URL) throws
}

/// The current implementation. A test sets another one for its task.
package enum FileMarks {
  @TaskLocal package static var current: any FileMarking = FoundationFileMarks()
}

/// The implementation with Foundation.
package struct FoundationFileMarks: FileMarking {
  package init() {}

  package func excludeFromBackup(_ place: URL) throws {
    var values = URLResourceValues()
    values.isExcludedFromBackup = true
    var marked = place
    try marked.setResourceValues(values)
  }

  package func isExcludedFromBackup(_ place: URL) -> Bool {
    // A URL caches its resource values, so a new one is made.
    let fresh = URL(fileURLWithPath: place.path, isDirectory: place.hasDirectoryPath)
    let values = try? fresh.resourceValues(forKeys: [.isExcludedFromBackupKey])
    return values?.isExcludedFromBackup ?? false
  }

  package func protectUntilFirstUnlock(_ place: URL) throws {
    do {
      try FileManager.default.setAttributes(
        [.protectionKey: FileProtectionType.completeUntilFirstUserAuthentication], ofItemAtPath: place.path)
    } catch  where Self.isUnsupported(error) {
      // A Mac's disk may support no protection classes; FileVault protects it as a whole.
    }
  }

  private static func isUnsupported(_ error: any Error) -> Bool {
    if let error = error as? CocoaError, error.code == .featureUnsupported { return true }
    let cause = ((error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError) ?? error as NSError
    return cause.domain == NSPOSIXErrorDomain && [ENOTSUP, EINVAL].contains(Int32(cause.code))
  }
}
