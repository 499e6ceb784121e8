import Dispatch
import Foundation

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// The test servers (`larder testkit serve`), in a process of their own: an origin, license servers that keep a book,
/// faults by rule. They end with this object.
package final class TestServers: @unchecked Sendable {
  /// Where the public is served, without a slash at the end.
  package let url: String
  private let adminURL: String
  private let child: Child

  package init() throws {
    let command = Repository.command
    guard FileManager.default.isExecutableFile(atPath: command.path) else {
      throw Failure(what: "the test servers are missing: cargo build -p larder-cli")
    }
    child = try Child(command.path, ["testkit", "serve", "--media", Repository.media.path, "--print-url"])
    var lines = LineReader(child.output)
    guard let url = lines.next(), let adminURL = lines.next() else {
      child.end()
      throw Failure(what: "the test servers did not say where they are")
    }
    (self.url, self.adminURL) = (url, adminURL)
  }

  deinit {
    child.end()
  }

  /// A license in the servers' records.
  package struct Issued: Decodable {
    package let licenseId: String
    package let asset: String?
    package let renewals: Int
    package let releasedAtMs: Int?

    enum CodingKeys: String, CodingKey {
      case licenseId = "license_id"
      case asset
      case renewals
      case releasedAtMs = "released_at_ms"
    }
  }

  /// The licenses that the servers issued and released.
  package struct LicenseRecords: Decodable {
    package let licenses: [Issued]
    package let live: Int
  }

  /// One request that reached the public door.
  package struct Seen: Decodable {
    package let method: String
    package let path: String
    package let query: String?
    package let headers: [[String]]
    package let kind: String

    package func header(_ name: String) -> String? {
      headers.first { $0.first?.lowercased() == name.lowercased() }?.last
    }
  }

  package func licenseRecords() async throws -> LicenseRecords {
    try JSONDecoder().decode(LicenseRecords.self, from: try await admin("GET", "book"))
  }

  package func requests() async throws -> [Seen] {
    try JSONDecoder().decode([Seen].self, from: try await admin("GET", "requests"))
  }

  /// Changes what the license servers grant, for example `{"require_token": "t"}`.
  package func setPolicy(_ json: String) async throws {
    _ = try await admin("POST", "policy", json)
  }

  /// Adds a fault, for example `{"path": "/clearkey", "action": {"kind": "hang"}}`.
  package func addFault(_ json: String) async throws {
    _ = try await admin("POST", "faults", json)
  }

  package func clearFaults() async throws {
    _ = try await admin("DELETE", "faults")
  }

  /// Shuts the public door: connections are refused until ``resume()``.
  package func stop() async throws {
    _ = try await admin("POST", "stop")
  }

  package func resume() async throws {
    _ = try await admin("POST", "resume")
  }

  private func admin(_ method: String, _ path: String, _ body: String? = nil) async throws -> Data {
    guard let url = URL(string: "\(adminURL)/admin/\(path)") else { throw Failure(what: "no URL: \(path)") }
    var request = URLRequest(url: url)
    request.httpMethod = method
    request.httpBody = body.map { Data($0.utf8) }
    let (answer, response) = try await URLSession.shared.data(for: request)
    guard (response as? HTTPURLResponse)?.statusCode == 200 else {
      throw Failure(what: "admin \(path): \(String(decoding: answer, as: UTF8.self))")
    }
    return answer
  }
}

package struct Failure: Error {
  package let what: String

  package init(what: String) {
    self.what = what
  }
}

/// A process whose output is read.
///
/// Not Foundation's: on Linux it lists the open files of this process before it starts another, reads over the end of that
/// list when there are some 1,300 (all tests run at once), and crashes.
private struct Child: Sendable {
  let output: FileHandle
  private let id: pid_t

  init(_ path: String, _ arguments: [String]) throws {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw Failure(what: "no pipe: errno \(errno)") }
    defer { close(ends[1]) }
    // Nobody else's child keeps them open.
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    output = FileHandle(fileDescriptor: ends[0], closeOnDealloc: true)
    #if canImport(Darwin)
      var actions: posix_spawn_file_actions_t?
    #else
      var actions = posix_spawn_file_actions_t()
    #endif
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) }
    words.append(nil)
    defer { words.forEach { free($0) } }
    // Not what leads a simulator's processes to its own system libraries: this is a program of the Mac.
    let environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("DYLD_") }
    var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0)=\($1)") }
    variables.append(nil)
    defer { variables.forEach { free($0) } }
    var started: pid_t = 0
    let failure = posix_spawn(&started, path, &actions, nil, words, variables)
    guard failure == 0 else { throw Failure(what: "\(path) does not start: errno \(failure)") }
    id = started
  }

  // Not SIGTERM: a child inherits the signal mask of the thread that starts it, and Dispatch's threads on Linux mask it.
  func end() {
    kill(id, SIGKILL)
    // It is dead at once, or nearly; somebody has to take note of it.
    let id = id
    DispatchQueue.global().async {
      var status: Int32 = 0
      while waitpid(id, &status, 0) == -1 && errno == EINTR {}
    }
  }
}

/// Lines of a pipe, as they come.
private struct LineReader {
  private let handle: FileHandle
  private var rest = Data()

  init(_ handle: FileHandle) {
    self.handle = handle
  }

  mutating func next() -> String? {
    while true {
      if let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        defer { rest = Data(rest[(end + 1)...]) }
        return String(decoding: rest[..<end], as: UTF8.self)
      }
      let more = handle.availableData
      guard !more.isEmpty else { return nil }
      rest += more
    }
  }
}
