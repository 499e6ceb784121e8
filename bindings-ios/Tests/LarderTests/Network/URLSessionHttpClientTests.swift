import Foundation
import Larder
import TestSupport
import Testing

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

@Suite("The client on URLSession")
struct URLSessionHttpClientTests {
  private let client = URLSessionHttpClient()

  @Test("a request goes out as it is, and the whole answer comes back")
  func roundTrip() async throws {
    let servers = try TestServers()
    try await servers.addFault(
      #"{"path": "/echo", "action": {"kind": "body", "text": "a license", "content_type": "x/y"}}"#)
    let answer = try client.send(
      post(
        "\(servers.url)/echo?a=b%20c", headers: [HttpHeader(name: "X-One", value: "1"), auth], body: Data([0, 255, 10]))
    )
    #expect(answer.status == 200 && answer.body == Data("a license".utf8))
    #expect(answer.headers.first { $0.name == "content-type" }?.value == "x/y")
    #expect(answer.headers.allSatisfy { $0.name == $0.name.lowercased() })

    let seen = try #require(try await servers.requests().first)
    #expect(seen.method == "POST" && seen.path == "/echo" && seen.query == "a=b%20c")
    #expect(seen.header("x-one") == "1" && seen.header("authorization") == "Bearer t")
    #expect(seen.header("content-length") == "3")
  }

  @Test("an empty POST says that it is empty, and a GET has no body")
  func emptyBodies() async throws {
    let servers = try TestServers()
    _ = try client.send(post("\(servers.url)/none", body: Data()))
    _ = try client.send(get("\(servers.url)/none"))
    let seen = try await servers.requests()
    #expect(seen.map(\.method) == ["POST", "GET"])
    #expect(seen.map { $0.header("content-length") } == ["0", nil])
  }

  @Test("any status is an answer", arguments: [204, 401, 403, 404, 410, 429, 500, 503])
  func statuses(status: Int) async throws {
    let servers = try TestServers()
    try await servers.addFault(
      #"{"path": "/", "action": {"kind": "status", "status": \#(status), "retry_after_seconds": 7}}"#)
    let answer = try client.send(get("\(servers.url)/a"))
    #expect(answer.status == status)
    #expect(answer.headers.first { $0.name == "retry-after" }?.value == "7")
    #expect(try await servers.requests().count == 1)
  }

  @Test("a redirect is an answer and is not followed", arguments: [301, 302, 303, 307, 308])
  func redirects(status: Int) async throws {
    let servers = try TestServers()
    try await servers.addFault(#"{"path": "/a", "action": {"kind": "redirect", "to": "/b", "status": \#(status)}}"#)
    let answer = try client.send(get("\(servers.url)/a"))
    #expect(answer.status == status)
    #expect(answer.headers.first { $0.name == "location" }?.value == "/b")
    #expect(try await servers.requests().map(\.path) == ["/a"])
  }

  @Test("no cookie and no cached answer goes from one request to the next")
  func stateless() async throws {
    let servers = try TestServers()
    try await servers.addFault(
      #"{"path": "/a", "action": {"kind": "header", "name": "Set-Cookie", "value": "session=secret"}}"#)
    try await servers.addFault(
      #"{"path": "/a", "action": {"kind": "header", "name": "Cache-Control", "value": "max-age=3600"}}"#)
    for _ in 0..<2 { _ = try client.send(get("\(servers.url)/a")) }
    let seen = try await servers.requests()
    #expect(seen.count == 2 && seen.allSatisfy { $0.header("cookie") == nil })
  }

  @Test("an answer over the limit is broken off, announced or not", arguments: [nil, #"{"kind": "chunked"}"#])
  func tooLarge(action: String?) async throws {
    let servers = try TestServers()
    if let action { try await servers.addFault(#"{"path": "/media", "action": \#(action)}"#) }
    let url = "\(servers.url)/media/dash-cenc/manifest.mpd"
    let whole = try client.send(get(url)).body.count
    #expect(try client.send(get(url, maxBodyBytes: Int64(whole))).body.count == whole)
    let error = try await thrown { try client.send(get(url, maxBodyBytes: Int64(whole - 1))) }
    #expect(error.code == .responseTooLarge)
  }

  @Test(
    "what happens to a connection has our codes",
    arguments: [
      (#"{"kind": "hang"}"#, LarderError.Code.timeout),
      (#"{"kind": "drip", "bytes": 1, "interval_ms": 100}"#, .timeout),
      (#"{"kind": "reset"}"#, .network),
      (#"{"kind": "garbage"}"#, .network),
      (#"{"kind": "drop", "after_bytes": 3}"#, .network),
    ])
  func failures(action: String, code: LarderError.Code) async throws {
    let servers = try TestServers()
    try await servers.addFault(#"{"path": "/media", "action": \#(action)}"#)
    let url = "\(servers.url)/media/dash-cenc/manifest.mpd?token=hunter2"
    let error = try await thrown { try client.send(get(url, timeoutMs: code == .timeout ? 500 : 15_000)) }
    #expect(error.code == code, "\(error)")
    #expect(!error.message.contains("hunter2") && !error.message.contains("127.0.0.1"))
  }

  @Test("a server that is not there is offline, and so is a host that has no address")
  func offline() async throws {
    let servers = try TestServers()
    try await servers.stop()
    #expect(try await thrown { try client.send(get("\(servers.url)/a")) }.code == .offline)
    #expect(try await thrown { try client.send(get("http://nowhere.invalid/a")) }.code == .offline)
  }

  @Test("a URL that is none is refused", arguments: ["", "not a url", "file:///etc/hosts", "ftp://cdn.example/a"])
  func badURLs(url: String) async throws {
    #expect(try await thrown { try client.send(get(url)) }.code == .invalidArgument)
  }

  @Test("many requests at once each get their own answer")
  func atOnce() async throws {
    let servers = try TestServers()
    for number in 0..<20 {
      try await servers.addFault(#"{"path": "/n\#(number)/", "action": {"kind": "body", "text": "\#(number)"}}"#)
    }
    let client = client
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<20 {
        group.addTask {
          let answer = try await onThread { try client.send(self.get("\(servers.url)/n\(number)/")) }
          #expect(String(decoding: answer.body, as: UTF8.self) == "\(number)")
        }
      }
      try await group.waitForAll()
    }
  }

  // Linux's Foundation knows challenges for passwords alone, and only how to break one off.
  @Test("a challenge that the app refuses is a TLS error, and the app is asked once")
  func refusedChallenge() async throws {
    let servers = try TestServers()
    try await servers.addFault(#"{"path": "/", "action": {"kind": "status", "status": 401}}"#)
    try await servers.addFault(
      #"{"path": "/", "action": {"kind": "header", "name": "WWW-Authenticate", "value": "Basic realm=\"r\""}}"#)
    let asked = Shared<[String]>([])
    let client = URLSessionHttpClient { challenge in
      asked.change { $0.append(challenge.protectionSpace.host) }
      return (.cancelAuthenticationChallenge, nil)
    }
    #expect(try await thrown { try client.send(get("\(servers.url)/a")) }.code == .tls)
    #expect(asked.value == ["127.0.0.1"])
  }

  @Test("the app's own configuration stays as it was")
  func configuration() {
    let configuration = URLSessionConfiguration.default
    let policy = configuration.httpShouldSetCookies
    _ = URLSessionHttpClient(configuration: configuration)
    #expect(configuration.httpShouldSetCookies == policy && configuration.urlCache != nil)
  }

  private let auth = HttpHeader(name: "Authorization", value: "Bearer t")

  private func get(_ url: String, timeoutMs: Int64 = 15_000, maxBodyBytes: Int64 = 1 << 20) -> HttpRequest {
    HttpRequest(method: "GET", url: url, headers: [], body: Data(), timeoutMs: timeoutMs, maxBodyBytes: maxBodyBytes)
  }

  private func post(_ url: String, headers: [HttpHeader] = [], body: Data) -> HttpRequest {
    HttpRequest(method: "POST", url: url, headers: headers, body: body, timeoutMs: 15_000, maxBodyBytes: 1 << 20)
  }
}
