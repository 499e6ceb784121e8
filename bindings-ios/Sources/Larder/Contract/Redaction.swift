// What `print`, `dump` and string interpolation show of records that hold secrets: neither bytes, which may be a
// challenge, a license or a handle, nor URLs and header values, which are often signed.

extension MediaSource: CustomReflectable {
  /// Shown without the URL.
  public var customMirror: Mirror { mirror(self, ["id": id, "format": format as Any, "drm": drm, "isLocal": isLocal]) }
}

extension DrmParams: CustomReflectable {
  /// Shown without URLs and certificate.
  public var customMirror: Mirror {
    mirror(self, ["scheme": scheme, "wire": wire, "renewal": renewal, "securityLevel": securityLevel])
  }
}

extension AssetRegistration: CustomReflectable {
  /// Shown without the metadata.
  public var customMirror: Mirror { mirror(self, ["assetId": assetId, "path": path, "source": source]) }
}

extension HttpHeader: CustomReflectable {
  /// Shown without the value.
  public var customMirror: Mirror { mirror(self, ["name": name]) }
}

extension LicenseRequest: CustomReflectable {
  /// Shown without URL and body.
  public var customMirror: Mirror {
    mirror(self, ["kind": kind, "assetId": assetId, "headers": headers, "bodyBytes": body.count])
  }
}

extension LicenseResponse: CustomReflectable {
  /// Shown without the body.
  public var customMirror: Mirror {
    mirror(self, ["kind": kind, "assetId": assetId, "status": status, "headers": headers, "bodyBytes": body.count])
  }
}

extension ExchangeMessage: CustomReflectable {
  /// Shown without URL and body.
  public var customMirror: Mirror { mirror(self, ["kind": kind, "bodyBytes": body.count]) }
}

extension ExchangeAnswer: CustomReflectable {
  /// Shown without the body.
  public var customMirror: Mirror {
    mirror(self, ["bodyBytes": body.count, "persistenceDurationSeconds": persistenceDurationSeconds as Any])
  }
}

extension KeyRequest: CustomReflectable {
  /// Shown without init data and certificate.
  public var customMirror: Mirror {
    mirror(self, ["scheme": scheme, "keyIds": keyIds, "mime": mime, "securityLevel": securityLevel])
  }
}

extension StoredLicense: CustomReflectable {
  /// Shown without the handle.
  public var customMirror: Mirror { mirror(self, ["licenseId": licenseId, "request": request]) }
}

extension GrantedHandle: CustomReflectable, CustomStringConvertible, CustomDebugStringConvertible {
  /// The case alone.
  public var description: String {
    switch self {
    case .new: "new"
    case .same: "same"
    case .changed: "changed"
    }
  }

  /// The case alone.
  public var debugDescription: String { description }

  /// Shown without the handle.
  public var customMirror: Mirror { Mirror(self, children: [], displayStyle: .enum) }
}

extension LocalLicense: CustomReflectable {
  /// Shown without the init data.
  public var customMirror: Mirror {
    mirror(self, ["licenseId": licenseId, "scheme": scheme, "keyIds": keyIds])
  }
}

extension HttpRequest: CustomReflectable {
  /// Shown without URL and body.
  public var customMirror: Mirror {
    mirror(self, ["method": method, "headers": headers, "bodyBytes": body.count])
  }
}

extension HttpResponse: CustomReflectable {
  /// Shown without the body.
  public var customMirror: Mirror { mirror(self, ["status": status, "headers": headers, "bodyBytes": body.count]) }
}

extension LicenseImport: CustomReflectable {
  /// Shown without handle and init data.
  public var customMirror: Mirror { mirror(self, ["scheme": scheme, "expires": expires]) }
}

private func mirror<T>(_ subject: T, _ children: KeyValuePairs<String, Any>) -> Mirror {
  Mirror(subject, children: children.map { ($0.key, $0.value) }, displayStyle: .struct)
}
