//! The `larder` command: a desktop host app on the same core as the phones' SDK.
//!
//! | file | what |
//! |---|---|
//! | [`args`] | the command line as it is typed |
//! | [`host`] | what it means: a configuration, ports, an open manager |
//! | [`commands`] | one file a command |
//! | [`storage`], [`clock`] | the desktop's secret storage and clock |
//! | [`source`] | SOURCE.json |
//! | [`shapes`], [`names`] | the JSON that is printed |
//! | [`paths`] | paths as people type them |
//! | [`output`] | data to standard output, messages to standard error |

#![forbid(unsafe_code)]

mod args;
mod clock;
mod commands;
mod host;
mod names;
mod output;
mod paths;
mod shapes;
mod source;
mod storage;

use std::process::ExitCode;

use clap::Parser as _;
use larder_core::{Code, Error};

use args::CommandLine;
use output::Output;

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// It did what was asked, or the answer is yes.
    Yes,
    /// The answer is no.
    No,
    /// Some of it failed, and was reported with what it belongs to.
    Failed,
}

impl Answer {
    fn yes_if(is_so: bool) -> Self {
        if is_so { Self::Yes } else { Self::No }
    }
}

fn main() -> ExitCode {
    // Prints and exits by itself: 0 for --help and --version, 2 for a line that it does not understand.
    let line = CommandLine::parse();
    let output = Output::new(&line.global);
    host::start_log(&line.global);
    match commands::run(&line, &output) {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Ok(Answer::Failed) => ExitCode::from(2),
        Err(error) => {
            output.error(&error);
            ExitCode::from(exit_status(&error))
        }
    }
}

/// That something is not registered or not playable is an answer; everything else is an error.
fn exit_status(error: &Error) -> u8 {
    match error.code() {
        Code::AssetNotFound | Code::AssetNotPlayable => 1,
        _ => 2,
    }
}
