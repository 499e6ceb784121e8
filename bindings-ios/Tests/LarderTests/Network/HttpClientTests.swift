import Foundation
import Larder
import TestSupport
import Testing

/// The HTTP client under test. Results for the app must not depend on it.
enum Sender: CaseIterable {
  case builtIn
  case urlSession

  var client: (any HttpClient)? { self == .builtIn ? nil : URLSessionHttpClient() }
}

@Suite("Whoever sends the requests")
struct HttpClientTests {
  @Test("a title is registered, refreshed and given back", arguments: Sender.allCases)
  func wholeFlow(sender: Sender) async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let manager = try manager(device, sender)
    let status = try await register(manager, servers, device)
    #expect(status.isPlayable)
    #expect(try await manager.refreshAsset("film").isPlayable)
    #expect(try await manager.unregisterAsset("film").wasRegistered)
    #expect(try await manager.reconcile().pending == 0)
    let records = try await servers.licenseRecords()
    #expect(records.licenses.count == 2 && records.live == 0)
    // the two clients leave the same requests behind
    let seen = try await servers.requests()
    #expect(seen.allSatisfy { $0.method == "POST" && $0.path == "/clearkey/license" })
    #expect(seen.allSatisfy { $0.header("content-type") == "application/json" })
    #expect(seen.allSatisfy { $0.header("user-agent") != nil })
  }

  @Test("a server that fails once is asked again", arguments: Sender.allCases)
  func retry(sender: Sender) async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    try await servers.addFault(
      #"{"path": "/clearkey", "count": 1, "action": {"kind": "status", "status": 503, "retry_after_seconds": 0}}"#)
    #expect(try await register(try manager(device, sender), servers, device).isPlayable)
    #expect(try await servers.requests().count == 2)
  }

  @Test("a redirect is followed by Larder, and by nobody else", arguments: Sender.allCases)
  func redirect(sender: Sender) async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    try await servers.addFault(
      #"""
      {"path": "/clearkey/license", "count": 1,
       "action": {"kind": "redirect", "to": "/clearkey/license?asset=moved", "status": 307}}
      """#)
    #expect(try await register(try manager(device, sender), servers, device).isPlayable)
    #expect(try await servers.licenseRecords().licenses.map(\.asset) == ["moved"])
    #expect(try await servers.requests().map(\.method) == ["POST", "POST"])
  }

  @Test("a token that is refused is asked for again", arguments: Sender.allCases)
  func token(sender: Sender) async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    try await servers.setPolicy(#"{"require_token": "fresh"}"#)
    let manager = try manager(device, sender, tokens: FreshWhenRejected())
    #expect(try await register(manager, servers, device).isPlayable)
    #expect(try await servers.requests().map { $0.header("authorization") } == ["Bearer stale", "Bearer fresh"])
  }

  struct Trouble: Sendable, CustomTestStringConvertible {
    let action: String
    let code: LarderError.Code
    var testDescription: String { code.rawValue }
  }

  @Test(
    "what goes wrong has one code", arguments: Sender.allCases,
    [
      Trouble(action: #"{"kind": "hang"}"#, code: .timeout),
      Trouble(action: #"{"kind": "redirect_loop"}"#, code: .redirect),
      Trouble(action: #"{"kind": "status", "status": 403}"#, code: .unauthorized),
      Trouble(action: #"{"kind": "status", "status": 404}"#, code: .serverRejected),
      Trouble(action: #"{"kind": "html"}"#, code: .licenseNotALicense),
      Trouble(action: #"{"kind": "empty"}"#, code: .licenseEmpty),
      Trouble(action: #"{"kind": "garbage"}"#, code: .network),
      Trouble(action: #"{"kind": "reset"}"#, code: .network),
    ])
  func trouble(sender: Sender, trouble: Trouble) async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    try await servers.addFault(#"{"path": "/clearkey", "action": \#(trouble.action)}"#)
    let manager = try manager(device, sender, networkTimeoutSeconds: trouble.code == .timeout ? 1 : 15)
    let error = try await thrown { try await register(manager, servers, device) }
    #expect(error.code == trouble.code, "\(error)")
    #expect(!error.message.contains("127.0.0.1"))
    #expect(try manager.assets().isEmpty)
    try await servers.clearFaults()
    try await manager.reconcile()
    #expect(try await servers.licenseRecords().live == 0)
  }

  @Test("a server that is not there is offline", arguments: Sender.allCases)
  func offline(sender: Sender) async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    try await servers.stop()
    let error = try await thrown { try await register(try manager(device, sender), servers, device) }
    #expect(error.code == .offline && error.remedy == .goOnline && error.isRetryable)
  }

  @Test("offline mode asks no client at all")
  func offlineMode() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let asked = Shared(0)
    let manager = try manager(
      device,
      client: Scripted { _ in
        asked.change { $0 += 1 }
        throw LarderError(.network, "it was asked")
      })
    try manager.setNetworkState(.offline)
    #expect(try await thrown { try await register(manager, servers, device) }.code == .offline)
    #expect(asked.value == 0)
  }

  @Test("a client that throws what is not ours is a connection that failed, and its words stay with it")
  func foreignError() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let manager = try manager(device, client: Scripted { _ in throw Failure(what: "hunter2") })
    let error = try await thrown { try await register(manager, servers, device) }
    #expect(error.code == .network && !error.message.contains("hunter2"))
  }

  @Test("a client's answer over the limit is refused all the same")
  func oversized() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let manager = try manager(
      device,
      client: Scripted { request in
        HttpResponse(status: 200, headers: [], body: Data(count: Int(request.maxBodyBytes) + 1))
      })
    #expect(try await thrown { try await register(manager, servers, device) }.code == .responseTooLarge)
  }

  private func manager(
    _ device: TestDevice, _ sender: Sender, tokens: (any TokenProvider)? = nil, networkTimeoutSeconds: Int32 = 15
  ) throws -> LocalAssetsManager {
    try LocalAssetsManager(
      config: device.config(networkTimeoutSeconds: networkTimeoutSeconds), storage: MemoryDrmStorage(),
      engines: [SwiftClearKey()],
      tokenProvider: tokens, httpClient: sender.client)
  }

  private func manager(_ device: TestDevice, client: any HttpClient) throws -> LocalAssetsManager {
    try LocalAssetsManager(
      config: device.config(), storage: MemoryDrmStorage(), engines: [SwiftClearKey()], httpClient: client)
  }

  @discardableResult
  private func register(_ manager: LocalAssetsManager, _ servers: TestServers, _ device: TestDevice) async throws
    -> AssetStatus
  {
    try await manager.registerDownloadedAsset(
      location: try device.download(.cencDash), mediaSource: servers.source(.cencDash), assetId: "film")
  }
}

private struct FreshWhenRejected: TokenProvider {
  func authorization(for assetId: String, rejected: Bool) throws -> String? {
    rejected ? "Bearer fresh" : "Bearer stale"
  }
}

private struct Scripted: HttpClient {
  let answer: @Sendable (HttpRequest) throws -> HttpResponse

  init(_ answer: @escaping @Sendable (HttpRequest) throws -> HttpResponse) {
    self.answer = answer
  }

  func send(_ request: HttpRequest) throws -> HttpResponse { try answer(request) }
}
