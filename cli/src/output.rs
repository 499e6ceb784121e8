//! The output of a command: data on standard output, messages for people on standard error.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use larder_core::{Code, Error, Result};
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::Global;
use crate::names;

/// How data is printed.
enum Form {
    /// Lines for people.
    People,
    /// One JSON document.
    Json,
    /// One value of that document, by its dotted path.
    Field(String),
}

/// Where a command puts what it has to say.
pub(crate) struct Output {
    form: Form,
    /// A moving line would mix with the log's.
    may_animate: bool,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        let form = match (&global.field, global.json) {
            (Some(path), _) => Form::Field(path.clone()),
            (None, true) => Form::Json,
            (None, false) => Form::People,
        };
        Self { form, may_animate: !global.verbose && io::stderr().is_terminal() }
    }

    /// Prints an answer: `people` writes it as lines, unless JSON or a field of it was asked for.
    pub(crate) fn data(&self, value: &impl Serialize, people: impl FnOnce(&mut String)) -> Result<()> {
        let value = || {
            serde_json::to_value(value)
                .map_err(|cause| Error::new(Code::Internal, "the answer cannot be written as JSON").caused_by(cause))
        };
        let mut text = String::new();
        match &self.form {
            Form::People => people(&mut text),
            Form::Json => {
                let _ = writeln!(text, "{:#}", value()?);
            }
            Form::Field(path) => match find(&value()?, path) {
                Some(Value::String(found)) => text = format!("{found}\n"),
                Some(found) => text = format!("{found}\n"),
                None => return Err(Error::new(Code::InvalidArgument, "the answer has no field of the --field path")),
            },
        }
        self.bytes(text.as_bytes())
    }

    /// Prints an answer that is bytes: as they are, unless JSON or a field of it was asked for.
    pub(crate) fn data_or_bytes(&self, value: &impl Serialize, bytes: &[u8]) -> Result<()> {
        match self.form {
            Form::People => self.bytes(bytes),
            Form::Json | Form::Field(_) => self.data(value, |_| {}),
        }
    }

    /// Prints bytes as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<()> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Ok(()) => Ok(()),
            // The reader has seen enough (`larder list | head -1`).
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                Err(Error::new(Code::DiskFull, "standard output is full").caused_by(error))
            }
            Err(error) => Err(Error::new(Code::Internal, "standard output cannot be written").caused_by(error)),
        }
    }

    /// Prints a message for people.
    pub(crate) fn note(&self, text: &str) {
        // A closed standard error leaves no channel for a message.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Says what became of the store, which stops no command.
    pub(crate) fn notice(&self, code: Code, message: &str) {
        let remedy = match code {
            Code::StoreReadOnly => "to change anything, use the newer Larder",
            _ => names::remedy_sentence(code.remedy()),
        };
        self.note(&format!("larder: {code}: {message}\n  remedy: {remedy}"));
    }

    /// Says what failed, and what can be done.
    pub(crate) fn error(&self, error: &Error) {
        let retry = if error.is_retryable() { " (the same command may succeed later)" } else { "" };
        let remedy = names::remedy_sentence(error.remedy());
        self.note(&format!("larder: {error}\n  remedy: {remedy}{retry}"));
        if let Form::Json = self.form {
            let object = json!({ "error": error_object(error) });
            let _ = self.bytes(format!("{object:#}\n").as_bytes());
        }
    }

    /// Shows on a terminal that something is going on, until the returned value is dropped.
    pub(crate) fn busy(&self, what: &str) -> Busy {
        let bar = if self.may_animate { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        if self.may_animate {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Busy(bar)
    }
}

/// A moving line that ends with its value.
pub(crate) struct Busy(ProgressBar);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// An error as JSON has it.
pub(crate) fn error_object(error: &Error) -> Value {
    json!({
        "code": error.code().as_str(),
        "message": error.message(),
        "remedy": names::remedy(error.remedy()),
        "is_retryable": error.is_retryable(),
        "http_status": error.http_status(),
    })
}

fn find<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, step| match value {
        Value::Object(fields) => fields.get(step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_names_and_positions() {
        let value = json!({ "licenses": [{ "state": "active" }], "is_playable": true, "root": null });
        assert_eq!(find(&value, "licenses.0.state"), Some(&json!("active")));
        assert_eq!(find(&value, "is_playable"), Some(&json!(true)));
        assert_eq!(find(&value, "root"), Some(&Value::Null));
        for absent in ["licenses.1.state", "licenses.x", "is_playable.x", "", "nothing"] {
            assert_eq!(find(&value, absent), None, "{absent}");
        }
    }
}
