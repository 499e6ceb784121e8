import Foundation
import LarderBindings

/// Sends Larder's requests to servers in place of the built-in client. Implementation: ``URLSessionHttpClient``.
///
/// Larder follows redirects, retries and asks for tokens. A client sends one request unchanged, does none of these, and
/// caches nothing.
///
/// Called on background threads, which may block, and concurrently. Throw a ``LarderError`` with
/// ``LarderError/Code/offline``, ``LarderError/Code/timeout``, ``LarderError/Code/tls``, ``LarderError/Code/network`` or
/// ``LarderError/Code/responseTooLarge``; any other error becomes ``LarderError/Code/network``.
public protocol HttpClient: Sendable {
  /// Sends a request and reads the whole answer. Any HTTP status is an answer, not an error.
  ///
  /// `request.timeoutMs` covers the time from the start of the connection to the last byte. An answer of more than
  /// `request.maxBodyBytes` is an error.
  func send(_ request: HttpRequest) throws -> HttpResponse
}

/// Adapts a client of the app to the native library. Errors of the app are converted to the contract's error.
final class HttpClientAdapter: FfiHttpClient {
  private let client: any HttpClient

  init(_ client: any HttpClient) {
    self.client = client
  }

  func send(request: HttpRequest) throws -> HttpResponse {
    try guardingDelegate("the HTTP client", failsWith: .network) { try client.send(request) }
  }
}
