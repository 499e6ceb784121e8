import Foundation
import Larder

/// A clip that is in the app's bundle as an init segment and media segments: one after the other they are an MP4 file.
enum BundledClip {
  /// Puts it together below the app's downloads, where it replaces an older one.
  static func unpack(_ folder: URL, as name: String, into downloads: URL) throws -> URL {
    let pieces = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
    let segments = pieces.filter { $0.pathExtension == "m4s" }.sorted { $0.lastPathComponent < $1.lastPathComponent }
    let film = try (pieces.filter { $0.pathExtension == "mp4" } + segments).reduce(into: Data()) { film, piece in
      film += try Data(contentsOf: piece)
    }
    guard !film.isEmpty else { throw CocoaError(.fileNoSuchFile) }
    try FileManager.default.createDirectory(at: downloads, withIntermediateDirectories: true)
    let place = downloads.appendingPathComponent("\(name).mp4")
    try film.write(to: place, options: .atomic)
    return place
  }
}
