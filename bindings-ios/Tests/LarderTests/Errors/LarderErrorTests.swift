import Foundation
import Larder
import TestSupport
import Testing

@Suite("Errors")
struct LarderErrorTests {
  @Test("every code of the core has a constant here, and the other way round")
  func codes() throws {
    let core = try constants(in: "core/src/error.rs", after: "codes! {", pattern: #"^    \w+ = "([A-Z_]+)","#)
    let swift = try constants(
      in: "bindings-ios/Sources/Larder/Errors/LarderErrorCode.swift", after: "",
      pattern: #"Self\(rawValue: "([A-Z_]+)"\)"#)
    #expect(core.count > 30)
    #expect(core == swift)
  }

  @Test("an error says code, message and remedy, and reads well as a localized error")
  func description() {
    let error = LarderError(.offline, "no route to the license server", remedy: .goOnline, isRetryable: true)
    #expect("\(error)" == "OFFLINE: no route to the license server")
    #expect((error as any Error).localizedDescription == "no route to the license server")
    #expect(error.recoverySuggestion?.isEmpty == false)
  }

  @Test("a code that this version does not know is a code too")
  func unknownCode() {
    let code = LarderError.Code(rawValue: "FROM_THE_FUTURE")
    #expect(code != .internal && code.description == "FROM_THE_FUTURE")
  }

  private func constants(in path: String, after start: String, pattern: String) throws -> Set<String> {
    let text = try String(contentsOf: Repository.root.appendingPathComponent(path), encoding: .utf8)
    let from = start.isEmpty ? text.startIndex : try #require(text.range(of: start)).upperBound
    let expression = try NSRegularExpression(pattern: pattern, options: .anchorsMatchLines)
    let tail = String(text[from...])
    let matches = expression.matches(in: tail, range: NSRange(tail.startIndex..., in: tail))
    return Set(try matches.map { String(tail[try #require(Range($0.range(at: 1), in: tail))]) })
  }
}
