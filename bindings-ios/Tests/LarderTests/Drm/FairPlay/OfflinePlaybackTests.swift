@_spi(Stub) import AVFoundation
import Foundation
import Larder
import TestSupport
import Testing

extension FairPlaySuites {
  @Suite("Playing a FairPlay title offline", .timeLimit(.minutes(2)))
  struct OfflinePlaybackTests {
    @Test("the stored key plays, and no server hears of it")
    func hardOffline() async throws {
      let device = try FairPlayTestDevice()
      try await device.register()
      try device.manager.setNetworkState(.offline)
      let before = try await device.servers.requests().count
      let (player, item) = try await device.play()
      #expect(item.status == .readyToPlay)
      try await eventually("it does not play") { @MainActor in player.timeControlStatus == .playing }
      #expect(try await device.servers.requests().count == before)
      #expect(device.fairPlay.requests.last?.answer.map { if case .response = $0 { true } else { false } } == true)
      #expect(device.fairPlay.misuses.isEmpty)
    }

    @Test("an asset keeps its session and its delegate, asks for no key by itself, and is tidied away with them")
    func lifetime() async throws {
      let device = try FairPlayTestDevice()
      try await device.register()
      let source = try device.manager.getLocalMediaSource(assetId: "film")
      var asset: AVURLAsset? = try source.makeAsset(manager: device.manager, session: device.session())
      #expect(asset?.resourceLoader.preloadsEligibleContentKeys == false)
      let url = try #require(asset?.url)
      #expect(url.isFileURL && url.path == URL(string: source.url)?.path)
      try await StubMedia().key(FairPlayTestDevice.keyURI, for: try #require(asset))
      asset = nil
      try await device.isTidy()
    }

    @Test("a player that needs another URL, as of a server on this device, gets it with the same keys")
    func anotherURL() async throws {
      let device = try FairPlayTestDevice()
      try await device.register()
      let url = try #require(URL(string: "http://127.0.0.1:8080/film/master.m3u8"))
      let source = try device.manager.getLocalMediaSource(assetId: "film")
      let asset = try source.makeAsset(manager: device.manager, url: url, session: device.session())
      #expect(asset.url == url)
      try await StubMedia().key(FairPlayTestDevice.keyURI, for: asset)
    }

    enum Trouble: CaseIterable {
      case expired
      case windowOver
      case unregistered
      case handleLost
      case storageLocked
      case anotherKey
      case airPlay

      var code: LarderError.Code {
        switch self {
        case .expired, .windowOver: .licenseExpired
        case .unregistered: .assetNotFound
        case .handleLost: .licenseUnreadable
        case .storageLocked: .storageFailed
        case .anotherKey: .licenseMissing
        case .airPlay: .assetNotPlayable
        }
      }
    }

    @Test(
      "a key that is not to be had fails the item at once, with our error, and never leaves it silent",
      arguments: Trouble.allCases)
    func refused(trouble: Trouble) async throws {
      let isLocked = Shared(false)
      let storage = SteppedStorage { step in
        if step == .load, isLocked.value { throw KeychainDrmStorage.Failure.deviceLocked.error }
      }
      let device = try FairPlayTestDevice(storage: storage) { $0.playbackWindow = { _ in 1 } }
      try await device.register(from: device.source(query: trouble == .expired ? "&duration_seconds=1" : ""))
      let source = try device.manager.getLocalMediaSource(assetId: "film")
      var media = StubMedia(keys: [FairPlayTestDevice.keyURI])
      switch trouble {
      case .expired:
        try await eventually("it does not expire") {
          try await device.manager.status(of: "film").why == .licenseExpired
        }
      case .windowOver:
        try device.manager.playbackStarted("film", at: Date(timeIntervalSinceNow: -60))
        try await eventually("its window stays open") {
          try await device.manager.status(of: "film").why == .playbackWindowOver
        }
      case .unregistered: try await device.manager.unregisterAsset("film")
      case .handleLost: for key in storage.memory.keys { try storage.memory.remove(key: key) }
      case .storageLocked: isLocked.value = true
      case .anotherKey: media = StubMedia(keys: ["skd://another"])
      case .airPlay: media = StubMedia(keys: [FairPlayTestDevice.keyURI], isOnAirPlay: true)
      }
      StubMedia.put(media, at: try #require(URL(string: source.url)))
      let item = try await item(of: source, device)
      let player = await AVPlayer(playerItem: item)
      await player.play()
      try await eventually("the item stays silent") { item.status != .unknown }
      #expect(item.status == .failed)
      let cause = try #require(LarderError(behind: item.error))
      #expect(cause.code == trouble.code, "\(cause)")
      #expect(device.fairPlay.unanswered.isEmpty && device.fairPlay.misuses.isEmpty)
    }

    @Test("a delegate of the app's own hears why a key was refused")
    func told() async throws {
      let device = try FairPlayTestDevice()
      try await device.register()
      let player = try OwnPlayer(of: device)
      try await player.key()
      await #expect(throws: (any Error).self) { try await player.key("skd://another") }
      // The player's error and the app's news of it come by ways of their own.
      try await eventually("our refusal is not told") { player.told.value == [.licenseMissing] }
      device.fairPlay.forgetAll()
      await #expect(throws: (any Error).self) { try await player.key() }
      try await eventually("AVFoundation's refusal is not told") { player.told.value == [.licenseMissing, .cdmFailed] }
    }

    @Test("a title that was renewed while it is open plays with the new key")
    func renewedMeanwhile() async throws {
      let device = try FairPlayTestDevice()
      try await device.register()
      let source = try device.manager.getLocalMediaSource(assetId: "film")
      let asset = try source.makeAsset(manager: device.manager, session: device.session())
      try await StubMedia().key(FairPlayTestDevice.keyURI, for: asset)
      try await device.manager.refreshAsset("film")
      try await device.manager.reconcile()
      try await StubMedia().key(FairPlayTestDevice.keyURI, for: asset)
    }

    @Test("a key that changes when its license has been replaced takes nothing from the new one")
    func changedTooLate() async throws {
      let device = try FairPlayTestDevice()
      // Without a playback duration: this test says itself when the key changes.
      try await device.register(from: device.source(query: "&playback_seconds=never"))
      let player = try OwnPlayer(of: device)
      try await player.key()

      let status = try await device.manager.refreshAsset("film")
      let new = try #require(status.licenses.first { $0.state == .active }).licenseId
      let key = try device.manager.licenseHandle(new)
      // The player's next request has not come yet, or its status has been asked for already.
      for isTaken in [false, true] {
        if isTaken {
          await #expect(throws: (any Error).self) { try await player.key("skd://another") }
        }
        player.changeKey()
        #expect(try device.manager.licenseHandle(new) == key)
      }
      try await player.key()
    }

    // MARK: - Dual expiry

    @Test("the first playback's new key is stored in the place of the old one, and is what the next start plays with")
    func dualExpiry() async throws {
      let device = try FairPlayTestDevice { $0.playbackWindow = { _ in 600 } }
      let old = try #require(
        try await device.register(from: device.source(query: "&playback_seconds=600")).licenses.first
      ).licenseId
      let oldKey = try device.manager.licenseHandle(old)
      #expect(try await device.play().item.status == .readyToPlay)
      try await eventually("the new key was not stored") {
        try await device.manager.status(of: "film").licenses.first { $0.state == .active }?.licenseId != old
      }
      let status = try await device.manager.status(of: "film")
      let new = try #require(status.licenses.first { $0.state == .active })
      let newKey = try device.manager.licenseHandle(new.licenseId)
      #expect(newKey != oldKey && device.fairPlay.opens(newKey) && !device.fairPlay.opens(oldKey))
      // From now on the playback duration is the key's whole life.
      #expect(abs(try #require(status.expires.date).timeIntervalSinceNow - 600) < 60)
      #expect(try await device.play().item.status == .readyToPlay)
      device.fairPlay.clockAheadSeconds = 601
      #expect(try await device.play().item.status == .failed)
      try await device.manager.reconcile()
      #expect(device.storage.keys.count == 1)
      #expect(device.fairPlay.misuses.isEmpty)
    }

    @Test("nothing is answered with the old key once there is a new one, however long storing it takes")
    func slowStorage() async throws {
      let (saving, free, isSlow) = (Gate(), Gate(), Shared(false))
      let storage = SteppedStorage { step in
        guard step == .save, isSlow.value else { return }
        saving.open()
        free.wait()
      }
      let device = try FairPlayTestDevice(storage: storage)
      try await device.register(from: device.source(query: "&playback_seconds=600"))
      let source = try device.manager.getLocalMediaSource(assetId: "film")
      let asset = try source.makeAsset(manager: device.manager, session: device.session())
      isSlow.value = true
      try await StubMedia().key(FairPlayTestDevice.keyURI, for: asset)
      await saving.opened()
      let second = Task { try await StubMedia().key(FairPlayTestDevice.keyURI, for: asset) }
      try await eventually("the second request did not come") { device.fairPlay.requests.count == 3 }
      #expect(device.fairPlay.requests.last?.answer == nil)
      free.open()
      // The old key is void: it would fail.
      try await second.value
    }

    @Test("a new key that the storage does not take is used from memory and stored as soon as it does")
    func unstoredKey() async throws {
      let isLocked = Shared(false)
      let storage = SteppedStorage { step in
        if step == .save, isLocked.value { throw KeychainDrmStorage.Failure.deviceLocked.error }
      }
      let device = try FairPlayTestDevice(storage: storage)
      let old = try #require(
        try await device.register(from: device.source(query: "&playback_seconds=600")).licenses.first
      ).licenseId
      isLocked.value = true
      let player = try OwnPlayer(of: device)
      try await player.key()
      try await eventually("nobody is told") { player.told.value.contains(.storageFailed) }
      // The old key is void; the new one is only in memory.
      try await player.key()
      isLocked.value = false
      try await eventually("it is not stored later") {
        try await device.manager.status(of: "film").licenses.first { $0.state == .active }?.licenseId != old
      }
      #expect(try await device.play().item.status == .readyToPlay)
    }

