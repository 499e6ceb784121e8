import Foundation
import Larder
import TestSupport
import Testing

@Suite("What is printed")
struct RedactionTests {
  @Test("no record shows a URL's query, a header's value or secret bytes", arguments: Record.all)
  func records(record: Record) {
    var dumped = ""
    dump(record.value, to: &dumped)
    let shown = ["\(record.value)", String(reflecting: record.value), dumped]
    for text in shown {
      #expect(!text.contains("hunter2"), "\(text)")
      // "hunter2" as a list of bytes
      #expect(!text.contains("104") && !text.contains("117"), "\(text)")
    }
    #expect(dumped.contains(record.visible), "\(dumped)")
  }

  struct Record: @unchecked Sendable, CustomTestStringConvertible {
    let value: Any
    let visible: String

    var testDescription: String { "\(type(of: value))" }

    static let all: [Record] = {
      let secret = Data("hunter2".utf8)
      let drm = DrmParams(
        scheme: .fairPlay, licenseUrl: "https://drm.example/?t=hunter2", certificate: secret,
        certificateUrl: "https://drm.example/c?t=hunter2")
      let source = MediaSource(id: "source-1", url: "https://cdn.example/m.m3u8?sig=hunter2", drm: [drm])
      let request = KeyRequest(
        scheme: .fairPlay, initData: secret, keyIds: ["k"], mime: "video/mp4", certificate: secret,
        securityLevel: .default)
      let header = HttpHeader(name: "Authorization", value: "hunter2")
      let times = LicenseTimes(license: .unknown, playback: .unknown)
      return [
        Record(value: drm, visible: "fairPlay"),
        Record(value: source, visible: "source-1"),
        Record(value: MediaEntry(id: "entry-1", sources: [source]), visible: "source-1"),
        Record(
          value: AssetRegistration(assetId: "film", path: "/a", source: source, metadata: secret), visible: "film"),
        Record(value: header, visible: "Authorization"),
        Record(
          value: LicenseRequest(
            kind: .license, assetId: "film", url: "https://drm.example/?t=hunter2", headers: [header], body: secret),
          visible: "film"),
        Record(
          value: LicenseResponse(kind: .license, assetId: "film", status: 200, headers: [header], body: secret),
          visible: "200"),
        Record(
          value: ExchangeMessage(kind: .license, body: secret, url: "https://drm.example/?t=hunter2"),
          visible: "license"),
        Record(value: ExchangeAnswer(body: secret, persistenceDurationSeconds: 7), visible: "7"),
        Record(value: request, visible: "video/mp4"),
        Record(
          value: StoredLicense(licenseId: "license-1", scheme: .fairPlay, handle: secret, request: request),
          visible: "license-1"),
        Record(value: GrantedHandle.new(handle: secret), visible: "new"),
        Record(value: LicenseGrant(handle: .changed(handle: secret), times: times, keyIds: ["k"]), visible: "changed"),
        Record(
          value: LocalLicense(
            licenseId: "license-1", scheme: .fairPlay, keyIds: ["k"], initData: secret, securityLevel: .default,
            expires: .unknown),
          visible: "license-1"),
        Record(
          value: HttpRequest(
            method: "POST", url: "https://drm.example/?t=hunter2", headers: [header], body: secret, timeoutMs: 7,
            maxBodyBytes: 7),
          visible: "POST"),
        Record(value: HttpResponse(status: 200, headers: [header], body: secret), visible: "200"),
        Record(value: LicenseImport(scheme: .fairPlay, handle: secret, expires: .never), visible: "never"),
      ]
    }()
  }
}
