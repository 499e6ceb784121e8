import Larder
import SwiftUI

@main
struct LarderSampleApp: App {
  @StateObject private var screen = ScreenState.make()

  var body: some Scene {
    WindowGroup { TitlesScreen(screen: screen) }
  }
}