    @Test("a player that is let go of as soon as it plays does not take the new key along")
    func closedAtOnce() async throws {
      let (onLoad, gate) = (Shared<(@Sendable () -> Void)?>(nil), Gate())
      let storage = SteppedStorage { step in if step == .load { onLoad.value?() } }
      let device = try FairPlayTestDevice(storage: storage)
      let before = try await device.register(from: device.source(query: "&playback_seconds=600"))
      do {
        let player = try OwnPlayer(of: device)
        // What the queue is given after the answer waits until all is let go of.
        onLoad.value = { [queue = player.keys.queue] in
          onLoad.value = nil
          queue.async { gate.wait() }
        }
        try await player.key()
        withExtendedLifetime(player) {}
      }
      gate.open()
      try await device.keysHaveChanged(since: before)
      try await device.isTidy()
    }

    @Test("a new key whose license has gone meanwhile is told once, and not tried again")
    func keyOfNoLicense() async throws {
      let device = try FairPlayTestDevice()
      try await device.register(from: device.source(query: "&playback_seconds=never"))
      let player = try OwnPlayer(of: device)
      try await device.manager.unregisterAsset("film")
      try await device.isGone(live: 1)
      player.changeKey()
      #expect(player.told.value == [.licenseMissing])
      // Longer than before another attempt.
      try await Task.sleep(nanoseconds: 500_000_000)
      #expect(player.told.value == [.licenseMissing])
    }

