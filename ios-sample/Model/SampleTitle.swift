import Foundation
import Larder

/// A title that the sample can keep.
struct SampleTitle: Identifiable, Sendable {
  let id: String
  let name: String
  let source: MediaSource
  /// How its media gets onto the device.
  let media: Media

  enum Media: Sendable {
    /// It is in the app's bundle, cut in pieces: this folder's.
    case bundled(folder: String)
    /// `AVAssetDownloadTask` downloads it.
    case downloaded
  }
}

extension SampleTitle {
  /// The titles that the screen lists. Add the source of your own title here; FairPlay has an example.
  static let all: [SampleTitle] = [
    SampleTitle(
      id: "bundled", name: "A clip from the app's bundle",
      source: MediaSource(id: "bundled", url: "https://cdn.example/clip.mp4", format: .mp4),
      media: .bundled(folder: "video-234")),
    SampleTitle(
      id: "bipbop", name: "Apple's HLS example, clear",
      source: MediaSource(
        id: "bipbop",
        url: "https://devstreaming-cdn.apple.com/videos/streaming/examples/img_bipbop_adv_example_ts/master.m3u8",
        format: .hls),
      media: .downloaded),
    SampleTitle(
      id: "fairplay", name: "A film with FairPlay (put your servers here)",
      source: MediaSource(
        id: "fairplay", url: "https://cdn.example/film/master.m3u8", format: .hls,
        drm: [
          DrmParams(
            scheme: .fairPlay, licenseUrl: "https://drm.example/fairplay",
            certificateUrl: "https://drm.example/certificate")
        ]),
      media: .downloaded),
  ]

  static subscript(id: String) -> SampleTitle? { all.first { $0.id == id } }
}
