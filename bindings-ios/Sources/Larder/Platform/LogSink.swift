import LarderBindings

/// Receives Larder's log lines. See ``LarderLibrary/setLogSink(_:level:)``.
///
/// Called on one background thread, in order. It may block and may call Larder. Up to 1,024 lines wait for a slow sink; more
/// are dropped and counted.
public protocol LogSink: Sendable {
  /// Receives one line, which holds no line break, key, handle, challenge, token or query string.
  ///
  /// - Parameter target: the part of Larder that logs, for example `larder_core::license`.
  func log(_ level: LogLevel, target: String, message: String)
}

/// Adapts a sink to the native library.
final class LogSinkAdapter: FfiLogSink {
  private let sink: any LogSink

  init(_ sink: any LogSink) {
    self.sink = sink
  }

  func log(level: LogLevel, target: String, message: String) throws {
    sink.log(level, target: target, message: message)
  }
}
