import Foundation

/// Where things lie in the repository that these tests are part of.
package enum Repository {
  package static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent()  // TestSupport
    .deletingLastPathComponent()  // Tests
    .deletingLastPathComponent()  // bindings-ios
    .deletingLastPathComponent()

  /// The title that the tests play, packaged several ways.
  package static let media = root.appendingPathComponent("testkit/media")

  /// The command that serves it. `LARDER_CLI` names another build of it.
  package static var command: URL {
    let named = ProcessInfo.processInfo.environment["LARDER_CLI"]
    return named.map { URL(fileURLWithPath: $0) } ?? root.appendingPathComponent("target/debug/larder")
  }
}
