@_spi(Stub) import AVFoundation
import Foundation
import Larder
import TestSupport
import Testing

extension FairPlaySuites {
  @Suite("FairPlay, when something goes wrong", .timeLimit(.minutes(2)))
  struct FairPlayFailureTests {
    struct Case: Sendable, CustomTestStringConvertible {
      let step: StubFairPlay.Step
      let behaviour: StubFairPlay.Behaviour
      let code: LarderError.Code
      /// Licenses that the server has granted by then and that cannot be given back: there is no key to prove them with.
      var lost = 0

      var testDescription: String { "\(step) \(behaviour)" }
      var isNever: Bool { if case .never = behaviour { true } else { false } }

      static let all = [
        Case(step: .request, behaviour: .fails(-11800), code: .cdmFailed),
        Case(step: .request, behaviour: .never, code: .cdmFailed),
        Case(step: .request, behaviour: .fails(-11819), code: .cdmBusy),
        Case(step: .persistableRequest, behaviour: .fails(-11800), code: .cdmFailed),
        Case(step: .persistableRequest, behaviour: .never, code: .cdmFailed),
        Case(step: .requestData, behaviour: .fails(-11800), code: .cdmFailed),
        Case(step: .requestData, behaviour: .givesNothing, code: .cdmFailed),
        Case(step: .requestData, behaviour: .never, code: .cdmFailed),
        Case(step: .persistableKey, behaviour: .fails(-11800), code: .licenseMalformed, lost: 1),
        Case(step: .persistableKey, behaviour: .fails(-11835), code: .licensePersistenceDenied, lost: 1),
      ]
    }

    @Test("whatever AVFoundation does not do, the request is answered and the caller told", arguments: Case.all)
    func device(failing: Case) async throws {
      // One at a time: a device that hangs is at work again when it has been given up.
      let device = try FairPlayTestDevice { ($0.callbackTimeout, $0.operationsAtOnce) = (failing.isNever ? 1 : 60, 1) }
      device.fairPlay.script = { $0 == failing.step ? failing.behaviour : .succeeds }
      let error = try await thrown { try await device.register() }
      #expect(error.code == failing.code, "\(error)")
      try await device.isGone(live: failing.lost)
      #expect(device.fairPlay.misuses.isEmpty, "\(device.fairPlay.misuses)")
      // What never came to the app, or failed before, has nothing to be answered.
      let isOurs = failing.step != .request && !(failing.step == .persistableRequest && !failing.isNever)
      if isOurs { #expect(device.fairPlay.unanswered.isEmpty) }
      try await eventually("a session is left") { device.fairPlay.sessionCounts.live == 0 }
      // The next one goes well.
      device.fairPlay.script = { _ in .succeeds }
      #expect(
        try await device.manager.registerDownloadedAsset(
          location: device.base.downloads.appendingPathComponent("film/master.m3u8"), mediaSource: device.source(),
          assetId: "film"
        ).isPlayable)
    }

