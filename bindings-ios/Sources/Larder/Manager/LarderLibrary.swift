import Foundation
import LarderBindings

/// Functions of the library as a whole, without a manager.
public enum LarderLibrary {
  /// The version of the native library, for example `0.1.0`.
  public static var version: String { libraryVersion() }

  /// Sends Larder's log to a sink, from the given level on; `nil` removes the sink.
  ///
  /// Apple's unified log (elsewhere: standard error) receives every line in any case.
  public static func setLogSink(_ sink: (any LogSink)?, level: LogLevel = .info) throws {
    try translatingErrors { try LarderBindings.setLogSink(sink: sink.map(LogSinkAdapter.init), level: level) }
  }

  /// Returns the init data of the media at `location`: all key systems, all tracks, all keys.
  ///
  /// Reads the disk and uses no network. Call it off the main thread.
  ///
  /// - Parameter location: a manifest, a media file, or a folder that holds one manifest.
  /// - Throws: ``LarderError``: `MEDIA_NOT_FOUND`, `MEDIA_UNREADABLE`, `MANIFEST_INVALID`, `MANIFEST_TOO_LARGE`,
  ///   `FORMAT_UNSUPPORTED` or, for protected media without init data, `INIT_DATA_MISSING` or `SESSION_KEY_MISSING`.
  public static func findInitData(at location: URL) throws -> [InitData] {
    let path = try location.mediaPath()
    return try translatingErrors { try LarderBindings.findInitData(path: path) }
  }
}
