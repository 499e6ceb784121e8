//! The command line as it is typed. What it means is decided in [`crate::host`] and [`crate::commands`].

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Registers downloaded media and its offline licenses, and says what can be played.
#[derive(Parser)]
#[command(
    name = "larder",
    version,
    max_term_width = 110,
    after_help = "Exit status: 0, 1 if the answer is no (not registered, not playable), 2 on an error.\n\
                  Data goes to standard output, messages to standard error.\n\n\
                  Example:\n  larder register ~/films/sintel --id sintel --source sintel.json && larder status sintel"
)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command takes.
#[derive(Args)]
pub(crate) struct Global {
    /// Folder of the store [default: $LARDER_STORE, else `larder` in the user's data folder]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    pub(crate) store: Option<PathBuf>,
    /// A folder below which media lies; paths are stored relative to it. May be repeated
    #[arg(long = "root", global = true, value_name = "NAME=PATH", value_parser = parse_root, help_heading = "Global options")]
    pub(crate) roots: Vec<(String, PathBuf)>,
    /// The namespace of one user
    #[arg(long, global = true, value_name = "NAME", default_value = "", help_heading = "Global options")]
    pub(crate) profile: String,
    /// Make no network call at all
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) offline: bool,
    /// How long one request to a server may take
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=3600), help_heading = "Global options")]
    pub(crate) timeout: u64,
    /// How long a command that has changed something waits for its releases to be sent; `reconcile` sends what is left
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600), help_heading = "Global options")]
    pub(crate) reconcile_timeout: u64,
    /// Print data as JSON
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
    /// Print one value of the JSON, for example `licenses.0.state`
    #[arg(long, global = true, value_name = "PATH", help_heading = "Global options")]
    pub(crate) field: Option<String>,
    /// Log every step to standard error, without secrets
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub(crate) verbose: bool,
}

/// The subcommand.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Register media that lies on this machine, with its licenses if it is protected
    #[command(after_help = "A token for the license server is taken from $LARDER_TOKEN (an Authorization header).\n\n\
                            Example:\n  larder register ~/films/sintel --id sintel --source sintel.json")]
    Register(Register),
    /// Say whether assets can be played now, why not, and what helps
    #[command(after_help = "Exit status 1 if the asset (without ID: any asset) cannot be played now.\n\n\
                            Example:\n  larder status sintel --verify")]
    Status(Status),
    /// List the registered assets
    #[command(after_help = "Example:\n  larder list --json")]
    List(List),
    /// Print the URL that a player should play
    #[command(after_help = "Exit status 1 if there is no local copy and no --current URL to keep.\n\n\
                            Example:\n  larder url sintel --current https://cdn.example/sintel/master.m3u8")]
    Url(Url),
    /// Get new licenses for an asset, and store new metadata
    #[command(after_help = "If it fails, the licenses it has still work.\n\n\
                            Example:\n  larder refresh sintel")]
    Refresh(Refresh),
    /// Renew every license that ends soon
    #[command(after_help = "Example:\n  larder renew-all --within 7d")]
    RenewAll(RenewAll),
    /// Forget an asset and give its licenses back; the media stays
    #[command(after_help = "Needs neither the media nor a network: what cannot be released now is queued.\n\n\
                            Example:\n  larder unregister sintel")]
    Unregister(Unregister),
    /// Send queued releases, and compare the ledger with the licenses that are held
    #[command(
        after_help = "Tries each release once, however long that takes. Exit status 1 if one still waits for its server.\n\n\
                            Example:\n  larder reconcile"
    )]
    Reconcile,
    /// Note that a playback has started: the first one starts the license's playback window
    #[command(after_help = "Example:\n  larder played sintel")]
    Played(Asset),
    /// Print the metadata that was stored with an asset, byte by byte
    #[command(after_help = "Exit status 1 if it has none.\n\n\
                            Example:\n  larder metadata sintel > sintel-info.json")]
    Metadata(Asset),
    /// Print which keys media asks for: all systems, all tracks
    #[command(
        after_help = "PATH is a manifest, a folder or a media file. Nothing is fetched and no store is opened.\n\n\
                            Example:\n  larder init-data ~/films/sintel --json"
    )]
    InitData(InitData),
    /// Prove that the stored keys decrypt the stored media (ClearKey)
    #[command(after_help = "Decrypts a video and an audio sample of the stored segments and checks them, \
                            and shows that they are unreadable without the keys.\n\n\
                            Example:\n  larder keys-check sintel")]
    KeysCheck(Asset),
    /// Print facts for support, without secrets
    #[command(after_help = "Example:\n  larder diagnostics > report.json")]
    Diagnostics,
    /// Look into the database
    #[command(subcommand)]
    Store(StoreCommand),
    /// An origin and license servers to try things on
    #[command(subcommand)]
    Testkit(Testkit),
}

