//! The FFI.
