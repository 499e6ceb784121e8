// CryptoKit, as far as Larder uses it: MD5, by which Kaltura's legacy player named its files.
// https://developer.apple.com/documentation/cryptokit/insecure/md5 (iOS 13.0, macOS 10.15)
import Foundation

/// https://developer.apple.com/documentation/cryptokit/insecure
@available(iOS 13.0, macOS 10.15, *)
public enum Insecure {
  /// https://developer.apple.com/documentation/cryptokit/insecure/md5
  public struct MD5 {
    /// https://developer.apple.com/documentation/cryptokit/hashfunction/hash(data:)
    public static func hash<D: DataProtocol>(data: D) -> MD5Digest { MD5Digest(bytes: rfc1321(Array(data))) }
  }

  /// https://developer.apple.com/documentation/cryptokit/insecure/md5digest
  public struct MD5Digest: Sequence, Sendable {
    let bytes: [UInt8]

    public func makeIterator() -> Array<UInt8>.Iterator { bytes.makeIterator() }
  }
}

// RFC 1321, section 3.
private func rfc1321(_ message: [UInt8]) -> [UInt8] {
  var padded = message + [0x80]
  while padded.count % 64 != 56 { padded.append(0) }
  padded += littleEndian(UInt64(message.count) &* 8)
  let shifts: [UInt32] = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21]
  let sines = (0..<64).map { UInt32(truncatingIfNeeded: Int64(abs(sin(Double($0 + 1))) * 4_294_967_296)) }
  var state: [UInt32] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476]
  for start in stride(from: 0, to: padded.count, by: 64) {
    var words: [UInt32] = []
    for word in stride(from: start, to: start + 64, by: 4) {
      words.append(padded[word..<word + 4].reversed().reduce(UInt32(0)) { sum, byte in sum << 8 | UInt32(byte) })
    }
    var (a, b, c, d) = (state[0], state[1], state[2], state[3])
    for step in 0..<64 {
      let mixed: UInt32
      let word: Int
      switch step / 16 {
      case 0: (mixed, word) = ((b & c) | (~b & d), step)
      case 1: (mixed, word) = ((d & b) | (~d & c), (5 * step + 1) % 16)
      case 2: (mixed, word) = (b ^ c ^ d, (3 * step + 5) % 16)
      default: (mixed, word) = (c ^ (b | ~d), (7 * step) % 16)
      }
      let sum: UInt32 = a &+ mixed &+ sines[step] &+ words[word]
      let shift = shifts[step / 16 * 4 + step % 4]
      let turned: UInt32 = (sum << shift) | (sum >> (32 - shift))
      (a, d, c, b) = (d, c, b, b &+ turned)
    }
    state = zip(state, [a, b, c, d]).map { $0 &+ $1 }
  }
  return state.flatMap(littleEndian)
}

private func littleEndian<T: FixedWidthInteger>(_ number: T) -> [UInt8] {
  withUnsafeBytes(of: number.littleEndian, Array.init)
}
