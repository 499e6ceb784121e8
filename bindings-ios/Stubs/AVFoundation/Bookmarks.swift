import Foundation

// Foundation's bookmarks, which Linux's Foundation has not. Here one is the path and the file's number: it leads to the
// file where it was, and to nothing when it is elsewhere. Apple's follow a file that moves.
extension URL {
  // https://developer.apple.com/documentation/foundation/url/bookmarkdata(options:includingresourcevaluesforkeys:relativeto:)
  public func bookmarkData() throws -> Data {
    try JSONEncoder().encode(Bookmark(path: path, file: Bookmark.number(path)))
  }

  // https://developer.apple.com/documentation/foundation/url/init(resolvingbookmarkdata:options:relativeto:bookmarkdataisstale:)
  public init(resolvingBookmarkData data: Data, bookmarkDataIsStale: inout Bool) throws {
    let bookmark = try JSONDecoder().decode(Bookmark.self, from: data)
    guard try Bookmark.number(bookmark.path) == bookmark.file else { throw CocoaError(.fileNoSuchFile) }
    bookmarkDataIsStale = false
    self.init(fileURLWithPath: bookmark.path)
  }
}

private struct Bookmark: Codable {
  let path: String
  let file: UInt64

  static func number(_ path: String) throws -> UInt64 {
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    guard let number = attributes[.systemFileNumber] as? NSNumber else { throw CocoaError(.fileReadUnknown) }
    return number.uint64Value
  }
}
