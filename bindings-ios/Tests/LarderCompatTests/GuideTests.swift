import AVFoundation
import Foundation
import LarderCompat
import TestSupport
import Testing

@Suite("The guide's code for iOS", .timeLimit(.minutes(1)))
struct GuideTests {
  @Test("downloads with the app's downloader, registers, makes a local entry, renews and unregisters")
  func wholeStory() async throws {
    let device = try TestDevice()
    let app = GuideApp(downloader: AppsDownloader(device))
    let entry = PKMediaEntry(
      "entry-1",
      sources: [
        PKMediaSource("dash", contentUrl: URL(string: "https://cdn.example/a.mpd")),
        PKMediaSource("hls", contentUrl: URL(string: "https://cdn.example/a.m3u8"), mediaFormat: .hls),
      ])

    app.download(entry)
    #expect(app.mediaSource.contentUrl.absoluteString == "https://cdn.example/a.m3u8")
    #expect(app.contentManager.calls == ["add entry-1", "load entry-1 300000", "start entry-1"])
    let error = await withCheckedContinuation { app.finished(entry, $0) }
    #expect(error == nil)
    let playbackUrl = try #require(app.playbackUrl)

    let local = app.localAssetsManager.createLocalMediaEntry(for: "entry-1", localURL: playbackUrl)
    #expect(local.id == "entry-1" && local.sources.map(\.isLocal) == [true])
    #expect(local.sources.first?.contentUrl.path == playbackUrl.path)
    #expect(await withCheckedContinuation { app.renew($0) } == nil)
    #expect(await withCheckedContinuation { app.unregister($0) } == nil)
    #expect(app.localAssetsManager.createLocalMediaEntry(for: "entry-1", localURL: playbackUrl).sources.isEmpty)
    app.localAssetsManager.close()
  }

  @Test("prepares an asset for AVAssetDownloadTask")
  func prepare() throws {
    let app = GuideApp(downloader: AppsDownloader(try TestDevice()))
    app.mediaSource = PKMediaSource(
      "fps", contentUrl: URL(string: "https://cdn.example/a.m3u8"),
      drmData: [FairPlayDRMParams(licenseUri: "https://drm.example/fps", base64EncodedCertificate: "AQID")])
    app.prepare()
    #expect(app.avAsset.url.absoluteString == "https://cdn.example/a.m3u8")
    app.localAssetsManager.close()
  }

  @Test("a FairPlay master playlist as the guide shows it says what its key is")
  func sessionKey() throws {
    let device = try TestDevice()
    let master = device.downloads.appendingPathComponent("master.m3u8")
    let shown =
      ##"#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI="skd://ASSET_ID",KEYFORMAT="com.apple.streamingkeydelivery",KEYFORMATVERSIONS="1""##
    try Data("#EXTM3U\n\(shown)\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n".utf8).write(to: master)
    let needs = try LarderLibrary.findInitData(at: master)
    #expect(needs.map(\.scheme) == [.fairPlay] && needs.map(\.uri) == ["skd://ASSET_ID"])
  }
}

// The guide's lines, with only the import and the `PK` prefix changed.
private final class GuideApp: @unchecked Sendable {
  let localAssetsManager = LocalAssetsManager.managerWithDefaultDataStore()
  let contentManager: AppsDownloader
  // swift-format-ignore: NeverUseImplicitlyUnwrappedOptionals
  var mediaSource: MediaSource!
  // swift-format-ignore: NeverUseImplicitlyUnwrappedOptionals
  var playbackUrl: URL!
  // swift-format-ignore: NeverUseImplicitlyUnwrappedOptionals
  var avAsset: AVURLAsset!

  init(downloader: AppsDownloader) {
    contentManager = downloader
  }

  func download(_ entry: MediaEntry) {
    mediaSource = localAssetsManager.getPreferredDownloadableMediaSource(for: entry)
    contentManager.addItem(id: entry.id, url: mediaSource.contentUrl)
    contentManager.loadItemMetadata(id: entry.id, preferredVideoBitrate: 300000)
    contentManager.startItem(id: entry.id)
  }

  func finished(_ entry: MediaEntry, _ done: CheckedContinuation<Error?, Never>) {
    playbackUrl = contentManager.itemPlaybackUrl(id: entry.id)
    localAssetsManager.registerDownloadedAsset(location: playbackUrl, mediaSource: mediaSource) { error in
      done.resume(returning: error)
    }
  }

  func prepare() {
    avAsset = AVURLAsset(url: mediaSource.contentUrl)
    localAssetsManager.prepareForDownload(asset: avAsset, mediaSource: mediaSource)
  }

  func renew(_ done: CheckedContinuation<Error?, Never>) {
    localAssetsManager.renewDownloadedAsset(location: playbackUrl, mediaSource: mediaSource) { error in
      done.resume(returning: error)
    }
  }

  func unregister(_ done: CheckedContinuation<Error?, Never>) {
    localAssetsManager.unregisterDownloadedAsset(location: playbackUrl) { error in
      done.resume(returning: error)
    }
  }
}

/// Stands for the downloader that an app has from PlayKit's world (its `ContentManager`): the app keeps it, and Larder gets
/// what it has downloaded.
private final class AppsDownloader: @unchecked Sendable {
  private let device: TestDevice
  private let noted = Shared<[String]>([])

  init(_ device: TestDevice) {
    self.device = device
  }

  var calls: [String] { noted.value }

  func addItem(id: String, url: URL) { noted.change { $0.append("add \(id)") } }

  func loadItemMetadata(id: String, preferredVideoBitrate: Int) {
    noted.change { $0.append("load \(id) \(preferredVideoBitrate)") }
  }

  func startItem(id: String) { noted.change { $0.append("start \(id)") } }

  func itemPlaybackUrl(id: String) -> URL? { try? device.download(.clearHls, as: id) }
}