    @Test("what the server answers reaches the caller", arguments: Answer.allCases)
    func server(answer: Answer) async throws {
      let device = try FairPlayTestDevice()
      if let action = answer.action {
        try await device.servers.addFault(#"{"path": "/fairplay/udrm", "action": \#(action)}"#)
      }
      let error = try await thrown { try await device.register(from: device.source(query: answer.query)) }
      #expect(error.code == answer.code, "\(error)")
      // What was granted and is of no use is given up.
      try await device.manager.reconcile()
      #expect(try device.manager.assets().isEmpty && device.storage.keys.isEmpty)
      try await device.isTidy()
    }

    enum Answer: CaseIterable {
      case forbidden
      case notFound
      case webPage
      case nothing
      case noCkc
      case noCkcInBase64
      case anotherCkc
      case streamingOnly
      case noDuration
      case zeroDuration
      case absurdDuration

      var action: String? {
        switch self {
        case .forbidden: #"{"kind": "status", "status": 403}"#
        case .notFound: #"{"kind": "status", "status": 404}"#
        case .webPage: #"{"kind": "html"}"#
        case .nothing: #"{"kind": "empty"}"#
        case .noCkc: #"{"kind": "body", "text": "{}", "content_type": "application/json"}"#
        case .noCkcInBase64: #"{"kind": "body", "text": "{\"ckc\": \"***\"}", "content_type": "application/json"}"#
        case .anotherCkc:
          #"{"kind": "body", "text": "{\"ckc\": \"QUJD\", \"persistence_duration\": 60}", "content_type": "application/json"}"#
        case .streamingOnly, .noDuration, .zeroDuration, .absurdDuration: nil
        }
      }

      var query: String {
        switch self {
        case .streamingOnly: "&persist=false"
        case .noDuration: "&duration_seconds=never"
        case .zeroDuration: "&duration_seconds=0"
        case .absurdDuration: "&duration_seconds=99999999999"
        default: ""
        }
      }

      var code: LarderError.Code {
        switch self {
        case .forbidden: .unauthorized
        case .notFound: .serverRejected
        case .webPage: .licenseNotALicense
        case .nothing: .licenseEmpty
        case .noCkc, .noCkcInBase64, .anotherCkc: .licenseMalformed
        case .streamingOnly: .licensePersistenceDenied
        case .noDuration, .zeroDuration, .absurdDuration: .licenseDurationInvalid
        }
      }
    }

    @Test("without parameters, certificate or network nothing is asked, and the caller knows")
    func nothingToAskWith() async throws {
      let device = try FairPlayTestDevice()
      let bare = MediaSource(id: "bare", url: "\(device.servers.url)/media/hls-cbcs/master.m3u8", format: .hls)
      #expect(try await thrown { try await device.register("a", from: bare) }.code == .drmParamsMissing)
      for (certificate, path, code) in [
        (nil, nil, LarderError.Code.certificateMissing), (Data("not DER".utf8), nil, .certificateMissing),
        (nil, "nothing/here", .certificateMissing),
      ] as [(Data?, String?, LarderError.Code)] {
        let source = device.source(certificate: certificate, certificatePath: path)
        let error = try await thrown { try await device.register("\(UUID())", from: source) }
        #expect(error.code == code, "\(error)")
      }
      try device.manager.setNetworkState(.offline)
      #expect(try await thrown { try await device.register("e") }.code == .offline)
      #expect(try await device.licenseRequests() == 0)
      #expect(device.fairPlay.requests.isEmpty)
      try await device.isTidy()
    }

    @Test("a certificate that the source brings is not fetched")
    func ownCertificate() async throws {
      let device = try FairPlayTestDevice()
      let url = try #require(URL(string: "\(device.servers.url)/fairplay/certificate"))
      let source = device.source(certificate: try Data(contentsOf: url), certificatePath: nil)
      let before = try await device.servers.requests().count
      #expect(try await device.register(from: source).isPlayable)
      #expect(try await device.servers.requests().count == before + 1)
    }

    @Test("in the background nothing is asked, and the call works again in the foreground")
    func background() async throws {
      let device = try FairPlayTestDevice()
      let source = device.source()
      for name in ["UIApplicationDidEnterBackgroundNotification", "NSExtensionHostDidEnterBackgroundNotification"] {
        device.notifications.post(name: Notification.Name(name), object: nil)
        let error = try await thrown { try await device.register(name, from: source) }
        #expect(error.code == .cdmBusy && error.isRetryable && error.remedy == .retry)
        #expect(error.message.contains("background"))
        #expect(device.fairPlay.requests.isEmpty)
        let back = name.replacingOccurrences(of: "DidEnterBackground", with: "WillEnterForeground")
        device.notifications.post(name: Notification.Name(back), object: nil)
      }
      #expect(try await device.register(from: source).isPlayable)
      try await device.isTidy()
    }

    @Test("an app that was started in the background is there from the start, and back when it says so")
    func startedInBackground() async throws {
      let device = try FairPlayTestDevice(application: NSStringFromClass(BackgroundApplication.self))
      try await eventually("it counts as being in the foreground") {
        (try? await thrown { try await device.register("\(UUID())") })?.code == .cdmBusy
      }
      device.notifications.post(name: Notification.Name("UIApplicationWillEnterForegroundNotification"), object: nil)
      #expect(try await device.register().isPlayable)
    }

    @Test("an exchange that the background interrupts says so", arguments: [true, false])
    func interrupted(fails: Bool) async throws {
      let device = try FairPlayTestDevice { $0.callbackTimeout = 1 }
      device.fairPlay.script = { [notifications = device.notifications] step in
        guard step == .requestData else { return .succeeds }
        notifications.post(name: Notification.Name("UIApplicationDidEnterBackgroundNotification"), object: nil)
        return fails ? .fails(-11800) : .never
      }
      let error = try await thrown { try await device.register() }
      #expect(error.code == .cdmBusy && error.isRetryable)
      try await device.isTidy()
    }

    @Test("AVFoundation's offer to try again is taken before the server was asked, not for ever, and not after that")
    func retries() async throws {
      let device = try FairPlayTestDevice()
      let asked = Shared(0)
      device.fairPlay.script = { step in
        guard step == .request else { return .succeeds }
        let count = asked.change { count -> Int in
          count += 1
          return count
        }
        return count == 1 ? .asksToRetry(.timedOut) : .succeeds
      }
      #expect(try await device.register("a").isPlayable)
      #expect(try await device.licenseRequests() == 1)

      device.fairPlay.script = { $0 == .request ? .asksToRetry(.receivedObsoleteContentKey) : .succeeds }
      #expect(try await thrown { try await device.register("b") }.code == .cdmFailed)
      #expect(try await device.licenseRequests() == 1)
      try await eventually("a session is left") { device.fairPlay.sessionCounts.live == 0 }
    }

    @Test("a call that takes too long has an unknown outcome, and a key that comes after it is given back")
    func late() async throws {
      try await withTimeToRunOut { seconds in
        let device = try FairPlayTestDevice(engineTimeoutSeconds: seconds) { $0.release = .atServer }
        let (isReached, free) = (Shared(false), Gate())
        defer { free.open() }
        device.fairPlay.script = { step in
          if step == .persistableKey {
            isReached.value = true
            free.wait()
          }
          return .succeeds
        }
        let error = try await thrown { try await device.register() }
        #expect(error.code == .timeout && error.isRetryable, "\(error)")
        guard isReached.value else { return false }
        #expect(try await device.servers.licenseRecords().live == 1)
        free.open()
        try await eventually("the late key was not given back") {
          try await device.manager.reconcile()
          return try await device.servers.licenseRecords().live == 0
        }
        try await device.isGone()
        try await device.isTidy()
        return true
      }
    }

    @Test("a callback that comes too late asks no server, and its request is answered")
    func lateCallback() async throws {
      try await withTimeToRunOut { seconds in
        let device = try FairPlayTestDevice(engineTimeoutSeconds: seconds)
        let kept = Shared<[@Sendable () -> Void]>([])
        device.fairPlay.script = { step in
          step == .requestData ? .waits { goOn in kept.change { $0.append(goOn) } } : .succeeds
        }
        #expect(try await thrown { try await device.register() }.code == .timeout)
        if kept.value.isEmpty { return false }
        for goOn in kept.value { goOn() }
        try await device.isTidy()
        #expect(try await device.licenseRequests() == 0)
        #expect(device.fairPlay.requests.first?.answer?.error != nil)
        return true
      }
    }

    @Test("a device that is at work keeps the others waiting for a bounded time")
    func queue() async throws {
      let device = try FairPlayTestDevice { ($0.operationsAtOnce, $0.queueTimeout) = (1, 0.2) }
      let first = Shared<(@Sendable () -> Void)?>(nil)
      device.fairPlay.script = { step in
        guard step == .requestData, first.value == nil else { return .succeeds }
        return .waits { goOn in first.value = goOn }
      }
      async let slow = device.register("a")
      try await eventually("nothing was asked") { first.value != nil }
      let busy = try await thrown { try await device.register("b") }
      #expect(busy.code == .cdmBusy && busy.isRetryable)
      first.value?()
      #expect(try await slow.isPlayable)
      #expect(try await device.register("c").isPlayable)
      try await device.isTidy()
    }

    @Test("messages hold no key, token or URL")
    func redaction() async throws {
      let device = try FairPlayTestDevice()
      device.fairPlay.script = { $0 == .persistableKey ? .fails(-11800) : .succeeds }
      let error = try await thrown { try await device.register(from: device.source(query: "&token=hunter2")) }
      for secret in ["hunter2", "skd://", "CKC", device.servers.url] { #expect(!"\(error)".contains(secret)) }
    }
  }
}

/// `UIApplication` after the system has started the app in the background.
final class BackgroundApplication: NSObject, StubObjectiveC, Sendable {
  private static let shared = BackgroundApplication()

  static func stubObject(_ selector: String) -> AnyObject? { selector == "sharedApplication" ? shared : nil }

  func stubValue(_ key: String) -> Any? { key == "applicationState" ? 2 : nil }
}
