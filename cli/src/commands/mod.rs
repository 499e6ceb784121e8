//! One file a command, or a few that belong together.
//!
//! | file | commands |
//! |---|---|
//! | [`register`] | `register` |
//! | [`status`] | `status`, `list`, `url`, `metadata`, `played` |
//! | [`refresh`] | `refresh`, `renew-all` |
//! | [`unregister`] | `unregister`, `reconcile` |
//! | [`media`] | `init-data` |
//! | [`keys`] | `keys-check` |
//! | [`store`] | `store dump` |
//! | [`testkit`] | `testkit …` |

mod keys;
mod media;
mod refresh;
mod register;
mod status;
mod store;
mod testkit;
mod unregister;

use larder_core::{Code, Error, Result};

use crate::Answer;
use crate::args::{Command, CommandLine, Global};
use crate::host::{Host, Purpose};
use crate::output::Output;

/// Does what was asked.
pub(crate) fn run(line: &CommandLine, output: &Output) -> Result<Answer> {
    // Opened where it is needed: `init-data` and `testkit` leave no store behind.
    let to_ask = || open(&line.global, Purpose::Ask, output);
    let to_change = || open(&line.global, Purpose::Change, output);
    match &line.command {
        Command::Register(args) => register::register(args, &to_change()?, output),
        Command::Status(args) => status::status(args, &to_ask()?, output),
        Command::List(args) => status::list(args, &to_ask()?, output),
        Command::Url(args) => status::url(args, line.global.offline, &to_ask()?, output),
        Command::Refresh(args) => refresh::refresh(args, &to_change()?, output),
        Command::RenewAll(args) => refresh::renew_all(args, &to_change()?, output),
        Command::Unregister(args) => unregister::unregister(args, &to_change()?, output),
        Command::Reconcile => unregister::reconcile(&to_change()?, output),
        Command::Played(args) => status::played(args, &to_ask()?, output),
        Command::Metadata(args) => status::metadata(args, &to_ask()?, output),
        Command::InitData(args) => media::init_data(args, output),
        Command::KeysCheck(args) => keys::keys_check(args, &to_ask()?, output),
        Command::Diagnostics => diagnostics(&to_ask()?, output),
        Command::Store(command) => store::run(command, &to_ask()?, output),
        Command::Testkit(args) => testkit::run(args, &line.global, output),
    }
}

/// Opens the store, and says what became of it: that it was damaged is told once, by whichever command meets it.
fn open(global: &Global, purpose: Purpose, output: &Output) -> Result<Host> {
    let host = Host::open(global, purpose)?;
    if let Some((code, message)) = host.manager().report()?.notice {
        output.notice(code, &message);
    }
    Ok(host)
}

/// Facts for support are JSON in every form.
fn diagnostics(host: &Host, output: &Output) -> Result<Answer> {
    let text = host.manager().diagnostics()?;
    let value: serde_json::Value = serde_json::from_str(&text)
        .map_err(|cause| Error::new(Code::Internal, "the diagnostics are not JSON").caused_by(cause))?;
    output.data(&value, |lines| {
        lines.push_str(&text);
        lines.push('\n');
    })?;
    Ok(Answer::Yes)
}