    // MARK: - The start of a playback

    @Test("the first start of a playback is reported, whoever plays it, and starts the window")
    func playbackStarted() async throws {
      let device = try FairPlayTestDevice { $0.playbackWindow = { _ in 600 } }
      try await device.register()
      let item = try await item(of: try device.manager.getLocalMediaSource(assetId: "film"), device)
      // An item that nobody plays has not started.
      let other = await AVPlayer(playerItem: nil)
      await other.play()
      #expect(try await device.manager.status(of: "film").playbackExpires == .unknown)
      let player = await AVPlayer(playerItem: item)
      await player.play()
      try await eventually("the start is not reported") {
        try await device.manager.status(of: "film").playbackExpires != .unknown
      }
      let end = try await device.manager.status(of: "film").playbackExpires
      #expect(await player.stubObservers == 0)
      await player.pause()
      await player.play()
      #expect(try await device.manager.status(of: "film").playbackExpires == end)
    }

    @Test("an item that fails has not started")
    func failedStart() async throws {
      let device = try FairPlayTestDevice { $0.playbackWindow = { _ in 600 } }
      try await device.register()
      let (_, item) = try await device.play(media: StubMedia(keys: ["skd://another"]))
      #expect(item.status == .failed)
      #expect(try await device.manager.status(of: "film").playbackExpires == .unknown)
    }

    // MARK: -

    private func item(of source: LocalMediaSource, _ device: FairPlayTestDevice) async throws -> AVPlayerItem {
      let url = try #require(URL(string: source.url))
      if StubMedia.isEmpty(at: url) { StubMedia.put(StubMedia(keys: [FairPlayTestDevice.keyURI]), at: url) }
      return try await source.makePlayerItem(manager: device.manager, session: device.session)
    }
  }
}

/// A player as an app makes one by hand, as far as keys go.
private struct OwnPlayer {
  let keys: OfflineContentKeyDelegate
  let session: AVContentKeySession
  let asset: AVURLAsset
  /// The errors that the app receives.
  let told = Shared<[LarderError.Code]>([])

  init(of device: FairPlayTestDevice) throws {
    let source = try device.manager.getLocalMediaSource(assetId: "film")
    keys = OfflineContentKeyDelegate(manager: device.manager, source: source) { [told] error in
      told.change { $0.append(error.code) }
    }
    session = device.session()
    session.setDelegate(keys, queue: keys.queue)
    asset = AVURLAsset(url: try #require(URL(string: source.url)))
    session.addContentKeyRecipient(asset)
  }

  func key(_ uri: String = FairPlayTestDevice.keyURI) async throws {
    try await StubMedia().key(uri, for: asset)
  }

  /// Replaces the key as a first playback does.
  func changeKey() {
    keys.queue.sync {
      keys.contentKeySession(
        session, didUpdatePersistableContentKey: Data("changed".utf8),
        forContentKeyIdentifier: FairPlayTestDevice.keyURI)
    }
  }
}
