import Testing

/// Everything of FairPlay that needs servers, one after the other: each test starts servers in a process of their own, and
/// Foundation on Linux dies of more than 1,024 open files in one process (its sockets are watched with `select`).
@Suite("FairPlay", .serialized)
enum FairPlaySuites {}
