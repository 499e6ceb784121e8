//! UniFFI's generator, at the version that the library was built with: the build script beside this does the work.

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let help = arguments.is_empty().then_some("--help");
    let status = Command::new(env!("UNIFFI_BINDGEN")).args(help).args(arguments).status();
    match status.ok().and_then(|status| status.code()) {
        Some(0) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
