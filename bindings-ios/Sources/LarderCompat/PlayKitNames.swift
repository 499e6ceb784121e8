// PlayKit's names for iOS, on Larder. An app that moves changes `import PlayKit` to `import LarderCompat`, and its calls
// of the local assets manager compile as they are. New code imports `Larder`.
import Foundation
@_exported import Larder
import LarderBindings

/// PlayKit's name of `MediaEntry`.
public typealias PKMediaEntry = MediaEntry

/// PlayKit's name of `MediaSource`.
public typealias PKMediaSource = MediaSource

extension MediaEntry {
  /// PlayKit's initializer.
  public init(_ id: String, sources: [MediaSource]?) {
    self.init(id: id, sources: sources ?? [])
  }
}

extension MediaSource {
  /// PlayKit's initializer. A format of `nil` is found in the media.
  public init(
    _ id: String, contentUrl: URL?, drmData: [FairPlayDRMParams]? = nil, mediaFormat: MediaFormat? = nil
  ) {
    self.init(
      id: id, url: contentUrl?.absoluteString ?? "", format: mediaFormat, drm: drmData?.map(\.params) ?? [])
  }

  /// PlayKit's name of `url`; `nil` if that is no URL. The guide hands it on as it is, so it unwraps itself, as there: check it
  /// first where a backend may leave it out.
  // swift-format-ignore: NeverUseImplicitlyUnwrappedOptionals, AllPublicDeclarationsHaveDocumentation
  public var contentUrl: URL! { URL(string: url) }
}

/// PlayKit's FairPlay parameters, for a Kaltura license server.
public struct FairPlayDRMParams: Sendable {
  let params: DrmParams

  /// - Parameters:
  ///   - licenseUri: the license server.
  ///   - base64EncodedCertificate: the application certificate; one that is not base64 counts as none, which a
  ///     registration answers with `CERTIFICATE_MISSING`.
  public init(licenseUri: String, base64EncodedCertificate: String) {
    params = DrmParams(
      scheme: .fairPlay, licenseUrl: licenseUri,
      certificate: Data(base64Encoded: base64EncodedCertificate, options: .ignoreUnknownCharacters))
  }
}

extension AssetStatus {
  /// The values that PlayKit's status listener received for such an asset: seconds with sentinels, and a flag.
  public var playKitStatus: PlayKitStatus { LarderBindings.playKitStatus(status: self) }
}

@_exported import struct LarderBindings.PlayKitStatus
