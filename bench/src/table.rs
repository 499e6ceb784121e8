//! The table that a run prints.

use std::fmt::Write as _;

/// One figure.
pub(crate) struct Row {
    pub(crate) figure: String,
    pub(crate) value: String,
    pub(crate) peer: String,
    pub(crate) ratio: String,
    pub(crate) budget: String,
}

/// All figures of a run.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    /// Adds a figure with what it is compared with.
    pub(crate) fn compared(&mut self, figure: &str, value_ns: f64, peer: &str, peer_ns: f64, budget: &str) {
        let ratio = format!("{:.2}x", value_ns / peer_ns);
        let peer = format!("{} ({peer})", time(peer_ns));
        self.add(Row { figure: figure.into(), value: time(value_ns), peer, ratio, budget: budget.into() });
    }

    /// Adds a figure that stands by itself.
    pub(crate) fn plain(&mut self, figure: &str, value: impl Into<String>, budget: &str) {
        let none = String::new;
        self.add(Row {
            figure: figure.into(),
            value: value.into(),
            peer: none(),
            ratio: none(),
            budget: budget.into(),
        });
    }

    /// Adds rows that other tools measured, one per line, cells separated by tabs.
    pub(crate) fn add_lines(&mut self, lines: &str) {
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            let mut cells = line.split('\t').map(str::to_owned);
            let mut cell = || cells.next().unwrap_or_default();
            self.add(Row { figure: cell(), value: cell(), peer: cell(), ratio: cell(), budget: cell() });
        }
    }

    fn add(&mut self, row: Row) {
        self.0.push(row);
    }

    /// In columns, as Markdown.
    pub(crate) fn text(&self) -> String {
        let head = ["figure", "value", "peer, in the same run", "ratio", "budget"].map(str::to_owned);
        let mut rows = vec![head];
        rows.extend(
            self.0.iter().map(|row| [&row.figure, &row.value, &row.peer, &row.ratio, &row.budget].map(Clone::clone)),
        );
        let mut widths = [0_usize; 5];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for (at, row) in rows.iter().enumerate() {
            for (cell, width) in row.iter().zip(widths) {
                let _ = write!(text, "| {cell:width$} ");
            }
            text.push_str("|\n");
            if at == 0 {
                widths.iter().for_each(|width| text.push_str(&format!("|{}", "-".repeat(width + 2))));
                text.push_str("|\n");
            }
        }
        text
    }
}

/// A time with three digits that matter.
pub(crate) fn time(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.2} us", ns / 1e3),
        ns if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}
