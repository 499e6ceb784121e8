import Dispatch
import Foundation
import Larder

extension LocalAssetsManager {
  /// PlayKit's function, which cannot throw: for media that is not registered, or not to the end, the entry has no
  /// source, so that a player has nothing to start. `getLocalMediaSource(location:)` tells why.
  public func createLocalMediaEntry(for assetId: String, localURL: URL) -> MediaEntry {
    let source = try? getLocalMediaSource(location: localURL).mediaSource
    return MediaEntry(id: assetId, sources: source.map { [$0] } ?? [])
  }

  /// PlayKit's function: `nil` if nothing is registered there, it needs no license, or its status cannot be told.
  ///
  /// Answers from the ledger, but waits for it: `await` the other form where you can.
  @available(*, noasync, message: "await the throwing form instead")
  public func getLicenseExpirationInfo(location: URL) -> FPSExpirationInfo? {
    let answer = Answer()
    let answered = DispatchSemaphore(value: 0)
    Task.detached(priority: .userInitiated) {
      answer.info = try? await self.getLicenseExpirationInfo(location: location)
      answered.signal()
    }
    answered.wait()
    return answer.info.map(FPSExpirationInfo.init)
  }
}

/// PlayKit's name of what is left of a license.
public struct FPSExpirationInfo: Sendable {
  private let info: LicenseExpirationInfo

  init(_ info: LicenseExpirationInfo) {
    self.info = info
  }

  /// The time at which it ends; the distant future for a license that never ends or whose end is not known.
  public var expirationDate: Date { info.expirationDate ?? .distantFuture }

  /// True if it may be played now.
  public func isValid() -> Bool { info.isValid() }
}

// Written before the semaphore is raised and read after: no lock needed.
private final class Answer: @unchecked Sendable {
  var info: LicenseExpirationInfo?
}
