import XCTest

/// The clip of the bundle, from nothing to playing and back. The simulator has neither FairPlay nor downloads.
final class SampleUITests: XCTestCase {
  @MainActor
  func testTheBundledClipIsRegisteredPlayedRenewedAndDeleted() {
    continueAfterFailure = false
    let app = XCUIApplication()
    app.launch()
    let headline = app.staticTexts["bundled.headline"]
    XCTAssertTrue(headline.waitForExistence(timeout: 30))

    wait(for: app.buttons["bundled.register"], toBeEnabled: true)
    app.buttons["bundled.register"].tap()
    wait(for: app.buttons["bundled.play"], toBeEnabled: true)
    XCTAssertEqual(headline.label, "Ready")

    app.buttons["bundled.play"].tap()
    XCTAssertTrue(app.otherElements["Video"].firstMatch.waitForExistence(timeout: 30))
    app.swipeDown(velocity: .fast)

    wait(for: app.buttons["bundled.renew"], toBeEnabled: true)
    app.buttons["bundled.renew"].tap()
    wait(for: app.buttons["bundled.delete"], toBeEnabled: true)
    app.buttons["bundled.delete"].tap()
    wait(for: app.buttons["bundled.register"], toBeEnabled: true)
    XCTAssertEqual(headline.label, "Not here")
  }

  @MainActor
  func testARegisteredClipIsThereAfterARelaunch() {
    continueAfterFailure = false
    let app = XCUIApplication()
    app.launch()
    wait(for: app.buttons["bundled.register"], toBeEnabled: true)
    app.buttons["bundled.register"].tap()
    wait(for: app.buttons["bundled.play"], toBeEnabled: true)
    app.terminate()
    app.launch()
    wait(for: app.buttons["bundled.delete"], toBeEnabled: true)
    XCTAssertEqual(app.staticTexts["bundled.headline"].label, "Ready")
    app.buttons["bundled.delete"].tap()
    wait(for: app.buttons["bundled.register"], toBeEnabled: true)
  }

  @MainActor
  private func wait(for element: XCUIElement, toBeEnabled isEnabled: Bool) {
    let enabled = XCTNSPredicateExpectation(
      predicate: NSPredicate(format: "exists == true AND isEnabled == %@", NSNumber(value: isEnabled)),
      object: element)
    XCTAssertEqual(XCTWaiter().wait(for: [enabled], timeout: 30), .completed)
  }
}
