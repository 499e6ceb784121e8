import Dispatch
import Foundation
import Larder
import LarderBindings

extension LocalAssetsManager {
  /// Registers titles that PlayKit registered, with the FairPlay keys that PlayKit stored. No network is used, and
  /// nothing is downloaded again.
  ///
  /// PlayKit kept keys and no list of titles: the app says what it has, with the asset ids that it wants and the locations
  /// and sources that it gave to PlayKit. Importing again changes nothing. PlayKit's own files stay as they are, so that a
  /// version of the app that goes back to PlayKit still plays; see ``removePlayKitOriginals(of:in:)``.
  ///
  /// - Returns: one answer per title, in order. A title that cannot be imported does not stop the rest: `MEDIA_NOT_FOUND`
  ///   where its media is gone, `LICENSE_MISSING` where PlayKit has no key for it, `LICENSE_UNREADABLE` where the key's file
  ///   is damaged or locked. Register such a title while online.
  public func importFromPlayKit(
    _ titles: [AssetRegistration], from store: PlayKitKeyStore = PlayKitKeyStore()
  ) async throws -> [ImportResult] {
    let found = await reading { titles.map { Found($0, store) } }
    let answers = try await importAssets(found.map(\.asset))
    return zip(found, answers).map { title, answer in
      // The library knows only that there was no key to import.
      let isMissing = answer.errorCode == LarderError.Code.licenseMissing.rawValue
      guard let damage = title.damage, isMissing else { return answer }
      return ImportResult(
        assetId: answer.assetId, isImported: false, errorCode: damage.code.rawValue, errorMessage: damage.message)
    }
  }

  /// Deletes PlayKit's copies of the keys of titles that have been imported, each only after Larder has given its own copy
  /// back.
  ///
  /// Two titles with the same key share PlayKit's file: give all that use PlayKit's keys in one call, and the file goes
  /// when the last of them is verified.
  ///
  /// - Returns: the asset ids whose originals are still needed, because their import is not verified.
  @discardableResult
  public func removePlayKitOriginals(
    of titles: [AssetRegistration], in store: PlayKitKeyStore = PlayKitKeyStore()
  ) async throws -> [String] {
    try await open()
    return await reading {
      var originals: [String: PlayKitKey] = [:]
      var needed: Set<String> = []
      var unverified: [String] = []
      for title in titles {
        let uris = (try? title.keyURIs()) ?? []
        let held = uris.filter { self.holdsLicense(for: $0, of: title.assetId) }
        for uri in uris { originals[uri] = try? store.key(for: uri) }
        needed.formUnion(Set(uris).subtracting(held))
        if uris.isEmpty || held.count < uris.count { unverified.append(title.assetId) }
      }
      // Two URIs may lead to one file; what is removed twice was removed.
      for (uri, key) in originals where !needed.contains(uri) { try? key.remove() }
      return unverified
    }
  }

  private func holdsLicense(for uri: String, of assetId: String) -> Bool {
    guard let source = try? getLocalMediaSource(assetId: assetId) else { return false }
    return source.licenses.contains { license in
      license.initData == Data(uri.utf8) && (try? licenseHandle(license.licenseId))?.isEmpty == false
    }
  }

  // Reads the disk: not on a thread of Swift's pool.
  private func reading<T: Sendable>(_ body: @escaping @Sendable () -> T) async -> T {
    await withCheckedContinuation { continuation in
      DispatchQueue.global(qos: .utility).async { continuation.resume(returning: body()) }
    }
  }
}

/// The asset and keys that PlayKit has for a title.
private struct Found {
  let asset: AssetImport
  /// Why a key that is there is none.
  let damage: LarderError?

  init(_ title: AssetRegistration, _ store: PlayKitKeyStore) {
    do {
      // Media that cannot be read is the library's to report.
      let uris = (try? title.keyURIs()) ?? []
      let licenses = try uris.compactMap { uri in
        try store.key(for: uri).map { key in
          LicenseImport(scheme: .fairPlay, handle: key.handle, initData: Data(uri.utf8), expires: key.expires)
        }
      }
      (asset, damage) = (AssetImport(registration: title, licenses: licenses), nil)
    } catch {
      (asset, damage) = (AssetImport(registration: title), error as? LarderError)
    }
  }
}

extension AssetRegistration {
  /// The `skd://` URIs by which the media asks for its FairPlay keys, once each.
  fileprivate func keyURIs() throws -> [String] {
    var seen: Set<String> = []
    let needs = try LarderLibrary.findInitData(at: URL(fileURLWithPath: path))
    return needs.filter { $0.scheme == .fairPlay }.compactMap(\.uri).filter { seen.insert($0).inserted }
  }
}
