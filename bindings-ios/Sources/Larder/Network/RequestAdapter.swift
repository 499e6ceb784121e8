import Foundation
import LarderBindings

/// Changes every request of the app to its license servers, those of registrations and releases included.
///
/// Called on a background thread, which may block, with a timeout of `LarderConfig.delegateTimeoutSeconds`. Errors other
/// than ``LarderError`` become ``LarderError/Code/delegateFailed``.
///
/// ```swift
/// struct SessionAdapter: RequestAdapter {
///   func adapt(_ request: LicenseRequest) throws -> LicenseRequest {
///     request.settingHeader("X-Session", to: currentSession())
///   }
/// }
/// ```
public protocol RequestAdapter: Sendable {
  /// Changes a request before it is sent: its URL, headers or body. See `LicenseRequest.with(url:headers:body:)`.
  func adapt(_ request: LicenseRequest) throws -> LicenseRequest

  /// Unpacks a successful answer that is not in the source's wire format; `nil` leaves it to Larder.
  func parse(_ response: LicenseResponse) throws -> ExchangeAnswer?
}

extension RequestAdapter {
  /// Sends the request as it is.
  public func adapt(_ request: LicenseRequest) throws -> LicenseRequest { request }

  /// Leaves the answer to Larder.
  public func parse(_ response: LicenseResponse) throws -> ExchangeAnswer? { nil }
}

extension LicenseRequest {
  /// Returns this request with another URL, other headers or another body. Omitted parts are unchanged.
  public func with(url: String? = nil, headers: [HttpHeader]? = nil, body: Data? = nil) -> LicenseRequest {
    LicenseRequest(
      kind: kind, assetId: assetId, url: url ?? self.url, headers: headers ?? self.headers, body: body ?? self.body)
  }

  /// Returns this request with a header set. Header names are case-insensitive.
  public func settingHeader(_ name: String, to value: String) -> LicenseRequest {
    let others = headers.filter { $0.name.lowercased() != name.lowercased() }
    return with(headers: others + [HttpHeader(name: name, value: value)])
  }
}

/// Adapts a request adapter of the app to the native library. Errors of the app are converted to the contract's error.
final class RequestAdapterAdapter: FfiRequestAdapter {
  private let adapter: any RequestAdapter

  init(_ adapter: any RequestAdapter) {
    self.adapter = adapter
  }

  func adapt(request: LicenseRequest) throws -> LicenseRequest {
    try guardingDelegate("the request adapter", failsWith: .delegateFailed) { try adapter.adapt(request) }
  }

  func parse(response: LicenseResponse) throws -> ExchangeAnswer? {
    try guardingDelegate("the request adapter", failsWith: .delegateFailed) { try adapter.parse(response) }
  }
}
