// swift-tools-version: 6.0
import Foundation
import PackageDescription

// SwiftPM wants its manifest at the root of a repository; everything it names lies in bindings-ios.
//
// The native library comes from one of two places:
// - an XCFramework, when `bindings-ios/LarderFFI.xcframework` has been built: what apps link;
// - the host's own build (`cargo build -p larder-ffi`), on Linux and wherever LARDER_LIB_DIR says so: what tests link.
// `scripts/generate-bindings` writes LarderBindings and LarderFFI; neither is committed.
let environment = ProcessInfo.processInfo.environment
let framework = "bindings-ios/LarderFFI.xcframework"

#if os(Linux)
  let linksHostBuild = true
#else
  let linksHostBuild =
    environment["LARDER_LIB_DIR"] != nil
    || !FileManager.default.fileExists(atPath: "\(Context.packageDirectory)/\(framework)")
#endif

let libraryFolder = environment["LARDER_LIB_DIR"] ?? "\(Context.packageDirectory)/target/debug"

let native: Target =
  linksHostBuild
  ? .systemLibrary(name: "LarderFFI", path: "bindings-ios/Sources/LarderFFI")
  : .binaryTarget(name: "LarderFFI", path: framework)

// SwiftPM refuses unsafe flags in a dependency, so they exist in host builds only.
let nativeLinking: [LinkerSetting] =
  linksHostBuild
  ? [
    .unsafeFlags(["-L\(libraryFolder)", "-Xlinker", "-rpath", "-Xlinker", libraryFolder]),
    .linkedLibrary("larder_ffi"),
  ]
  // Apple's own SQLite and trust evaluation, which the static library leaves undefined.
  : [.linkedLibrary("sqlite3"), .linkedFramework("Security"), .linkedFramework("CoreFoundation")]

// On Linux, stand-ins for the Apple frameworks that Larder imports, so that its Apple code runs here too: see
// bindings-ios/Stubs/README.md. The manifest runs on the machine that builds.
#if os(Linux)
  let stubs = ["AVFoundation", "CryptoKit", "Security"]
  let stubTests: [Target] = [
    .testTarget(name: "StubTests", dependencies: stubs.map { .byName(name: $0) }, path: "bindings-ios/Tests/StubTests")
  ]
#else
  let stubs: [String] = []
  let stubTests: [Target] = []
#endif
let frameworks: [Target.Dependency] = stubs.map { .byName(name: $0) }

// In steps with types of their own: as one expression it takes the compiler too long.
let written: [Target] = [
  native,
  .target(
    name: "LarderBindings",
    dependencies: ["LarderFFI"],
    path: "bindings-ios/Sources/LarderBindings",
    // What UniFFI generates is written for language mode 5.
    swiftSettings: [.swiftLanguageMode(.v5)],
    linkerSettings: nativeLinking
  ),
  .target(name: "Larder", dependencies: ["LarderBindings"] + frameworks, path: "bindings-ios/Sources/Larder"),
  .target(
    name: "LarderCompat",
    dependencies: ["Larder", "LarderBindings"] + frameworks,
    path: "bindings-ios/Sources/LarderCompat"
  ),
  .target(name: "TestSupport", dependencies: ["Larder"], path: "bindings-ios/Tests/TestSupport"),
  .testTarget(
    name: "LarderTests",
    dependencies: ["Larder", "TestSupport"] + frameworks,
    path: "bindings-ios/Tests/LarderTests"
  ),
  .testTarget(
    // Its own module: an import of LarderCompat in one file shows its overloads in all of them.
    name: "LarderCompatTests",
    dependencies: ["LarderCompat", "TestSupport"],
    path: "bindings-ios/Tests/LarderCompatTests"
  ),
]
let stubTargets: [Target] = stubs.map { .target(name: $0, path: "bindings-ios/Stubs/\($0)") }

let package = Package(
  name: "Larder",
  platforms: [.iOS(.v15), .macCatalyst(.v15), .macOS(.v12)],
  products: [
    .library(name: "Larder", targets: ["Larder"]),
    .library(name: "LarderCompat", targets: ["LarderCompat"]),
  ],
  targets: written + stubTargets + stubTests,
  swiftLanguageModes: [.v6]
)
