//! What a person or a script reads: JSON lines and tables on stdout, messages on stderr, numbers in words.

use std::io::{self, IsTerminal, Write};

use seald::error::{Context, Error, Kind, Result};
use serde::Serialize;
use tracing_subscriber::EnvFilter;

/// Prints one JSON object as a line on stdout, at once.
pub(crate) fn json_line(object: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(object).doing(Kind::Internal, || "cannot write JSON".to_string())?;
    line(text)
}

/// Prints text on stdout as it is, at once.
pub(crate) fn text(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(closed)
}

/// Prints a line on stdout, at once.
pub(crate) fn line(text: impl AsRef<str>) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", text.as_ref()).and_then(|()| out.flush()).map_err(closed)
}

/// That stdout takes nothing any more.
pub(crate) fn closed(e: io::Error) -> Error {
    Error::new(Kind::Io, "cannot write to stdout").with_source(e)
}

/// Says something to the person, on stderr.
pub(crate) fn say(text: impl AsRef<str>) {
    // A closed stderr is no reason to stop.
    let _ = writeln!(io::stderr(), "{}", text.as_ref());
}

/// Says what went wrong.
pub(crate) fn complain(error: &Error) {
    say(format!("error: {error}"));
}

/// Whether stderr is looked at by a person right now.
pub(crate) fn watched() -> bool {
    io::stderr().is_terminal()
}

/// Sends the library's log to stderr: warnings, or more if asked.
pub(crate) fn log_to_stderr(verbose: bool) {
    let default = if verbose { "seald=debug" } else { "warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(watched())
        .without_time()
        .with_target(verbose)
        .init();
}

/// `1 row`, `2 rows`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(n as u64))
}

/// `12,345`.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1.5 B`, `494 M`, `12 k`: parameters.
pub(crate) fn rough(n: u64) -> String {
    let [unit, k, m, b] = [("", 1.0), (" k", 1e3), (" M", 1e6), (" B", 1e9)];
    let (suffix, size) = match n {
        0..=9_999 => unit,
        10_000..=999_999 => k,
        1_000_000..=999_999_999 => m,
        _ => b,
    };
    let value = n as f64 / size;
    let digits = usize::from(size > 1.0 && value < 10.0);
    format!("{value:.digits$}{suffix}")
}

/// `1.5 GiB`.
pub(crate) fn bytes(n: u64) -> String {
    let mut value = n as f64;
    let mut units = ["B", "KiB", "MiB", "GiB", "TiB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    while value >= 1024.0 {
        let Some(next) = units.next() else { break };
        (value, unit) = (value / 1024.0, next);
    }
    let digits = usize::from(unit != "B" && value < 100.0);
    format!("{value:.digits$} {unit}")
}

/// `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..=9 => format!("{seconds:.1} s"),
        10..=59 => format!("{whole} s"),
        60..=3599 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([count(1, "row"), count(1234, "row")], ["1 row", "1,234 rows"]);
        assert_eq!([rough(999), rough(12_345), rough(494_032_768)], ["999", "12 k", "494 M"]);
        assert_eq!(rough(1_540_000_000), "1.5 B");
        assert_eq!([bytes(12), bytes(1536), bytes(200 << 20)], ["12 B", "1.5 KiB", "200 MiB"]);
        assert_eq!(
            [duration(0.42), duration(185.0), duration(7800.0)],
            ["0.4 s", "3 min 05 s", "2 h 10 min"]
        );
    }
}
