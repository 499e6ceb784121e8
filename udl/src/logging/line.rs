//! An event as one line: its message, then its fields as `name=value`.

use std::fmt::{self, Write as _};

use tracing::Event;
use tracing::field::{Field, Visit};

/// A longer line is cut: logcat cuts at 4 KB, and nothing of ours needs more.
const MAX_LINE_BYTES: usize = 2000;

pub(super) fn of(event: &Event<'_>) -> String {
    let mut line = Line { message: String::new(), fields: String::new() };
    event.record(&mut line);
    line.message.push_str(&line.fields);
    if line.message.len() > MAX_LINE_BYTES {
        line.message.truncate(line.message.floor_char_boundary(MAX_LINE_BYTES));
        line.message.push('…');
    }
    line.message.replace(|c: char| c.is_control(), " ")
}

struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a String does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
