import Larder

/// A client that runs a test's code when a server has answered, before Larder has the answer.
package struct SteppedHttpClient: HttpClient {
  private let usual = URLSessionHttpClient()
  private let onAnswer: @Sendable (HttpRequest) throws -> Void

  package init(onAnswer: @escaping @Sendable (HttpRequest) throws -> Void) {
    self.onAnswer = onAnswer
  }

  package func send(_ request: HttpRequest) throws -> HttpResponse {
    let answer = try usual.send(request)
    try onAnswer(request)
    return answer
  }
}
