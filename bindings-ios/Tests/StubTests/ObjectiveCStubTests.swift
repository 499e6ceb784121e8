@_spi(Stub) import AVFoundation
import Foundation
import Testing

@Suite("The stub of the Objective-C runtime")
struct ObjectiveCStubTests {
  @Test("a class answers the selectors and the keys that it knows, by its name too, and no others")
  func selectors() throws {
    let type = try #require(NSClassFromString(NSStringFromClass(Speaker.self)) as? NSObject.Type)
    #expect(type.responds(to: NSSelectorFromString("one")) && !type.responds(to: NSSelectorFromString("other")))
    let object = try #require(type.perform(NSSelectorFromString("one"))?.takeUnretainedValue() as? NSObject)
    #expect(object.value(forKey: "number") as? Int == 1 && object.value(forKey: "other") == nil)
    #expect(!NSObject.responds(to: NSSelectorFromString("one")) && NSClassFromString("UIApplication") == nil)
  }
}

final class Speaker: NSObject, StubObjectiveC, Sendable {
  private static let one = Speaker()

  static func stubObject(_ selector: String) -> AnyObject? { selector == "one" ? one : nil }

  func stubValue(_ key: String) -> Any? { key == "number" ? 1 : nil }
}
