import Foundation
import LarderBindings

/// A CDM: one engine per key system.
///
/// An engine *borrows the network for one exchange*: it opens its session, makes a challenge, calls
/// ``LicenseExchange/send(_:)``, gives the answer to the CDM and closes the session, all within one call. URLs, headers,
/// tokens, retries and the packing of bodies are Larder's work.
///
/// Called on a background thread that may block; several calls at once are possible. A call is bounded by
/// `LarderConfig.engineTimeoutSeconds`; what it grants after that is released later. Throw a ``LarderError`` with a license or
/// CDM code where one fits, pass on what `send` threw, and leave the rest to
/// ``LarderError/Code/cdmFailed``, which anything else becomes.
public protocol DrmEngine: Sendable {
  /// The key system it serves. Asked once, when a manager is made.
  var scheme: DrmScheme { get }

  /// Gets a license that may be stored. On failure it has stored nothing.
  func acquire(_ request: KeyRequest, exchange: any LicenseExchange) throws -> LicenseGrant

  /// Renews a license in place. Throws ``LarderError/Code/renewalNotPermitted`` if the license or the server forbids it.
  func renew(_ held: StoredLicense, request: KeyRequest, exchange: any LicenseExchange) throws -> LicenseGrant

  /// Asks the CDM what is left of a license. Throws ``LarderError/Code/licenseVanished`` if it does not know it.
  func inspect(_ held: StoredLicense) throws -> LicenseTimes

  /// Gives a license back to the server and removes it from the device.
  func release(_ held: StoredLicense, exchange: any LicenseExchange) throws -> ReleaseOutcome

  /// Removes a license from the device without its server, which has refused its release five times for good. Success if
  /// the CDM does not have it. After a failure the license stays known and is tried again later.
  ///
  /// The default does nothing: right where a license is its handle and nothing else, wrong for a CDM that stores.
  func remove(_ held: StoredLicense) throws

  /// Every handle that the CDM holds for this app, `nil` if it cannot list them.
  func held() throws -> [Data]?
}

extension DrmEngine {
  /// Does nothing.
  public func remove(_ held: StoredLicense) throws {}
}

/// Larder's side of one conversation between a CDM and its servers, lent to an engine for one call.
public protocol LicenseExchange: Sendable {
  /// Sends the CDM's message and returns the server's answer, unpacked from its wire format.
  ///
  /// Blocks; call it from any thread or queue, several times if the CDM wants that. Throws a ``LarderError`` with a
  /// network or server code, which an engine passes on, or with ``LarderError/Code/cancelled`` once the call it was lent
  /// to has ended or timed out.
  func send(_ message: ExchangeMessage) throws -> ExchangeAnswer
}

/// An exchange as an engine sees it.
private struct LentExchange: LicenseExchange {
  let exchange: FfiExchange

  func send(_ message: ExchangeMessage) throws -> ExchangeAnswer {
    try translatingErrors { try exchange.send(message: message) }
  }
}

/// An engine as the native library sees it. Nothing that the app throws gets past it.
final class DrmEngineAdapter: FfiDrmEngine {
  private let engine: any DrmEngine

  init(_ engine: any DrmEngine) {
    self.engine = engine
  }

  func scheme() throws -> DrmScheme {
    engine.scheme
  }

  func acquire(request: KeyRequest, exchange: FfiExchange) throws -> LicenseGrant {
    try guarding { try engine.acquire(request, exchange: LentExchange(exchange: exchange)) }
  }

  func renew(held: StoredLicense, request: KeyRequest, exchange: FfiExchange) throws -> LicenseGrant {
    try guarding { try engine.renew(held, request: request, exchange: LentExchange(exchange: exchange)) }
  }

  func inspect(held: StoredLicense) throws -> LicenseTimes {
    try guarding { try engine.inspect(held) }
  }

  func release(held: StoredLicense, exchange: FfiExchange) throws -> ReleaseOutcome {
    try guarding { try engine.release(held, exchange: LentExchange(exchange: exchange)) }
  }

  func remove(held: StoredLicense) throws {
    try guarding { try engine.remove(held) }
  }

  func held() throws -> [Data]? {
    try guarding { try engine.held() }
  }

  private func guarding<T>(_ body: () throws -> T) throws -> T {
    try guardingDelegate("the DRM engine", failsWith: .cdmFailed, body)
  }
}
