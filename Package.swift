// swift-tools-version: 6.0
import Foundation
import PackageDescription

// SwiftPM wants its manifest at the root of a repository; everything it names lies in bindings-ios.
// `scripts/generate-bindings` writes LarderBindings and LarderFFI; neither is committed. `scripts/build-ios --check` reads
// this manifest in each of the three forms below.

/// Where the native library comes from.
enum Native: String {
  /// The host's own build (`cargo build -p larder-ffi`): what tests link. Only it needs unsafe flags, which SwiftPM refuses
  /// in a dependency.
  case host
  /// The XCFramework that `scripts/build-ios` has built here.
  case local
  /// The XCFramework of a release: what apps link that name this repository by its URL.
  case remote
}

/// The release whose XCFramework is linked; `scripts/build-ios` prints these lines for a release.
let release: (url: String, checksum: String)? = nil

let environment = ProcessInfo.processInfo.environment
let framework = "bindings-ios/LarderFFI.xcframework"

/// The build needs no flag: LARDER_NATIVE and LARDER_LIB_DIR are for tests.
var native: Native {
  if let named = environment["LARDER_NATIVE"].flatMap(Native.init) { return named }
  #if os(Linux)
    return .host
  #else
    if environment["LARDER_LIB_DIR"] != nil { return .host }
    if FileManager.default.fileExists(atPath: "\(Context.packageDirectory)/\(framework)") { return .local }
    return release == nil ? .host : .remote
  #endif
}

let libraryFolder = environment["LARDER_LIB_DIR"] ?? "\(Context.packageDirectory)/target/debug"

var nativeTarget: Target {
  switch native {
  case .host:
    return .systemLibrary(name: "LarderFFI", path: "bindings-ios/Sources/LarderFFI")
  case .local:
    return .binaryTarget(name: "LarderFFI", path: framework)
  case .remote:
    let unreleased = ("https://example.invalid/LarderFFI.xcframework.zip", String(repeating: "0", count: 64))
    let (url, checksum) = release ?? unreleased
    return .binaryTarget(name: "LarderFFI", url: url, checksum: checksum)
  }
}

var nativeLinking: [LinkerSetting] {
  switch native {
  case .host:
    return [
      .unsafeFlags(["-L\(libraryFolder)", "-Xlinker", "-rpath", "-Xlinker", libraryFolder]),
      .linkedLibrary("larder_ffi"),
    ]
  case .local, .remote:
    // Apple's trust evaluation, which the static library leaves undefined.
    return [.linkedFramework("Security"), .linkedFramework("CoreFoundation")]
  }
}

// On Linux, stand-ins for the Apple frameworks that Larder imports, so that its Apple code runs here too: see
// bindings-ios/Stubs/README.md. The manifest runs on the machine that builds.
#if os(Linux)
  let stubs: [String] = ["AVFoundation", "CryptoKit", "Security"]
  let testsOfStubs: [String] = []
  let privacyManifest: [Resource] = []
#else
  let stubs: [String] = []
  // Tests that script the stand-ins cannot run with Apple's own frameworks.
  let testsOfStubs = ["Downloads", "Drm/FairPlay", "Storage/KeychainDrmStorageTests.swift"]
  let privacyManifest: [Resource] = [.copy("PrivacyInfo.xcprivacy")]
#endif
let frameworks: [Target.Dependency] = stubs.map { .byName(name: $0) }

var targets: [Target] = [
  nativeTarget,
  .target(
    name: "LarderBindings",
    dependencies: ["LarderFFI"],
    path: "bindings-ios/Sources/LarderBindings",
    // What UniFFI generates is written for language mode 5.
    swiftSettings: [.swiftLanguageMode(.v5)],
    linkerSettings: nativeLinking
  ),
  .target(
    name: "Larder",
    dependencies: ["LarderBindings"] + frameworks,
    path: "bindings-ios/Sources/Larder",
    exclude: privacyManifest.isEmpty ? ["PrivacyInfo.xcprivacy"] : [],
    resources: privacyManifest
  ),
  .target(
    name: "LarderCompat",
    dependencies: ["Larder", "LarderBindings"] + frameworks,
    path: "bindings-ios/Sources/LarderCompat"
  ),
  .target(name: "TestSupport", dependencies: ["Larder"], path: "bindings-ios/Tests/TestSupport"),
  .testTarget(
    name: "LarderTests",
    dependencies: ["Larder", "TestSupport"] + frameworks,
    path: "bindings-ios/Tests/LarderTests",
    exclude: testsOfStubs
  ),
  .testTarget(
    // Its own module: an import of LarderCompat in one file shows its overloads in all of them.
    name: "LarderCompatTests",
    dependencies: ["LarderCompat", "TestSupport"] + frameworks,
    path: "bindings-ios/Tests/LarderCompatTests"
  ),
]

// The sample's model, which is plain Swift: an app that names this package has no use for it.
if native == .host {
  targets += [
    .target(name: "SampleModel", dependencies: ["Larder"] + frameworks, path: "ios-sample/Model"),
    .testTarget(
      name: "SampleModelTests",
      dependencies: ["SampleModel", "TestSupport"] + frameworks,
      path: "ios-sample/Tests"
    ),
  ]
}

for stub in stubs {
  targets.append(.target(name: stub, path: "bindings-ios/Stubs/\(stub)"))
}
if !stubs.isEmpty {
  targets.append(.testTarget(name: "StubTests", dependencies: frameworks, path: "bindings-ios/Tests/StubTests"))
}

let package = Package(
  name: "Larder",
  platforms: [.iOS(.v15), .macCatalyst(.v15), .macOS(.v12)],
  products: [
    .library(name: "Larder", targets: ["Larder"]),
    .library(name: "LarderCompat", targets: ["LarderCompat"]),
  ],
  targets: targets,
  swiftLanguageModes: [.v6]
)
