import Testing

/// Waits for something that another thread does.
func eventually(
  _ otherwise: String, _ here: SourceLocation = #_sourceLocation, isolation: isolated (any Actor)? = #isolation,
  _ isSo: () async throws -> Bool
) async throws {
  for _ in 0..<4_000 {
    if try await isSo() { return }
    try await Task.sleep(nanoseconds: 5_000_000)
  }
  Issue.record("\(otherwise)", sourceLocation: here)
}
