import Foundation
import Larder
import TestSupport
import Testing

@Suite("The app's hand on requests")
struct RequestTests {
  @Test("an adapter changes URL, headers and body of every request, and sees the answers")
  func adapter() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let seen = Shared<[String]>([])
    let adapter = Adapter(
      adapting: { request in
        seen.change { $0.append("\(request.kind) \(request.assetId)") }
        let signed = request.with(url: request.url + "&adapted=1").settingHeader("x-session", to: "one")
        return signed.settingHeader("X-Session", to: "two")
      },
      parsing: { response in
        seen.change { $0.append("\(response.status)") }
        return nil
      })
    let manager = try manager(device, requestAdapter: adapter)
    try await register(manager, servers, device)
    try await manager.unregisterAsset("film")
    try await manager.reconcile()

    #expect(seen.value == ["license film", "200", "release film", "200"])
    let requests = try await servers.requests()
    #expect(requests.count == 2)
    #expect(requests.allSatisfy { $0.query?.contains("adapted=1") == true })
    #expect(requests.allSatisfy { $0.header("x-session") == "two" })
    #expect(requests.allSatisfy { $0.headers.filter { $0.first?.lowercased() == "x-session" }.count == 1 })
  }

  @Test("an adapter unpacks an answer of its own kind")
  func parsing() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let parsed = Shared(0)
    let adapter = Adapter(
      adapting: { $0 },
      parsing: { response in
        parsed.change { $0 += 1 }
        return ExchangeAnswer(body: response.body, persistenceDurationSeconds: nil)
      })
    let manager = try manager(device, requestAdapter: adapter)
    #expect(try await register(manager, servers, device).isPlayable)
    #expect(parsed.value == 1)
  }

  @Test("an adapter that throws fails the registration, typed, and sends nothing")
  func throwingAdapter() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let adapter = Adapter(adapting: { _ in throw Failure(what: "hunter2") }, parsing: { _ in nil })
    let manager = try manager(device, requestAdapter: adapter)
    let error = try await thrown { try await register(manager, servers, device) }
    #expect(error.code == .delegateFailed && !error.message.contains("hunter2"))
    #expect(try await servers.requests().isEmpty)
    #expect(try manager.assets().isEmpty)
  }

  @Test("a refused token is asked for again, once")
  func token() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    try await servers.setPolicy(#"{"require_token": "fresh"}"#)
    let asked = Shared<[Bool]>([])
    let manager = try manager(
      device,
      tokenProvider: Tokens { _, rejected in
        asked.change { $0.append(rejected) }
        return rejected ? "Bearer fresh" : "Bearer stale"
      })
    #expect(try await register(manager, servers, device).isPlayable)
    #expect(asked.value == [false, true])
    #expect(try await servers.requests().map { $0.header("authorization") } == ["Bearer stale", "Bearer fresh"])
  }

  @Test("a token that stays refused is an error that says: sign in")
  func refusedToken() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    try await servers.setPolicy(#"{"require_token": "fresh"}"#)
    let manager = try manager(device, tokenProvider: Tokens { _, _ in "Bearer stale" })
    let error = try await thrown { try await register(manager, servers, device) }
    #expect(error.code == .unauthorized && error.remedy == .signIn && error.httpStatus == 403)
    #expect(try await servers.requests().count == 2)
    #expect(!error.message.contains("stale"))
  }

  @Test("a token provider that throws fails the registration, typed")
  func throwingTokens() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let manager = try manager(device, tokenProvider: Tokens { _, _ in throw Failure(what: "hunter2") })
    let error = try await thrown { try await register(manager, servers, device) }
    #expect(error.code == .delegateFailed && !error.message.contains("hunter2"))
  }

  // MARK: -

  private func manager(
    _ device: TestDevice, requestAdapter: (any RequestAdapter)? = nil, tokenProvider: (any TokenProvider)? = nil
  ) throws -> LocalAssetsManager {
    try LocalAssetsManager(
      config: device.config(), storage: MemoryDrmStorage(), engines: [SwiftClearKey()],
      requestAdapter: requestAdapter, tokenProvider: tokenProvider)
  }

  @discardableResult
  private func register(_ manager: LocalAssetsManager, _ servers: TestServers, _ device: TestDevice) async throws
    -> AssetStatus
  {
    try await manager.registerDownloadedAsset(
      location: try device.download(.cencDash), mediaSource: servers.source(.cencDash), assetId: "film")
  }
}

private struct Adapter: RequestAdapter {
  let adapting: @Sendable (LicenseRequest) throws -> LicenseRequest
  let parsing: @Sendable (LicenseResponse) throws -> ExchangeAnswer?

  func adapt(_ request: LicenseRequest) throws -> LicenseRequest { try adapting(request) }
  func parse(_ response: LicenseResponse) throws -> ExchangeAnswer? { try parsing(response) }
}

private struct Tokens: TokenProvider {
  let token: @Sendable (String, Bool) throws -> String?

  init(_ token: @escaping @Sendable (String, Bool) throws -> String?) {
    self.token = token
  }

  func authorization(for assetId: String, rejected: Bool) throws -> String? { try token(assetId, rejected) }
}
