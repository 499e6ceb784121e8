@_spi(Stub) import AVFoundation
import Foundation
import Larder
import TestSupport
import Testing

@Suite("Player items of local sources", .timeLimit(.minutes(2)))
struct PlayerItemTests {
  let device: TestDevice
  let manager: LocalAssetsManager

  init() throws {
    device = try TestDevice()
    manager = try LocalAssetsManager(config: device.config(), storage: MemoryDrmStorage())
  }

  @Test("of each group something that is stored is selected: the user's language, else the manifest's, else any")
  func selection() async throws {
    let english = AVMediaSelectionOption("English", language: "en-US")
    let spanish = AVMediaSelectionOption("Español", language: "es")
    let captions = AVMediaSelectionOption("Captions", language: "en")
    let language = Locale.preferredLanguages.first ?? "en"
    for (stored, sound, text) in [
      ([english, spanish, captions], language.hasPrefix("es") ? spanish : english, captions),
      ([spanish], spanish, nil),
      ([spanish, captions], spanish, captions),
      ([], english, nil),
    ] as [([AVMediaSelectionOption], AVMediaSelectionOption, AVMediaSelectionOption?)] {
      let audio = AVMediaSelectionGroup([english, spanish], defaultOption: english)
      let subtitles = AVMediaSelectionGroup([captions], defaultOption: captions, allowsEmptySelection: true)
      let (_, source) = try await clear(
        StubMedia(
          groups: [.audible: audio, .legible: subtitles], stored: StubMedia.Stored(options: Set(stored))))
      let item = try await source.makePlayerItem(manager: manager)
      #expect(item.currentMediaSelection.selectedMediaOption(in: audio) === sound)
      #expect(item.currentMediaSelection.selectedMediaOption(in: subtitles) === text)
    }
  }

  @Test("what AVFoundation did not download is left as its manifest says")
  func otherDownloads() async throws {
    let english = AVMediaSelectionOption("English", language: "en")
    let audio = AVMediaSelectionGroup([english])
    let (_, source) = try await clear(StubMedia(groups: [.audible: audio]))
    let item = try await source.makePlayerItem(manager: manager)
    #expect(item.currentMediaSelection.selectedMediaOption(in: audio) == nil)
  }

  @Test("the first offline playback's failure is tried again with a fresh asset, twice at most")
  func firstOfflineFailure() async throws {
    let offline = NSError(domain: NSURLErrorDomain, code: NSURLErrorNotConnectedToInternet)
    let wrapped = NSError(
      domain: AVFoundationErrorDomain, code: -11800, userInfo: [NSUnderlyingErrorKey: offline])
    #expect(LocalMediaSource.isFirstOfflineFailure(wrapped) && !LocalMediaSource.isFirstOfflineFailure(nil))
    for failures in 0...3 {
      let (_, source) = try await clear(
        StubMedia(stored: StubMedia.Stored(), failures: Array(repeating: wrapped, count: failures)))
      if failures < 3 {
        _ = try await source.makePlayerItem(manager: manager)
      } else {
        await #expect(throws: NSError.self) { try await source.makePlayerItem(manager: manager) }
      }
    }
    let other = NSError(domain: AVFoundationErrorDomain, code: -11829)
    let (_, source) = try await clear(StubMedia(stored: StubMedia.Stored(), failures: [other]))
    await #expect(throws: NSError.self) { try await source.makePlayerItem(manager: manager) }
  }

  @Test("a source that AVPlayer does not play is refused")
  func dash() async throws {
    let source = LocalMediaSource(
      assetId: "a", entryId: "a", url: "file:///a.mpd", format: .dash, isLocal: true, licenses: [])
    #expect(try await thrown { try source.makeAsset(manager: manager) }.code == .formatUnsupported)
  }

  @Test("one line hooks an app's player in: local while something local plays, else what it would have played")
  func oneLine() async throws {
    let provider = Chooser()
    let manager = try LocalAssetsManager(
      config: device.config(dataDir: "second"), storage: MemoryDrmStorage(), sourceURLProvider: provider)
    let location = try device.download(.clearHls)
    let remote = try #require(URL(string: "https://cdn.example/film.m3u8"))
    try await manager.registerAsset(
      try AssetRegistration(
        assetId: "film", location: location, mediaSource: MediaSource(id: "s", url: remote.absoluteString),
        entryId: "entry-1"))
    @MainActor func played(_ entry: String) async throws -> URL? {
      let item = try await manager.playerItem(for: entry, current: remote)
      return (item.asset as? AVURLAsset)?.url
    }
    try manager.setSourceURLMode(.localAlways)
    #expect(try await played("entry-1")?.path == location.path)
    #expect(try await played("entry-2") == remote)
    try manager.setSourceURLMode(.off)
    #expect(try await played("entry-1") == remote)
    let theirs = try #require(URL(string: "https://other.example/film.m3u8"))
    provider.answer.value = theirs
    #expect(try await played("entry-1") == theirs)
    // Asked anew at every start.
    #expect(provider.asked.value == 4)
  }

  @Test("an error of ours survives what AVFoundation wraps around it")
  func errors() throws {
    let ours = LarderError(.licenseExpired, "it has expired", remedy: .reregister, isRetryable: true, httpStatus: 410)
    let direct = NSError(domain: "x", code: 1, userInfo: [NSUnderlyingErrorKey: ours as NSError])
    #expect(LarderError(behind: direct) == ours)
    // As it comes back from another process: domain, number and user info alone.
    let copy = NSError(
      domain: LarderError.errorDomain, code: (ours as NSError).code, userInfo: ours.errorUserInfo)
    #expect(LarderError(behind: NSError(domain: "x", code: 1, userInfo: [NSUnderlyingErrorKey: copy])) == ours)
    #expect(LarderError(behind: NSError(domain: "x", code: 1)) == nil && LarderError(behind: nil) == nil)
  }

  // MARK: -

  private func clear(_ media: StubMedia) async throws -> (URL, LocalMediaSource) {
    let id = UUID().uuidString
    let location = try device.download(.clearHls, as: id)
    try await manager.registerAsset(
      try AssetRegistration(
        assetId: id, location: location, mediaSource: MediaSource(id: "s", url: "https://cdn.example/a.m3u8")))
    StubMedia.put(media, at: location)
    return (location, try manager.getLocalMediaSource(assetId: id))
  }
}

private struct Chooser: SourceURLProvider {
  let answer = Shared<URL?>(nil)
  let asked = Shared(0)

  func sourceURL(for entryId: String, current: URL?) throws -> URL? {
    asked.change { $0 += 1 }
    return answer.value
  }
}
