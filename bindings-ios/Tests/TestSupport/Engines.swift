import Dispatch
import Foundation
import Larder

/// A ClearKey CDM in Swift. As Apple's do, it speaks on a queue of its own: the exchange is called from there.
package final class SwiftClearKey: DrmEngine, @unchecked Sendable {
  /// The next step of the engine, at which a test can interfere.
  package enum Step: String, CaseIterable, Sendable {
    case beforeAcquire
    case afterSend
    case beforeRelease
  }

  private let queue = DispatchQueue(label: "cdm", attributes: .concurrent)
  private let onStep: @Sendable (Step) throws -> Void
  // Protects what follows.
  private let lock = NSLock()
  private var handles: Set<Data> = []
  private var calls: [String] = []

  package init(onStep: @escaping @Sendable (Step) throws -> Void = { _ in }) {
    self.onStep = onStep
  }

  package let scheme = DrmScheme.clearKey

  /// The calls that came, in order.
  package var journal: [String] { lock.withLock { calls } }

  /// The licenses it holds.
  package var licenses: Set<Data> { lock.withLock { handles } }

  package func acquire(_ request: KeyRequest, exchange: any LicenseExchange) throws -> LicenseGrant {
    note("acquire")
    try onStep(.beforeAcquire)
    let message = try JSONEncoder().encode(
      ClearKeyMessage(kids: request.keyIds.map(base64url), type: "persistent-license", licenseId: nil))
    let license = try converse(exchange, ExchangeMessage(kind: .license, body: message))
    try onStep(.afterSend)
    keep(license.handle)
    return LicenseGrant(handle: .new(handle: license.handle), times: license.times, keyIds: request.keyIds)
  }

  package func renew(_ held: StoredLicense, request: KeyRequest, exchange: any LicenseExchange) throws -> LicenseGrant {
    note("renew")
    let old = try JSONDecoder().decode(ClearKeyLicense.self, from: held.handle)
    let message = try JSONEncoder().encode(
      ClearKeyMessage(kids: request.keyIds.map(base64url), type: "persistent-license", licenseId: old.licenseId))
    let license = try converse(exchange, ExchangeMessage(kind: .renewal, body: message))
    forget(held.handle)
    keep(license.handle)
    return LicenseGrant(handle: .changed(handle: license.handle), times: license.times, keyIds: request.keyIds)
  }

  package func inspect(_ held: StoredLicense) throws -> LicenseTimes {
    note("inspect")
    guard licenses.contains(held.handle) else {
      throw LarderError(.licenseVanished, "this CDM does not hold that license")
    }
    return try License(held.handle).times
  }

  package func release(_ held: StoredLicense, exchange: any LicenseExchange) throws -> ReleaseOutcome {
    note("release")
    try onStep(.beforeRelease)
    let license = try JSONDecoder().decode(ClearKeyLicense.self, from: held.handle)
    let message = try JSONEncoder().encode(
      ClearKeyMessage(kids: license.keys.map(\.kid), type: nil, licenseId: license.licenseId))
    _ = try send(exchange, ExchangeMessage(kind: .release, body: message))
    forget(held.handle)
    return .released
  }

  package func held() throws -> [Data]? {
    Array(licenses)
  }

  /// A license as the CDM keeps it: the handle is the key set itself.
  private struct License {
    let handle: Data
    let times: LicenseTimes

    init(_ answer: Data) throws {
      let license = try JSONDecoder().decode(ClearKeyLicense.self, from: answer)
      handle = answer
      times = LicenseTimes(
        license: license.durationSeconds.map { .seconds(seconds: $0) } ?? .unlimited,
        playback: license.playbackDurationSeconds.map { .seconds(seconds: $0) } ?? .unlimited)
    }
  }

  private func converse(_ exchange: any LicenseExchange, _ message: ExchangeMessage) throws -> License {
    try License(try send(exchange, message).body)
  }

  // On the CDM's own queue, while the caller waits.
  private func send(_ exchange: any LicenseExchange, _ message: ExchangeMessage) throws -> ExchangeAnswer {
    let answered = DispatchSemaphore(value: 0)
    nonisolated(unsafe) var answer: Result<ExchangeAnswer, any Error> = .failure(Failure(what: "no answer"))
    queue.async {
      answer = Result { try exchange.send(message) }
      answered.signal()
    }
    answered.wait()
    return try answer.get()
  }

  private func note(_ call: String) {
    lock.withLock { calls.append(call) }
  }

  private func keep(_ handle: Data) {
    lock.withLock { _ = handles.insert(handle) }
  }

  private func forget(_ handle: Data) {
    lock.withLock { _ = handles.remove(handle) }
  }
}

/// EME's license request and release message, with the test servers' `license_id`.
private struct ClearKeyMessage: Encodable {
  let kids: [String]
  let type: String?
  let licenseId: String?

  enum CodingKeys: String, CodingKey {
    case kids
    case type
    case licenseId = "license_id"
  }
}

/// EME's license, with the test servers' members.
private struct ClearKeyLicense: Decodable {
  struct Key: Decodable {
    let kid: String
  }

  let keys: [Key]
  let licenseId: String
  let durationSeconds: Int64?
  let playbackDurationSeconds: Int64?

  enum CodingKeys: String, CodingKey {
    case keys
    case licenseId = "license_id"
    case durationSeconds = "duration_seconds"
    case playbackDurationSeconds = "playback_duration_seconds"
  }
}

private func base64url(_ hex: String) -> String {
  let digits = Array(hex)
  let bytes = stride(from: 0, to: digits.count - 1, by: 2).compactMap {
    UInt8(String(digits[$0...($0 + 1)]), radix: 16)
  }
  return Data(bytes).base64EncodedString()
    .replacingOccurrences(of: "+", with: "-")
    .replacingOccurrences(of: "/", with: "_")
    .replacingOccurrences(of: "=", with: "")
}
