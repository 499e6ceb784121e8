import Foundation
import LarderBindings

/// A CDM: one engine per key system.
///
/// Within one call an engine opens its session, makes a challenge, sends it with
/// ``LicenseExchange/send(_:)``, passes the answer to the CDM and closes the session. Larder handles URLs, headers, tokens,
/// retries and the packing of bodies.
///
/// Called on background threads, which may block, and concurrently. A call has `LarderConfig.engineTimeoutSeconds`; a license
/// that it grants later is released. Throw a ``LarderError`` with a license or CDM code where one fits, and rethrow errors
/// of `send`. Any other error becomes ``LarderError/Code/cdmFailed``.
public protocol DrmEngine: Sendable {
  /// The key system of this engine. Read once, when a manager is created.
  var scheme: DrmScheme { get }

  /// Acquires a persistent license. On failure nothing is stored.
  func acquire(_ request: KeyRequest, exchange: any LicenseExchange) throws -> LicenseGrant

  /// Renews a license in place. Throws ``LarderError/Code/renewalNotPermitted`` if the license or the server forbids it.
  func renew(_ held: StoredLicense, request: KeyRequest, exchange: any LicenseExchange) throws -> LicenseGrant

  /// Asks the CDM for the remaining time of a license. Throws ``LarderError/Code/licenseVanished`` if the CDM does not have
  /// it.
  func inspect(_ held: StoredLicense) throws -> LicenseTimes

  /// Releases a license at the server and removes it from the device.
  func release(_ held: StoredLicense, exchange: any LicenseExchange) throws -> ReleaseOutcome

  /// Removes a license from the device without its server, after the server has refused its release five times. Succeeds if
  /// the CDM does not have it. After a failure Larder keeps the license and tries again later.
  ///
  /// The default does nothing, which is right if a license consists of its handle, and wrong for a CDM that stores
  /// licenses.
  func remove(_ held: StoredLicense) throws

  /// Returns every handle that the CDM holds for this app; `nil` if it cannot list them.
  func held() throws -> [Data]?
}

extension DrmEngine {
  /// Does nothing.
  public func remove(_ held: StoredLicense) throws {}
}

/// Sends the messages of a CDM to its servers. Valid during one call of an engine.
public protocol LicenseExchange: Sendable {
  /// Sends the CDM's message and returns the server's answer, unpacked from its wire format.
  ///
  /// Blocks. May be called from any thread or queue, and several times. Throws a ``LarderError`` with a network or server
  /// code, which an engine rethrows, or with ``LarderError/Code/cancelled`` after the end or timeout of the engine's call.
  func send(_ message: ExchangeMessage) throws -> ExchangeAnswer
}

/// Adapts the contract's exchange to an engine.
private struct LentExchange: LicenseExchange {
  let exchange: FfiExchange

  func send(_ message: ExchangeMessage) throws -> ExchangeAnswer {
    try translatingErrors { try exchange.send(message: message) }
  }
}

/// Adapts an engine to the native library. Errors of the app are converted to the contract's error.
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
