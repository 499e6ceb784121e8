import AVFoundation
import Foundation

/// The downloads that have begun and are not registered yet, in one file beside the database. The file holds no URL of a
/// server and no key.
final class AssetDownloadRecords: @unchecked Sendable {
  struct Record: Codable, Equatable, Sendable {
    let assetId: String
    var title = ""
    var entryId: String?
    var state = State.running
    /// The location below the container, with a bookmark. The system chooses it and moves it with the container.
    var relativePath: String?
    var bookmark: Data?
    var errorCode: String?
  }

  enum State: String, Codable, Sendable {
    /// The system downloads it, or did so when the app ended.
    case running
    /// It was interrupted and can be resumed.
    case incomplete
    /// It is complete and not registered yet.
    case downloaded
  }

  private let file: URL
  private let home: URL
  // Protects the file and `records`; held during the short write, so that the file matches `records`.
  private let lock = NSLock()
  private var records: [String: Record] = [:]

  init(dataDir: String, home: URL) {
    file = URL(fileURLWithPath: dataDir, isDirectory: true).appendingPathComponent("asset-downloads.json")
    self.home = home
    // A damaged file costs only the resumption of downloads.
    let stored = (try? Data(contentsOf: file)).flatMap { try? JSONDecoder().decode([Record].self, from: $0) } ?? []
    records = Dictionary(stored.map { ($0.assetId, $0) }, uniquingKeysWith: { $1 })
  }

  var all: [Record] { lock.withLock { records.values.sorted { $0.assetId < $1.assetId } } }

  subscript(assetId: String) -> Record? { lock.withLock { records[assetId] } }

  func put(_ record: Record) throws { try change { $0[record.assetId] = record } }

  func change(_ assetId: String, _ body: (inout Record) -> Void) throws {
    try change { records in
      guard var record = records[assetId] else { return }
      body(&record)
      records[assetId] = record
    }
  }

  func remove(_ assetId: String) throws { try change { $0[assetId] = nil } }

  func setLocation(_ location: URL, of assetId: String) throws {
    let path = location.standardizedFileURL.path
    let top = home.standardizedFileURL.path + "/"
    try change(assetId) { record in
      record.relativePath = path.hasPrefix(top) ? String(path.dropFirst(top.count)) : path
      record.bookmark = (try? location.bookmarkData()) ?? record.bookmark
    }
  }

  /// Returns the current location: by its bookmark, which follows the file, else below the current container.
  func location(of record: Record) -> URL? {
    var isStale = false
    if let bookmark = record.bookmark,
      let url = try? URL(resolvingBookmarkData: bookmark, bookmarkDataIsStale: &isStale),
      FileManager.default.fileExists(atPath: url.path)
    {
      return url
    }
    guard let path = record.relativePath else { return nil }
    let url = path.hasPrefix("/") ? URL(fileURLWithPath: path) : home.appendingPathComponent(path)
    return FileManager.default.fileExists(atPath: url.path) ? url : nil
  }

  private func change(_ body: (inout [String: Record]) -> Void) throws {
    try lock.withLock {
      var changed = records
      body(&changed)
      if changed == records { return }
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try JSONEncoder().encode(changed.values.sorted { $0.assetId < $1.assetId }).write(to: file, options: .atomic)
      records = changed
    }
  }
}
