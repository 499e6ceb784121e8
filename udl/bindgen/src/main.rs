//! UniFFI's generator, at the version that the library was built with: the build script beside this does the work.

#![expect(clippy::print_stderr, reason = "a command talks to people there")]

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let generator = env!("UNIFFI_BINDGEN");
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let help = arguments.is_empty().then_some("--help");
    match Command::new(generator).args(help).args(arguments).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("uniffi-bindgen: {generator} does not run ({error}); a moved build wants cargo clean");
            ExitCode::FAILURE
        }
    }
}
