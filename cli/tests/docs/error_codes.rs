//! The error codes of Kotlin and Swift are generated from `core/src/error.rs`, as `docs/errors.md` is: name, meaning, remedy
//! and whether a retry can help have one source.

use std::fmt::Write as _;

use larder_core::{Code, Remedy};

use super::errors::meanings;

const KOTLIN: &str = "bindings-android/sdk/src/main/kotlin/dev/larder/LarderException.kt";
const KOTLIN_BEGIN: &str =
    "        // Generated from core/src/error.rs (UPDATE_DOCS=1 cargo test -p larder-cli --test docs).\n\n";
const KOTLIN_END: &str = "        // End of the generated part.\n";

const SWIFT: &str = "bindings-ios/Sources/Larder/Errors/LarderErrorCode.swift";
const SWIFT_HEAD: &str = "\
// Generated from core/src/error.rs (UPDATE_DOCS=1 cargo test -p larder-cli --test docs).

extension LarderError {
  /// The stable name of an error.
  ///
  /// The text never changes its meaning, and later versions may add codes. `Code` is a structure and not an enumeration, so
  /// that a new code does not break a `switch`: give it a `default` that handles the error by its remedy.
  public struct Code: RawRepresentable, Hashable, Sendable {
    /// The stable text, for example `OFFLINE`.
    public let rawValue: String

    /// Makes a code from its stable text. A text that this version of Larder does not know is a valid code, too.
    public init(rawValue: String) {
      self.rawValue = rawValue
    }
  }
}

extension LarderError.Code: CustomStringConvertible {
  /// The stable text.
  public var description: String { rawValue }
}
";

/// The longest line of a Kotlin or Swift source.
const WIDTH: usize = 120;

#[test]
fn kotlins_error_codes_are_those_of_the_core() {
    let source = super::read(KOTLIN);
    let (before, rest) = source.split_once(KOTLIN_BEGIN).unwrap();
    let (_, after) = rest.split_once(KOTLIN_END).unwrap();
    super::assert_page(KOTLIN, &format!("{before}{KOTLIN_BEGIN}{}{KOTLIN_END}{after}", kotlin()));
}

#[test]
fn swifts_error_codes_are_those_of_the_core() {
    super::assert_page(SWIFT, &swift());
}

fn kotlin() -> String {
    let source = super::read("core/src/error.rs");
    let meanings = meanings(&source);
    let mut out = String::new();
    for code in Code::ALL {
        let (_, meaning) = meanings.get(code.as_str()).unwrap();
        let one_line = format!("        /** {meaning} */\n");
        if one_line.trim_end().chars().count() <= WIDTH {
            out.push_str(&one_line);
        } else {
            let _ = write!(out, "        /**\n{}         */\n", wrapped("         * ", meaning));
        }
        let _ = write!(out, "        public const val {code}: String = \"{code}\"\n\n");
    }
    out.push_str(
        "        /** Returns the remedy for a code; [Remedy.NOTHING] for a code that this version does not know. */\n",
    );
    out.push_str("        @JvmStatic\n        public fun remedyOf(code: String): Remedy = when (code) {\n");
    for code in Code::ALL {
        let _ = writeln!(out, "            {code} -> Remedy.{}", screaming(code.remedy()));
    }
    out.push_str("            else -> Remedy.NOTHING\n        }\n\n");
    out.push_str("        /** Returns true if the same call may succeed later without any change by the caller. */\n");
    out.push_str("        @JvmStatic\n        public fun isRetryable(code: String): Boolean = when (code) {\n");
    for code in Code::ALL.iter().filter(|code| code.is_retryable()) {
        let _ = writeln!(out, "            {code} -> true");
    }
    out.push_str("            else -> false\n        }\n\n");
    out
}

fn swift() -> String {
    let source = super::read("core/src/error.rs");
    let meanings = meanings(&source);
    let mut out = SWIFT_HEAD.to_owned();
    let mut section = "";
    for code in Code::ALL {
        let (of, meaning) = meanings.get(code.as_str()).unwrap();
        if *of == section {
            out.push('\n');
        } else {
            if !section.is_empty() {
                out.push_str("}\n");
            }
            section = of;
            let _ = write!(out, "\n// MARK: - {section}\n\nextension LarderError.Code {{\n");
        }
        out.push_str(&wrapped("  /// ", meaning));
        let _ = writeln!(out, "  public static let {} = Self(rawValue: \"{code}\")", swift_name(*code));
    }
    out.push_str("}\n\n// MARK: - Remedies\n\nextension LarderError.Code {\n");
    out.push_str("  /// The remedy for this code; `.nothing` for a code that this version does not know.\n");
    out.push_str("  public var remedy: Remedy { Self.facts[self]?.remedy ?? .nothing }\n\n");
    out.push_str("  /// True if the same call may succeed later without any change by the caller.\n");
    out.push_str("  public var isRetryable: Bool { Self.facts[self]?.isRetryable ?? false }\n\n");
    out.push_str("  private static let facts: [Self: (remedy: Remedy, isRetryable: Bool)] = [\n");
    for code in Code::ALL {
        let remedy = lower_first(&format!("{:?}", code.remedy()));
        let _ = writeln!(out, "    .{}: (.{remedy}, {}),", swift_name(*code), code.is_retryable());
    }
    out.push_str("  ]\n}\n");
    out
}

/// Breaks a text into lines with a prefix, none longer than [`WIDTH`] where its words allow that.
fn wrapped(prefix: &str, text: &str) -> String {
    let mut lines = String::new();
    let mut line = prefix.trim_end().to_owned();
    for word in text.split(' ') {
        if line.len() > prefix.len() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(lines, "{line}");
            line = prefix.trim_end().to_owned();
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(lines, "{line}");
    lines
}

/// `FixInput` as Kotlin's `FIX_INPUT`.
fn screaming(remedy: Remedy) -> String {
    let mut name = String::new();
    for (index, letter) in format!("{remedy:?}").chars().enumerate() {
        if index > 0 && letter.is_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// `DrmUnsupported` as Swift's `drmUnsupported`; a keyword in backquotes.
fn swift_name(code: Code) -> String {
    match lower_first(&format!("{code:?}")) {
        name if name == "internal" => format!("`{name}`"),
        name => name,
    }
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
