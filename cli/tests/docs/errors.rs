//! `docs/errors.md` is made from `core/src/error.rs`: every code with its meaning, remedy and whether a retry can help.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use larder_core::{Code, Remedy};

const REMEDIES: [Remedy; 10] = [
    Remedy::Nothing,
    Remedy::Retry,
    Remedy::GoOnline,
    Remedy::SignIn,
    Remedy::Reregister,
    Remedy::Repair,
    Remedy::FreeSpace,
    Remedy::SetClock,
    Remedy::FixInput,
    Remedy::ContactSupport,
];

const HEAD: &str = "\
# Errors

Generated from `core/src/error.rs`; a test compares the two.

Every failed call has four facts: a **code** (a stable text; later versions may add codes, none changes its meaning), a
**message** for developers that is safe to log, a **remedy**, and whether the same call may succeed later without any
change (**retry**). Handle the codes that matter to your app, and the rest by their remedy: there are ten remedies, and
more only in a new major version.

The type is `LarderException` in Kotlin and Java, `LarderError` in Swift, and `larder_core::Error` in Rust. The command
prints it on standard error, and as JSON on standard output with `--json`. [ADR 0002](adr/0002-errors.md) has the reasons.
";

#[test]
fn the_page_of_errors_says_what_the_code_says() {
    super::assert_page("docs/errors.md", &page());
}

fn page() -> String {
    let source = super::read("core/src/error.rs");
    let meanings = meanings(&source);
    let mut page = HEAD.to_owned();
    page.push_str("\n## Remedies\n\n| remedy | what the caller can do |\n|---|---|\n");
    let remedies = remedies(&source);
    assert_eq!(remedies.len(), REMEDIES.len(), "a remedy is missing here");
    for remedy in REMEDIES {
        let name = format!("{remedy:?}");
        let _ = writeln!(page, "| `{name}` | {} |", remedies.get(&name).unwrap());
    }
    let mut section = "";
    for code in Code::ALL {
        let (of, meaning) = meanings.get(code.as_str()).unwrap();
        if *of != section {
            section = of;
            let _ = write!(page, "\n## {section}\n\n| code | meaning | remedy | retry |\n|---|---|---|---|\n");
        }
        let retry = if code.is_retryable() { "yes" } else { "no" };
        let _ = writeln!(page, "| `{code}` | {meaning} | `{:?}` | {retry} |", code.remedy());
    }
    assert_eq!(meanings.len(), Code::ALL.len());
    page
}

/// Returns section and documentation of each code. Reads the source, because documentation is not available at run time.
pub(crate) fn meanings(source: &str) -> BTreeMap<&str, (&str, String)> {
    let table = source.split_once("\ncodes! {\n").unwrap().1.split_once("\n}\n").unwrap().0;
    let (mut section, mut doc, mut found) = ("", Vec::new(), BTreeMap::new());
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(text) = line.strip_prefix("///") {
            doc.push(text.trim());
        } else if let Some(text) = line.strip_prefix("//") {
            section = text.trim();
        } else {
            let code = line.split('"').nth(1).unwrap_or_else(|| panic!("not a code: {line}"));
            found.insert(code, (section, plain(&std::mem::take(&mut doc).join(" "))));
        }
    }
    found
}

fn remedies(source: &str) -> BTreeMap<String, String> {
    let list = source.split_once("pub enum Remedy {\n").unwrap().1.split_once("\n}\n").unwrap().0;
    let mut doc = Vec::new();
    let mut found = BTreeMap::new();
    for line in list.lines().map(str::trim) {
        match line.strip_prefix("///") {
            Some(text) => doc.push(text.trim()),
            None => {
                found.insert(line.trim_end_matches(',').to_owned(), plain(&std::mem::take(&mut doc).join(" ")));
            }
        }
    }
    found
}

/// Removes rustdoc's links, which do not work on a page.
fn plain(doc: &str) -> String {
    doc.replace("[`", "`").replace("`]", "`").replace('|', "\\|")
}
