import Foundation

// The messages of the test servers (testkit/src/license/fairplay.rs). Real ones are encrypted.

/// SPC: what the device says.
struct ServerPlaybackContext: Codable {
  let op: String
  let contentId: String
  let certificateSha256: String
  let persist: Bool
  let licenseId: String?

  enum CodingKeys: String, CodingKey {
    case op
    case contentId = "content_id"
    case certificateSha256 = "certificate_sha256"
    case persist
    case licenseId = "license_id"
  }

  func message() throws -> Data {
    Data("SPC\u{01}".utf8) + (try JSONEncoder().encode(self))
  }
}

/// CKC: what the server says.
struct ContentKeyContext: Codable {
  let licenseId: String
  let contentId: String
  let storageSeconds: Int64?
  let playbackSeconds: Int64?
  let persist: Bool

  enum CodingKeys: String, CodingKey {
    case licenseId = "license_id"
    case contentId = "content_id"
    case storageSeconds = "storage_seconds"
    case playbackSeconds = "playback_seconds"
    case persist
  }

  init(_ message: Data) throws {
    let magic = Data("CKC\u{01}".utf8)
    guard message.starts(with: magic) else { throw StubFairPlay.Failure(number: -11800, what: "not a CKC").error }
    self = try JSONDecoder().decode(Self.self, from: message.dropFirst(magic.count))
  }
}

/// The persistable key that the app stores.
struct PersistableKey: Codable {
  let identity: String
  var number: Int
  let licenseId: String
  let contentId: String
  let certificateSha256: String?
  let storedAtSeconds: Int64
  let storageSeconds: Int64?
  let playbackSeconds: Int64?
  var firstPlayedAtSeconds: Int64?

  private static let magic = Data("FPK\u{00}".utf8)

  func data() -> Data {
    Self.magic + ((try? JSONEncoder().encode(self)) ?? Data())
  }

  /// From the first playback on, the playback duration is the key's whole life.
  func isOver(at nowSeconds: Int64) -> Bool {
    if let firstPlayedAtSeconds { return playbackSeconds.map { nowSeconds >= firstPlayedAtSeconds + $0 } ?? false }
    return storageSeconds.map { nowSeconds >= storedAtSeconds + $0 } ?? false
  }
}

extension PersistableKey {
  init(_ data: Data) throws {
    guard data.starts(with: Self.magic) else { throw StubFairPlay.Failure(number: -11833, what: "not a key").error }
    self = try JSONDecoder().decode(Self.self, from: data.dropFirst(Self.magic.count))
  }
}

/// SHA-256 (FIPS 180-4) in hexadecimal. Linux has no CryptoKit, and a package for it would be a dependency of every app.
@_spi(Stub) public func sha256(_ message: Data) -> String {
  let constants = firstPrimes.map { fraction(Foundation.cbrt(Double($0))) }
  var hash = firstPrimes.prefix(8).map { fraction(Double($0).squareRoot()) }
  func turn(_ x: UInt32, _ n: UInt32) -> UInt32 { x >> n | x << (32 - n) }

  var bytes = [UInt8](message) + [0x80]
  bytes += [UInt8](repeating: 0, count: (120 - bytes.count % 64) % 64)
  bytes += withUnsafeBytes(of: UInt64(message.count * 8).bigEndian, Array.init)
  for block in stride(from: 0, to: bytes.count, by: 64) {
    var words = (0..<16).map { word in
      (0..<4).reduce(UInt32(0)) { $0 << 8 | UInt32(bytes[block + word * 4 + $1]) }
    }
    for i in 16..<64 {
      let (a, b) = (words[i - 15], words[i - 2])
      let first = turn(a, 7) ^ turn(a, 18) ^ a >> 3
      let second = turn(b, 17) ^ turn(b, 19) ^ b >> 10
      words.append(words[i - 16] &+ first &+ words[i - 7] &+ second)
    }
    var state = hash
    for i in 0..<64 {
      let (a, e) = (state[0], state[4])
      let choice = (e & state[5]) ^ (~e & state[6])
      let majority = (a & state[1]) ^ (a & state[2]) ^ (state[1] & state[2])
      let first = state[7] &+ (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) &+ choice &+ constants[i] &+ words[i]
      let second = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) &+ majority
      state = [first &+ second] + state[0..<7]
      state[4] = state[4] &+ first
    }
    hash = zip(hash, state).map { $0 &+ $1 }
  }
  return hash.map { word in
    let digits = String(word, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }.joined()
}

private let firstPrimes = (2...311).filter { n in !(2..<n).contains { $0 * $0 <= n && n % $0 == 0 } }

private func fraction(_ x: Double) -> UInt32 { UInt32((x - x.rounded(.down)) * 4_294_967_296) }
