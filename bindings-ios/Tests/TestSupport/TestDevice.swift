import Foundation
import Larder

/// A device for one test: a folder with media that "the app" has downloaded, and another for Larder's database.
package final class TestDevice: Sendable {
  package let folder: URL

  package init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("larder-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: downloads, withIntermediateDirectories: true)
  }

  deinit {
    try? FileManager.default.removeItem(at: folder)
  }

  package var downloads: URL { folder.appendingPathComponent("downloads") }

  /// A configuration that stays inside this device.
  package func config(
    dataDir: String = "data", profile: String = "", softwareClearKey: Bool = false, networkTimeoutSeconds: Int32 = 15,
    engineTimeoutSeconds: Int32 = 60, delegateTimeoutSeconds: Int32 = 10
  ) -> LarderConfig {
    LarderConfig(
      dataDir: folder.appendingPathComponent(dataDir).path,
      roots: [StorageRoot(name: "downloads", path: downloads.path)],
      profile: profile,
      networkTimeoutSeconds: networkTimeoutSeconds,
      engineTimeoutSeconds: engineTimeoutSeconds,
      delegateTimeoutSeconds: delegateTimeoutSeconds,
      softwareClearKey: softwareClearKey)
  }

  /// Downloads a title, as an app would. The answer is its manifest.
  package func download(_ title: Title, as name: String = "film") throws -> URL {
    try copy(title, to: downloads.appendingPathComponent(name))
  }

  /// Puts a title where the test says. The answer is its manifest.
  package func copy(_ title: Title, to place: URL) throws -> URL {
    try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
    try FileManager.default.copyItem(at: Repository.media.appendingPathComponent(title.folder), to: place)
    return place.appendingPathComponent(title.manifest)
  }
}

/// The ways in which the test title is packaged.
package enum Title {
  case clearHls
  case aes128Hls
  case fairPlayHls
  case cencDash

  package var folder: String {
    switch self {
    case .clearHls: "cmaf-clear"
    case .aes128Hls: "hls-aes128"
    case .fairPlayHls: "hls-cbcs"
    case .cencDash: "dash-cenc"
    }
  }

  package var manifest: String {
    self == .cencDash ? "manifest.mpd" : "master.m3u8"
  }

  package var format: MediaFormat {
    self == .cencDash ? .dash : .hls
  }
}

extension TestServers {
  /// Where a title came from. `asset` is noted in the license servers' records.
  package func source(_ title: Title, asset: String = "film", query: String = "") -> MediaSource {
    let drm: [DrmParams] =
      switch title {
      case .clearHls, .aes128Hls: []
      case .fairPlayHls:
        [DrmParams(scheme: .fairPlay, licenseUrl: "\(url)/fairplay/udrm?asset=\(asset)\(query)")]
      case .cencDash:
        [DrmParams(scheme: .clearKey, licenseUrl: "\(url)/clearkey/license?asset=\(asset)\(query)")]
      }
    return MediaSource(
      id: "source-\(asset)", url: "\(url)/media/\(title.folder)/\(title.manifest)", format: title.format, drm: drm)
  }
}