/// Commands on the database itself.
#[derive(Subcommand)]
pub(crate) enum StoreCommand {
    /// Print every row of the database as JSON, without secrets
    #[command(
        after_help = "Prints all profiles, one row per line. With --json: one list. Of a URL it prints the host, of \
                            bytes the length. The fields may change with any version.\n\n\
                            Example:\n  larder store dump | jq 'select(.table == \"licenses\")'"
    )]
    Dump,
}

#[derive(Args)]
pub(crate) struct Register {
    /// A manifest, a media file, or a folder that holds one manifest
    pub(crate) path: PathBuf,
    /// The asset's id: any text of 1 to 1024 bytes
    #[arg(long)]
    pub(crate) id: String,
    /// Where it came from and its DRM parameters, as JSON; `-` reads standard input
    #[arg(long, value_name = "SOURCE.json")]
    pub(crate) source: Option<PathBuf>,
    /// The backend's entry id [default: the asset's id]
    #[arg(long, value_name = "ENTRY")]
    pub(crate) entry: Option<String>,
    /// A file to keep with it, at most 1 MiB
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Asset {
    /// The asset's id
    pub(crate) id: String,
}

#[derive(Args)]
pub(crate) struct Status {
    /// The asset's id; without it, every asset
    pub(crate) id: Option<String>,
    /// Ask the disk for the media, and storage and CDM for the licenses
    #[arg(long)]
    pub(crate) verify: bool,
}

#[derive(Args)]
pub(crate) struct List {
    /// Only the assets of this entry
    #[arg(long, value_name = "ENTRY")]
    pub(crate) entry: Option<String>,
    /// Only the asset at this path
    #[arg(long, value_name = "PATH", conflicts_with = "entry")]
    pub(crate) path: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Url {
    /// An entry's id or an asset's
    #[arg(value_name = "ENTRY_OR_ID")]
    pub(crate) id: String,
    /// The current URL; printed if there is no better one
    #[arg(long, value_name = "URL")]
    pub(crate) current: Option<String>,
    /// When a local copy is preferred
    #[arg(long, value_enum, default_value_t = Prefer::Always)]
    pub(crate) prefer_local: Prefer,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Prefer {
    /// Whenever there is one
    Always,
    /// Only with --offline
    WhenOffline,
}

#[derive(Args)]
pub(crate) struct Refresh {
    /// The asset's id
    pub(crate) id: String,
    /// A media source to replace the stored one, as JSON; `-` reads standard input
    #[arg(long, value_name = "SOURCE.json")]
    pub(crate) source: Option<PathBuf>,
    /// A file to replace the stored metadata
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct RenewAll {
    /// How soon: a number of seconds, or with a unit: 90m, 36h, 7d
    #[arg(long, value_name = "TIME", value_parser = parse_seconds)]
    pub(crate) within: u64,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Unregister {
    /// The asset's id
    pub(crate) id: Option<String>,
    /// Every asset of the profile, as when its user signs out
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Args)]
pub(crate) struct InitData {
    /// A manifest, a folder or a media file
    pub(crate) path: PathBuf,
}

/// The test servers, and questions to running ones.
#[derive(Subcommand)]
pub(crate) enum Testkit {
    /// Serve an origin and license servers on loopback until interrupted
    #[command(after_help = "Example:\n  larder testkit serve --media testkit/media --print-url")]
    Serve(Serve),
    /// Print every license that was issued, renewed and released
    #[command(after_help = "Example:\n  larder testkit book --url http://127.0.0.1:8081")]
    Book(Admin),
    /// Print how often what was asked
    #[command(after_help = "Example:\n  larder testkit counts --url http://127.0.0.1:8081 --field by_kind.license")]
    Counts(Admin),
    /// Print the latest requests, oldest first
    #[command(after_help = "Example:\n  larder testkit requests --url http://127.0.0.1:8081")]
    Requests(Admin),
    /// Print, set or clear the rules by which the servers fail
    #[command(after_help = "Example:\n  larder testkit faults --url http://127.0.0.1:8081 --clear")]
    Faults(Faults),
    /// Forget book, counts and faults
    #[command(after_help = "Example:\n  larder testkit reset --url http://127.0.0.1:8081")]
    Reset(Admin),
    /// Shut the public port: connections are refused until `resume`
    #[command(after_help = "Example:\n  larder testkit stop --url http://127.0.0.1:8081")]
    Stop(Admin),
    /// Open the public port again, the same one
    #[command(after_help = "Example:\n  larder testkit resume --url http://127.0.0.1:8081")]
    Resume(Admin),
    /// Download files over HTTP, as an app does: their names are read from standard input, one a line
    #[command(after_help = "Example:\n  (cd testkit/media && find hls-aes128 -type f) |\n    \
                            larder testkit fetch http://127.0.0.1:8080/media/ --to ~/films")]
    Fetch(Fetch),
}

#[derive(Args)]
pub(crate) struct Serve {
    /// The public port; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// The port of the admin interface; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    pub(crate) admin_port: u16,
    /// A folder to serve under /media; the keys in its keys.json are licensed
    #[arg(long, value_name = "DIR")]
    pub(crate) media: Option<PathBuf>,
    /// Print the public and the admin URL, each on a line, once they answer
    #[arg(long)]
    pub(crate) print_url: bool,
}

#[derive(Args)]
pub(crate) struct Admin {
    /// The admin URL that `serve` printed
    #[arg(long, value_name = "URL")]
    pub(crate) url: String,
}

#[derive(Args)]
pub(crate) struct Faults {
    #[command(flatten)]
    pub(crate) admin: Admin,
    /// Add rules from a JSON file; `-` reads standard input
    #[arg(long, value_name = "RULES.json", conflicts_with = "clear")]
    pub(crate) set: Option<PathBuf>,
    /// Remove every rule
    #[arg(long)]
    pub(crate) clear: bool,
}

#[derive(Args)]
pub(crate) struct Fetch {
    /// The URL below which the files are
    pub(crate) base_url: String,
    /// The folder to put them in
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
}

fn parse_root(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok((name.to_owned(), PathBuf::from(path))),
        _ => Err("write it as NAME=PATH".to_owned()),
    }
}

fn parse_seconds(text: &str) -> Result<u64, String> {
    let (digits, unit_seconds) = match text.char_indices().last() {
        Some((at, 's')) => (text.get(..at), 1),
        Some((at, 'm')) => (text.get(..at), 60),
        Some((at, 'h')) => (text.get(..at), 3600),
        Some((at, 'd')) => (text.get(..at), 86_400),
        _ => (Some(text), 1),
    };
    digits
        .and_then(|digits| digits.parse::<u64>().ok())
        .and_then(|count| count.checked_mul(unit_seconds))
        .ok_or_else(|| "write it as a number of seconds, or as 90m, 36h, 7d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn a_time_is_seconds_or_has_a_unit() {
        assert_eq!(parse_seconds("90"), Ok(90));
        assert_eq!(parse_seconds("2m"), Ok(120));
        assert_eq!(parse_seconds("7d"), Ok(604_800));
        for bad in ["", "d", "-1", "1.5h", "7 d", "7days", "99999999999999999d", "7🍎"] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_command_says_how_to_use_it_with_an_example() {
        fn check(command: &clap::Command, path: &str) {
            for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
                let path = format!("{path} {}", sub.get_name());
                assert!(sub.get_about().is_some(), "{path} says nothing about itself");
                if sub.has_subcommands() {
                    check(sub, &path);
                } else {
                    let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
                    assert!(
                        help.contains(&format!("Example:\n  {path}")) || help.contains(&format!("    {path}")),
                        "{path}: {help}"
                    );
                }
            }
        }
        check(&CommandLine::command(), "larder");
    }
}
