import Dispatch
import Foundation
import LarderBindings

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// Larder's requests on `URLSession`: through the system's proxies and VPN, under App Transport Security, by the app's
/// policy for cellular networks, with the app's pins.
///
/// ```swift
/// let configuration = URLSessionConfiguration.ephemeral
/// configuration.allowsCellularAccess = false
/// let manager = try LocalAssetsManager(
///   config: .standard(), httpClient: URLSessionHttpClient(configuration: configuration))
/// ```
///
/// What is not chosen stays with the built-in client, which knows neither proxies nor App Transport Security, but
/// behaves the same on all systems. `LarderConfig.extraRootCertificates` and `LarderConfig.userAgent` are the built-in
/// client's: here trust is the system's and the app's.
public final class URLSessionHttpClient: HttpClient {
  /// Answers a server's question for trust or credentials, as `urlSession(_:task:didReceive:completionHandler:)` would: for
  /// pinning, look at `challenge.protectionSpace.serverTrust`, and answer `.cancelAuthenticationChallenge` to refuse the
  /// server (the call fails with ``LarderError/Code/tls``).
  public typealias ChallengeHandler =
    @Sendable (URLAuthenticationChallenge) -> (URLSession.AuthChallengeDisposition, URLCredential?)

  private let session: URLSession
  private let exchanges: Exchanges

  /// A client over a session of its own.
  ///
  /// - Parameters:
  ///   - configuration: proxies, cellular policy, TLS versions. It is copied; cache and cookies are taken out of the copy,
  ///     because no license may come from a cache and no request may depend on another. Not a background one: its
  ///     tasks have no answers in memory.
  ///   - onChallenge: for pinning or a proxy's credentials. The default is the system's handling.
  public init(configuration: URLSessionConfiguration = .ephemeral, onChallenge: ChallengeHandler? = nil) {
    let own = (configuration.copy() as? URLSessionConfiguration) ?? .ephemeral
    own.urlCache = nil
    own.requestCachePolicy = .reloadIgnoringLocalCacheData
    own.httpCookieStorage = nil
    own.httpShouldSetCookies = false
    own.httpCookieAcceptPolicy = .never
    let exchanges = Exchanges(onChallenge)
    self.exchanges = exchanges
    session = URLSession(configuration: own, delegate: exchanges, delegateQueue: nil)
  }

  deinit {
    // A session holds its delegate until it is invalidated.
    session.finishTasksAndInvalidate()
  }

  /// Sends one request and waits for the whole answer.
  public func send(_ request: HttpRequest) throws -> HttpResponse {
    let timeout = Double(max(request.timeoutMs, 1)) / 1000
    let exchange = Exchange(maxBodyBytes: request.maxBodyBytes)
    let task = session.dataTask(with: try urlRequest(request, timeout: timeout))
    exchanges.begin(exchange, as: task.taskIdentifier)
    task.resume()
    // URLSession's own timeout starts anew with every byte; this one does not.
    if exchange.wait(timeout) { return try exchange.answer() }
    task.cancel()
    exchanges.end(task.taskIdentifier)
    throw LarderError(.timeout, "the server did not answer in time; the outcome is unknown", isRetryable: true)
  }

  private func urlRequest(_ request: HttpRequest, timeout: TimeInterval) throws -> URLRequest {
    guard let url = URL(string: request.url), ["http", "https"].contains(url.scheme?.lowercased() ?? "") else {
      throw LarderError(.invalidArgument, "the request's URL is malformed", remedy: .fixInput)
    }
    var outgoing = URLRequest(url: url, cachePolicy: .reloadIgnoringLocalCacheData, timeoutInterval: timeout)
    outgoing.httpMethod = request.method
    outgoing.httpShouldHandleCookies = false
    for header in request.headers { outgoing.addValue(header.value, forHTTPHeaderField: header.name) }
    // A POST without a body says so (`Content-Length: 0`); many servers answer 411 otherwise.
    if !request.body.isEmpty || request.method != "GET" { outgoing.httpBody = request.body }
    return outgoing
  }
}

/// One request on its way. Filled on the session's queue, which calls one delegate method at a time; waited for elsewhere.
private final class Exchange: @unchecked Sendable {
  private let maxBodyBytes: Int64
  // Raised once, when all below is as it stays: what was written before it is read after it.
  private let ended = DispatchSemaphore(value: 0)
  private var response: HTTPURLResponse?
  private var body = Data()
  private var error: LarderError?

  init(maxBodyBytes: Int64) {
    self.maxBodyBytes = maxBodyBytes
  }

  func wait(_ seconds: TimeInterval) -> Bool { ended.wait(timeout: .now() + seconds) == .success }

  func answer() throws -> HttpResponse {
    if let error { throw error }
    guard let response else { throw LarderError(.network, "the answer is not HTTP", isRetryable: true) }
    let headers = response.allHeaderFields.compactMap { name, value in
      (name as? String).map { HttpHeader(name: $0.lowercased(), value: "\(value)") }
    }
    return HttpResponse(status: Int32(response.statusCode), headers: headers.sorted { $0.name < $1.name }, body: body)
  }

