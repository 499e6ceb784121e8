import Foundation
import LarderBindings

/// The app's hand on every request to its license servers, those of registrations and releases too.
///
/// Called on a background thread, bounded by `LarderConfig.delegateTimeoutSeconds`; it may block. What it throws becomes an
/// error with ``LarderError/Code/delegateFailed``, unless it is a ``LarderError`` already.
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

  /// Unpacks a successful answer that is not in the usual wire format, `nil` to leave that to Larder.
  func parse(_ response: LicenseResponse) throws -> ExchangeAnswer?
}

extension RequestAdapter {
  /// Sends the request as it is.
  public func adapt(_ request: LicenseRequest) throws -> LicenseRequest { request }

  /// Leaves the answer to Larder.
  public func parse(_ response: LicenseResponse) throws -> ExchangeAnswer? { nil }
}

extension LicenseRequest {
  /// This request with another URL, other headers or another body; what is not given stays.
  public func with(url: String? = nil, headers: [HttpHeader]? = nil, body: Data? = nil) -> LicenseRequest {
    LicenseRequest(
      kind: kind, assetId: assetId, url: url ?? self.url, headers: headers ?? self.headers, body: body ?? self.body)
  }

  /// This request with one header more, or with another value for it. The case of names does not matter.
  public func settingHeader(_ name: String, to value: String) -> LicenseRequest {
    let others = headers.filter { $0.name.lowercased() != name.lowercased() }
    return with(headers: others + [HttpHeader(name: name, value: value)])
  }
}

/// An adapter of the app as the native library sees it. Nothing that the app throws gets past it.
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
