@_spi(Stub) import AVFoundation
import Foundation
import FoundationNetworking
import Testing

/// The behaviour of AVFoundation's downloads that the stub models. A change here is a decision about Apple's behaviour.
@Suite("The stub of a download session", .timeLimit(.minutes(1)))
struct DownloadStubTests {
  let system = StubDownloads()
  let location = URL(fileURLWithPath: "/package.movpkg")

  @Test("the delegate hears where it will be, where it is, and the end, in this order")
  func order() async throws {
    let delegate = Recorder()
    let task = begin(delegate, "a")
    task.resume()
    try await system.run(task, to: location)
    #expect(delegate.calls == ["a will be /package.movpkg", "a is /package.movpkg", "a ended well"])
    #expect(task.state == .completed && task.progress.fractionCompleted == 1 && system.tasks.isEmpty)
  }

  @Test("a download that is broken off has a location, too, and ends with its error")
  func brokenOff() async throws {
    let delegate = Recorder()
    let task = begin(delegate, "a")
    task.resume()
    try await system.run(task, to: location, error: URLError(.timedOut))
    #expect(delegate.calls.suffix(2) == ["a is /package.movpkg", "a ended with -1001"])
  }

  @Test("a cancelled task ends with an error, once; one that was not resumed does not run")
  func cancelled() async throws {
    let delegate = Recorder()
    let task = begin(delegate, "a")
    await #expect(throws: URLError.self) { try await system.run(task, to: location) }
    task.cancel()
    task.cancel()
    await system.idle()
    #expect(delegate.calls == ["a ended with -999"])
  }

  @Test("tasks outlive their session, with their descriptions, and belong to the next one")
  func relaunch() async throws {
    let first = Recorder()
    begin(first, "a").resume()
    let second = Recorder()
    let session = AVAssetDownloadURLSession(system: system, assetDownloadDelegate: second, delegateQueue: nil)
    let descriptions = await withCheckedContinuation { continuation in
      session.getAllTasks { continuation.resume(returning: $0.map(\.taskDescription)) }
    }
    #expect(descriptions == ["a"])
    try await system.run(try #require(system.tasks.first), to: location)
    #expect(first.calls.isEmpty && second.calls.last == "a ended well")
    system.forgetAll()
    #expect(system.tasks.isEmpty)
  }

  @Test("a bookmark leads to its file, and to nothing where another file lies")
  func bookmarks() throws {
    let place = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try Data([1]).write(to: place)
    defer { try? FileManager.default.removeItem(at: place) }
    let bookmark = try place.bookmarkData()
    var isStale = true
    #expect(try URL(resolvingBookmarkData: bookmark, bookmarkDataIsStale: &isStale).path == place.path)
    #expect(!isStale)
    let other = place.appendingPathExtension("moved")
    try FileManager.default.moveItem(at: place, to: other)
    defer { try? FileManager.default.removeItem(at: other) }
    #expect(throws: (any Error).self) { try URL(resolvingBookmarkData: bookmark, bookmarkDataIsStale: &isStale) }
  }

  private func begin(_ delegate: Recorder, _ name: String) -> AVAssetDownloadTask {
    let session = AVAssetDownloadURLSession(system: system, assetDownloadDelegate: delegate, delegateQueue: nil)
    delegate.session = session
    let asset = AVURLAsset(url: URL(fileURLWithPath: "/remote.m3u8"))
    let task = session.makeAssetDownloadTask(
      downloadConfiguration: AVAssetDownloadConfiguration(asset: asset, title: name))
    task.taskDescription = name
    return task
  }
}

private final class Recorder: NSObject, AVAssetDownloadDelegate, @unchecked Sendable {
  // Protects what follows.
  private let lock = NSLock()
  private var noted: [String] = []
  var session: AVAssetDownloadURLSession?

  var calls: [String] { lock.withLock { noted } }

  private func note(_ task: URLSessionTask, _ what: String) {
    lock.withLock { noted.append("\(task.taskDescription ?? "?") \(what)") }
  }

  func urlSession(_ session: URLSession, assetDownloadTask: AVAssetDownloadTask, willDownloadTo location: URL) {
    note(assetDownloadTask, "will be \(location.path)")
  }

  func urlSession(_ session: URLSession, assetDownloadTask: AVAssetDownloadTask, didFinishDownloadingTo location: URL) {
    note(assetDownloadTask, "is \(location.path)")
  }

  func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
    note(task, (error as? URLError).map { "ended with \($0.code.rawValue)" } ?? "ended well")
  }
}