  /// False to break the request off.
  func received(_ response: URLResponse) -> Bool {
    self.response = response as? HTTPURLResponse
    return mayHold(response.expectedContentLength)
  }

  /// False to break the request off. Piece by piece, unpacked ones, so that neither a missing length nor a compressed
  /// bomb gets past the limit.
  func received(_ piece: Data) -> Bool {
    guard mayHold(Int64(body.count) + Int64(piece.count)) else { return false }
    body.append(piece)
    return true
  }

  func refused() {
    error = LarderError(.tls, "the app refused the server's certificate")
  }

  func completed(_ cause: (any Error)?) {
    if error == nil, let cause { error = LarderError(transport: cause) }
    ended.signal()
  }

  private func mayHold(_ bytes: Int64) -> Bool {
    if bytes <= maxBodyBytes { return true }
    error = LarderError(.responseTooLarge, "the answer has more than \(maxBodyBytes) bytes")
    return false
  }
}

/// Tells each request what happens to it.
private final class Exchanges: NSObject, URLSessionDataDelegate, @unchecked Sendable {
  private let onChallenge: URLSessionHttpClient.ChallengeHandler?
  // Protects `running`; held for one dictionary operation.
  private let lock = NSLock()
  private var running: [Int: Exchange] = [:]

  init(_ onChallenge: URLSessionHttpClient.ChallengeHandler?) {
    self.onChallenge = onChallenge
  }

  func begin(_ exchange: Exchange, as id: Int) { lock.withLock { running[id] = exchange } }

  @discardableResult
  func end(_ id: Int) -> Exchange? { lock.withLock { running.removeValue(forKey: id) } }

  private func exchange(_ task: URLSessionTask) -> Exchange? { lock.withLock { running[task.taskIdentifier] } }

  func urlSession(
    _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
    newRequest request: URLRequest, completionHandler: @escaping (URLRequest?) -> Void
  ) {
    completionHandler(nil)  // the redirect itself is the answer: Larder decides where it may lead
  }

  func urlSession(
    _ session: URLSession, task: URLSessionTask, didReceive challenge: URLAuthenticationChallenge,
    completionHandler: @escaping (URLSession.AuthChallengeDisposition, URLCredential?) -> Void
  ) {
    guard let onChallenge else { return completionHandler(.performDefaultHandling, nil) }
    let (disposition, credential) = onChallenge(challenge)
    if disposition == .cancelAuthenticationChallenge { exchange(task)?.refused() }
    completionHandler(disposition, credential)
  }

  func urlSession(
    _ session: URLSession, dataTask: URLSessionDataTask, didReceive response: URLResponse,
    completionHandler: @escaping (URLSession.ResponseDisposition) -> Void
  ) {
    completionHandler(exchange(dataTask)?.received(response) == true ? .allow : .cancel)
  }

  func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
    if exchange(dataTask)?.received(data) != true { dataTask.cancel() }
  }

  func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
    end(task.taskIdentifier)?.completed(error)
  }
}

extension LarderError {
  /// Why the system broke a download off.
  init(download error: any Error) {
    if (error as? URLError)?.code == .cancelled {
      self.init(.cancelled, "the download was cancelled", isRetryable: true)
    } else if (error as NSError).domain == NSURLErrorDomain || error is URLError {
      self.init(transport: error)
    } else {
      let foreign = error as NSError
      self.init(
        .network, "AVFoundation broke the download off: \(foreign.domain) \(foreign.code)", remedy: .retry,
        isRetryable: true)
    }
  }

  /// Converts a connection error of the system. Only its number is passed on: the description may hold the URL.
  fileprivate init(transport error: any Error) {
    guard let error = error as? URLError else {
      let foreign = error as NSError
      self.init(.network, "the connection failed: \(foreign.domain) \(foreign.code)", isRetryable: true)
      return
    }
    let number = error.code.rawValue
    switch error.code {
    case .notConnectedToInternet, .cannotFindHost, .cannotConnectToHost, .dnsLookupFailed, .dataNotAllowed,
      .internationalRoamingOff, .callIsActive:
      self.init(.offline, "no connection to the server: URLError \(number)", remedy: .goOnline, isRetryable: true)
    case .timedOut:
      self.init(.timeout, "the server did not answer in time; the outcome is unknown", isRetryable: true)
    case .secureConnectionFailed, .serverCertificateHasBadDate, .serverCertificateUntrusted,
      .serverCertificateHasUnknownRoot, .serverCertificateNotYetValid, .clientCertificateRejected,
      .clientCertificateRequired, .userAuthenticationRequired:
      self.init(.tls, "the TLS handshake failed: URLError \(number)")
    case .appTransportSecurityRequiresSecureConnection:
      self.init(.tls, "App Transport Security forbids this connection: URLError \(number)")
    default:
      self.init(.network, "the connection failed: URLError \(number)", isRetryable: true)
    }
  }
}
