import Foundation

#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A storage with one file per value, readable by this user only.
///
/// For desktops, servers and tests. On Apple's systems its files are excluded from backups and protected until the first
/// unlock. Instances with the same folder share its values, also across processes.
public struct FileDrmStorage: LocalDrmStorage {
  private let folder: URL

  /// Creates a storage in this folder, which is created when the first value is saved.
  public init(folder: URL) {
    self.folder = folder
  }

  /// Stores a value: writes a scratch file, syncs it and renames it, so that a crash leaves the old or the new value.
  public func save(key: String, value: Data) throws {
    try makeFolder()
    let place = try file(of: key)
    let scratch = folder.appendingPathComponent(".\(UUID().uuidString)")
    do {
      try write(value, to: scratch)
      guard rename(scratch.path, place.path) == 0 else { throw systemError("rename") }
      try syncFolder()
    } catch {
      try? FileManager.default.removeItem(at: scratch)
      throw error
    }
  }

  /// Returns a value; `nil` if there is none.
  public func load(key: String) throws -> Data? {
    let place = try file(of: key)
    do {
      return try Data(contentsOf: place)
    } catch let error as CocoaError where error.code == .fileReadNoSuchFile {
      return nil
    }
  }

  /// Removes a value.
  public func remove(key: String) throws {
    let place = try file(of: key)
    if unlink(place.path) == 0 { return try syncFolder() }
    guard errno == ENOENT || errno == ENOTDIR else { throw systemError("unlink") }
  }

  // A key is data: bytes that are unsafe in a file name are written in hexadecimal.
  private func file(of key: String) throws -> URL {
    let name = key.utf8.map { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
        String(UnicodeScalar(byte))
      default:
        "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
      }
    }.joined()
    guard !name.isEmpty, name.utf8.count <= 250 else {
      throw LarderError(.storageFailed, "a key of \(key.utf8.count) bytes does not fit in a file name")
    }
    return folder.appendingPathComponent(name)
  }

  private func makeFolder() throws {
    try FileManager.default.createDirectory(
      at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    try FileMarks.current.excludeFromBackup(folder)
  }

  private func write(_ value: Data, to scratch: URL) throws {
    let descriptor = open(scratch.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw systemError("open") }
    let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    try FileMarks.current.protectUntilFirstUnlock(scratch)
    try handle.write(contentsOf: value)
    try handle.synchronize()
    try handle.close()
  }

  private func syncFolder() throws {
    let descriptor = open(folder.path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw systemError("open") }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw systemError("fsync") }
  }

  private func systemError(_ call: String) -> LarderError {
    let number = errno
    return LarderError(.storageFailed, "\(call) failed with errno \(number)")
  }
}
