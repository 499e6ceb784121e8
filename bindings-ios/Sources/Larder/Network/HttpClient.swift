import Foundation
import LarderBindings

/// Sends Larder's requests to servers, in place of the client that is built in.
///
/// Larder itself follows redirects, tries again, asks for tokens and keeps nothing: a client does one request as it is, and
/// never any of these. Ready: ``URLSessionHttpClient``.
///
/// Called on a background thread that may block, several calls at once. Throw a ``LarderError`` with
/// ``LarderError/Code/offline``, ``LarderError/Code/timeout``, ``LarderError/Code/tls``, ``LarderError/Code/network`` or
/// ``LarderError/Code/responseTooLarge``; anything else becomes ``LarderError/Code/network``.
public protocol HttpClient: Sendable {
  /// Sends a request and reads the whole answer. Any HTTP status is an answer, not an error.
  ///
  /// `request.timeoutMs` counts from the start of the connection to the last byte; an answer with more than
  /// `request.maxBodyBytes` is an error.
  func send(_ request: HttpRequest) throws -> HttpResponse
}

/// A client of the app as the native library sees it. Nothing that the app throws gets past it.
final class HttpClientAdapter: FfiHttpClient {
  private let client: any HttpClient

  init(_ client: any HttpClient) {
    self.client = client
  }

  func send(request: HttpRequest) throws -> HttpResponse {
    try guardingDelegate("the HTTP client", failsWith: .network) { try client.send(request) }
  }
}
