import LarderBindings

/// Takes Larder's log lines. See ``LarderLibrary/setLogSink(_:level:)``.
///
/// Called on any thread, several at once. Be quick, and do not call Larder from here.
public protocol LogSink: Sendable {
  /// Takes one line, which holds no line break, key, handle, challenge, token or query string.
  ///
  /// - Parameter target: the part of Larder that speaks, for example `larder_core::license`.
  func log(_ level: LogLevel, target: String, message: String)
}

/// A sink as the native library sees it.
final class LogSinkAdapter: FfiLogSink {
  private let sink: any LogSink

  init(_ sink: any LogSink) {
    self.sink = sink
  }

  func log(level: LogLevel, target: String, message: String) throws {
    sink.log(level, target: target, message: message)
  }
}
