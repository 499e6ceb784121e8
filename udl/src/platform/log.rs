//! Where the log goes on this platform, and how much of it.

use tracing::Level;
use tracing::level_filters::LevelFilter;

/// Logcat and the unified log filter by themselves; one line per operation is what a bug report needs.
#[cfg(any(target_os = "android", target_vendor = "apple"))]
pub(crate) fn level() -> LevelFilter {
    LevelFilter::INFO
}

/// A desktop's stderr is the app's own: warnings only, unless `LARDER_LOG` is `off`, `error`, `warn`, `info` or `debug`.
#[cfg(not(any(target_os = "android", target_vendor = "apple")))]
pub(crate) fn level() -> LevelFilter {
    let said = std::env::var("LARDER_LOG").ok();
    said.and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::WARN)
}

/// Writes one line to logcat, under the tag `larder`.
#[cfg(target_os = "android")]
pub(crate) fn write(level: Level, target: &str, line: &str) {
    use std::sync::LazyLock;

    use android_logger::{AndroidLogger, Config};
    use log::Log as _;

    static LOGCAT: LazyLock<AndroidLogger> = LazyLock::new(|| {
        AndroidLogger::new(Config::default().with_tag("larder").with_max_level(log::LevelFilter::Debug))
    });
    let level = match level {
        Level::ERROR => log::Level::Error,
        Level::WARN => log::Level::Warn,
        Level::INFO => log::Level::Info,
        _ => log::Level::Debug,
    };
    LOGCAT.log(&log::Record::builder().level(level).target(target).args(format_args!("{line}")).build());
}

/// Writes one line to the unified log, subsystem `dev.larder`.
#[cfg(target_vendor = "apple")]
pub(crate) fn write(level: Level, target: &str, line: &str) {
    use std::sync::LazyLock;

    static UNIFIED: LazyLock<oslog::OsLog> = LazyLock::new(|| oslog::OsLog::new("dev.larder", "larder"));
    let level = match level {
        Level::ERROR => oslog::Level::Error,
        Level::WARN => oslog::Level::Default,
        Level::INFO => oslog::Level::Info,
        _ => oslog::Level::Debug,
    };
    UNIFIED.with_level(level, &format!("{target}: {line}"));
}

/// Writes one line to stderr. A closed stderr is ignored: there is no place to report it.
#[cfg(not(any(target_os = "android", target_vendor = "apple")))]
pub(crate) fn write(level: Level, target: &str, line: &str) {
    use std::io::Write as _;

    let _ = writeln!(std::io::stderr().lock(), "{level:>5} {target}: {line}");
}
