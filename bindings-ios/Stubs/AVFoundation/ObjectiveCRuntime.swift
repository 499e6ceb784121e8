import Foundation

// The Objective-C runtime, as far as Foundation brings it along on Apple's systems: Linux has none. A class of a test's
// says what it answers.

// https://developer.apple.com/documentation/objectivec/selector
public struct Selector: Hashable, Sendable {
  let name: String
}

// https://developer.apple.com/documentation/foundation/nsselectorfromstring(_:)
public func NSSelectorFromString(_ aSelectorName: String) -> Selector { Selector(name: aSelectorName) }

extension NSObject {
  // https://developer.apple.com/documentation/objectivec/nsobjectprotocol/responds(to:)
  public class func responds(to aSelector: Selector!) -> Bool { perform(aSelector) != nil }

  // https://developer.apple.com/documentation/objectivec/nsobjectprotocol/perform(_:)
  public class func perform(_ aSelector: Selector!) -> Unmanaged<AnyObject>! {
    (self as? any StubObjectiveC.Type)?.stubObject(aSelector.name).map { Unmanaged.passUnretained($0) }
  }

  // https://developer.apple.com/documentation/objectivec/nsobject-swift.class/value(forkey:)
  public func value(forKey key: String) -> Any? { (self as? any StubObjectiveC)?.stubValue(key) }
}

/// A class that answers selectors and keys by their names.
@_spi(Stub) public protocol StubObjectiveC: NSObject {
  /// Returns the result of its class method of this name; `nil` if it has none.
  static func stubObject(_ selector: String) -> AnyObject?
  /// The value of its property of this name.
  func stubValue(_ key: String) -> Any?
}
