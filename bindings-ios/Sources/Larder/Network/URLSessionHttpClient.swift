import Dispatch
import Foundation
import LarderBindings

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// Sends Larder's requests with `URLSession`, with the system's proxies and VPN, App Transport Security, the app's cellular
/// policy and its certificate pins.
///
/// ```swift
/// let configuration = URLSessionConfiguration.ephemeral
/// configuration.allowsCellularAccess = false
/// let manager = try LocalAssetsManager(
///   config: .standard(), httpClient: URLSessionHttpClient(configuration: configuration))
/// ```
///
/// By default Larder uses its built-in client, which has neither proxies nor App Transport Security but behaves the same on
/// all systems. `LarderConfig.extraRootCertificates` and `LarderConfig.userAgent` apply to the built-in client only; here
/// the system and the app decide about trust.
public final class URLSessionHttpClient: HttpClient {
  /// Answers a server's authentication challenge, as `urlSession(_:task:didReceive:completionHandler:)` would. For
  /// pinning, evaluate `challenge.protectionSpace.serverTrust` and answer `.cancelAuthenticationChallenge` to refuse the
  /// server (the call fails with ``LarderError/Code/tls``).
  public typealias ChallengeHandler =
    @Sendable (URLAuthenticationChallenge) -> (URLSession.AuthChallengeDisposition, URLCredential?)

  private let session: URLSession
  private let exchanges: Exchanges

  /// Creates a client with its own session.
  ///
  /// - Parameters:
  ///   - configuration: proxies, cellular policy, TLS versions. It is copied without cache and cookies, because no license may
  ///     come from a cache and no request may depend on another. A background configuration does not work: its tasks
  ///     have no answers in memory.
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
    // A session retains its delegate until it is invalidated.
    session.finishTasksAndInvalidate()
  }

  /// Sends one request and waits for the whole answer.
  public func send(_ request: HttpRequest) throws -> HttpResponse {
    let timeout = Double(max(request.timeoutMs, 1)) / 1000
    let exchange = Exchange(maxBodyBytes: request.maxBodyBytes)
    let task = session.dataTask(with: try urlRequest(request, timeout: timeout))
    exchanges.begin(exchange, as: task.taskIdentifier)
    task.resume()
    // URLSession restarts its own timeout with every byte. This timeout covers the whole request.
    if exchange.wait(timeout) { return try exchange.answer() }
    task.cancel()
    exchanges.end(task.taskIdentifier)
    throw LarderError(.timeout, "the server did not answer in time; the outcome is unknown")
  }

  private func urlRequest(_ request: HttpRequest, timeout: TimeInterval) throws -> URLRequest {
    guard let url = URL(string: request.url), ["http", "https"].contains(url.scheme?.lowercased() ?? "") else {
      throw LarderError(.invalidArgument, "the request's URL is malformed")
    }
    var outgoing = URLRequest(url: url, cachePolicy: .reloadIgnoringLocalCacheData, timeoutInterval: timeout)
    outgoing.httpMethod = request.method
    outgoing.httpShouldHandleCookies = false
    for header in request.headers { outgoing.addValue(header.value, forHTTPHeaderField: header.name) }
    // A POST without a body needs `Content-Length: 0`: many servers answer 411 without it.
    if !request.body.isEmpty || request.method != "GET" { outgoing.httpBody = request.body }
    return outgoing
  }
}

/// A running request. Its properties are set on the session's queue, which calls one delegate method at a time; another
/// thread waits for it.
private final class Exchange: @unchecked Sendable {
  private let maxBodyBytes: Int64
  // Signalled once, when the properties below are final: writes before it are visible after it.
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
    guard let response else { throw LarderError(.network, "the answer is not HTTP") }
    let headers = response.allHeaderFields.compactMap { name, value in
      (name as? String).map { HttpHeader(name: $0.lowercased(), value: "\(value)") }
    }
    return HttpResponse(status: Int32(response.statusCode), headers: headers.sorted { $0.name < $1.name }, body: body)
  }

  /// Handles the response. Returns false to cancel the request.
  func received(_ response: URLResponse) -> Bool {
    self.response = response as? HTTPURLResponse
    return mayHold(response.expectedContentLength)
  }

  /// Adds a piece of the decompressed body. Returns false to cancel the request over the limit, which therefore also covers
  /// answers without a length and decompression bombs.
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

/// Forwards the session's callbacks to their request.
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
    completionHandler(nil)  // the redirect is the answer: Larder follows it
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
  /// Converts the error of an interrupted download.
  init(download error: any Error) {
    if (error as? URLError)?.code == .cancelled {
      self.init(.cancelled, "the download was cancelled")
    } else if (error as NSError).domain == NSURLErrorDomain || error is URLError {
      self.init(transport: error)
    } else {
      let foreign = error as NSError
      self.init(
        .network, "AVFoundation interrupted the download: \(foreign.domain) \(foreign.code)")
    }
  }

  /// Converts a connection error of the system. Only its number is passed on: the description may hold the URL.
  fileprivate init(transport error: any Error) {
    guard let error = error as? URLError else {
      let foreign = error as NSError
      self.init(.network, "the connection failed: \(foreign.domain) \(foreign.code)")
      return
    }
    let number = error.code.rawValue
    switch error.code {
    case .notConnectedToInternet, .cannotFindHost, .cannotConnectToHost, .dnsLookupFailed, .dataNotAllowed,
      .internationalRoamingOff, .callIsActive:
      self.init(.offline, "no connection to the server: URLError \(number)")
    case .timedOut:
      self.init(.timeout, "the server did not answer in time; the outcome is unknown")
    case .secureConnectionFailed, .serverCertificateHasBadDate, .serverCertificateUntrusted,
      .serverCertificateHasUnknownRoot, .serverCertificateNotYetValid, .clientCertificateRejected,
      .clientCertificateRequired, .userAuthenticationRequired:
      self.init(.tls, "the TLS handshake failed: URLError \(number)")
    case .appTransportSecurityRequiresSecureConnection:
      self.init(.tls, "App Transport Security forbids this connection: URLError \(number)")
    default:
      self.init(.network, "the connection failed: URLError \(number)")
    }
  }
}
