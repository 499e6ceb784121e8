//! One user of the command: a home of his own, a store in it, and the test servers.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use larder_testkit::{Options, Testkit};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The key ids of `dash-cenc`: video, audio.
pub(crate) const VIDEO_KEY_ID: &str = "6f651ae1dbe44434bcb4690d1564c41c";
pub(crate) const AUDIO_KEY_ID: &str = "0294b9599d755de2bbf0fdca3fa5eab7";

/// The packaged titles.
pub(crate) fn media(title: &str) -> PathBuf {
    let media = larder_testkit::media_root();
    std::fs::canonicalize(media).unwrap().join(title)
}

/// Servers for the packaged titles.
pub(crate) fn servers() -> Testkit {
    Testkit::start(Options { media_root: Some(media("")), ..Options::default() }).unwrap()
}

/// A user's machine.
pub(crate) struct Home {
    folder: TempDir,
    token: Option<String>,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), token: None }
    }

    pub(crate) fn with_token(token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..Self::new() }
    }

    /// A path in this home.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// Writes a file, and says where.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A source with one ClearKey server.
    pub(crate) fn clearkey_source(&self, license_url: &str) -> PathBuf {
        let source = json!({
            "id": "main",
            "url": "https://cdn.example.com/film/manifest.mpd",
            "drm": [{ "scheme": "clearkey", "license_url": license_url }],
        });
        self.file("source.json", source.to_string())
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
        command.env_clear().env("HOME", self.folder.path()).env("LARDER_STORE", self.store());
        if let Some(token) = &self.token {
            command.env("LARDER_TOKEN", token);
        }
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs the command to its end.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        let mut command = self.command();
        command.args(args);
        Ran::of(&mut command)
    }

    /// Runs it with something to read.
    pub(crate) fn run_with_input<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>, input: &str) -> Ran {
        let mut command = self.command();
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Ran::new(&command, child.wait_with_output().unwrap())
    }

    /// Runs it with `--json`, which has to print one JSON document.
    pub(crate) fn json<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> (i32, Value) {
        let mut command = self.command();
        command.arg("--json").args(args);
        let ran = Ran::of(&mut command);
        (ran.status, ran.json())
    }

    /// Runs it and expects this error, told to people and to programs.
    #[track_caller]
    pub(crate) fn fails<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>, code: &str) -> Ran {
        let mut command = self.command();
        command.arg("--json").args(args);
        let ran = Ran::of(&mut command);
        assert_eq!(ran.json()["error"]["code"], code, "{ran:?}");
        assert!(ran.stderr.contains(&format!("larder: {code}: ")), "{ran:?}");
        assert!(ran.stderr.contains("\n  remedy: "), "{ran:?}");
        ran
    }
}

/// A run of the command that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    #[allow(dead_code, reason = "shown when a test fails")]
    line: String,
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self::new(command, output)
    }

    fn new(command: &Command, output: Output) -> Self {
        let line = command.get_args().map(|arg| arg.to_string_lossy().chars().take(80).collect::<String>());
        Self {
            line: line.collect::<Vec<_>>().join(" "),
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub(crate) fn ends_with(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not one JSON document: {error}: {self:?}"))
    }
}
