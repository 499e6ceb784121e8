import Foundation
import LarderBindings

/// The key request of one operation to AVFoundation.
struct FairPlayRequest: Sendable {
  /// The key's URI as in the playlist, which identifies the key in a session.
  let identifier: String
  /// The content identifier that the server knows.
  let contentId: Data
  /// The application certificate in DER.
  let certificate: Data
  /// The key to renew; `nil` for a new license.
  let held: Data?

  init(_ request: KeyRequest, contentId rule: FairPlayContentId, held: Data?) throws {
    guard let identifier = String(data: request.initData, encoding: .utf8), !identifier.isEmpty else {
      throw LarderError(.sessionKeyMissing, "the init data of FairPlay must be the key's URI in UTF-8")
    }
    guard let certificate = request.certificate, !certificate.isEmpty else {
      throw LarderError(.certificateMissing, "FairPlay needs the application certificate")
    }
    // A DER certificate is a SEQUENCE. For other data AVFoundation reports only a failure.
    guard certificate.first == 0x30 else {
      throw LarderError(.certificateMissing, "the application certificate is not in DER format")
    }
    guard let contentId = rule.contentId(identifier), !contentId.isEmpty else {
      throw LarderError(.sessionKeyMissing, "the key's URI has no content identifier")
    }
    (self.identifier, self.contentId, self.certificate, self.held) = (identifier, contentId, certificate, held)
  }
}

/// The rule by which a key's URI becomes the content identifier that goes into the request to the server.
public struct FairPlayContentId: Sendable {
  let contentId: @Sendable (String) -> Data?

  /// Creates a rule of the app's own. It receives the whole URI (`skd://…`) and returns the identifier, or `nil` if the
  /// URI has none.
  public init(_ rule: @escaping @Sendable (_ uri: String) -> Data?) {
    contentId = rule
  }

  /// The `assetId` of the URI's query, else all that follows `skd://`; in UTF-8.
  public static let standard = FairPlayContentId { uri in
    guard let rest = afterScheme(uri) else { return nil }
    let named = URLComponents(string: uri)?.queryItems?.first {
      $0.name.lowercased() == "assetid" && $0.value?.isEmpty == false
    }
    let id = named?.value ?? String(rest.reversed().drop { $0 == "/" }.reversed())
    return Data(id.utf8)
  }

  /// The URI's host alone, as PlayKit took it; in UTF-8.
  public static let host = FairPlayContentId { uri in
    afterScheme(uri).map { Data($0.prefix { $0 != "/" && $0 != "?" && $0 != "#" && $0 != ":" }.utf8) }
  }

  /// The URI as it is, in UTF-8.
  public static let uri = FairPlayContentId { Data($0.utf8) }

  private static func afterScheme(_ uri: String) -> Substring? {
    uri.lowercased().hasPrefix("skd://") ? uri.dropFirst(6) : nil
  }
}
