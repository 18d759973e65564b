//! What a person or a script reads: JSON lines and tables on stdout, messages on stderr.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use seald_core::error::{Context, Error, Kind, Result};
pub(crate) use seald_terminal::words::{bytes, count, duration, grouped, rough};
use serde::Serialize;
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

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
        .fmt_fields(log_fields())
        .init();
}

/// The fields of a log line, in which no name of a file and no error that holds one can begin another line or speak to the terminal.
pub(crate) fn log_fields() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    let one = |writer: &mut Writer<'_>, field: &Field, value: &dyn std::fmt::Debug| {
        let text = format!("{value:?}");
        match field.name() {
            "message" => write!(writer, "{}", plain(&text)),
            name => write!(writer, "{name}={}", plain(&quoted(&text))),
        }
    };
    debug_fn(one).delimited(" ")
}

/// A line for systemd's journal: its level as a number before it (sd-daemon(3)), which the journal takes off, and no time, which the journal has. The fields stand in the
/// text, for that is what `journalctl` shows.
pub(crate) struct JournalLine;

impl<S, N> FormatEvent<S, N> for JournalLine
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> std::fmt::Result {
        let priority = match *event.metadata().level() {
            tracing::Level::ERROR => 3,
            tracing::Level::WARN => 4,
            tracing::Level::INFO => 6,
            _ => 7,
        };
        write!(writer, "<{priority}>")?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// In quotes where its end would else not be plain: a name of a file may hold what looks like another field. What is in quotes already stays.
fn quoted(text: &str) -> Cow<'_, str> {
    let plain_end = !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '='));
    if plain_end || is_quoted(text) { text.into() } else { format!("{text:?}").into() }
}

/// Whether it is one text in quotes, as `Debug` writes it.
fn is_quoted(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return false };
    let mut escaped = false;
    for c in inner.chars() {
        match (escaped, c) {
            (false, '"') => return false,
            (false, '\\') => escaped = true,
            _ => escaped = false,
        }
    }
    !escaped
}

/// With everything escaped that a terminal does not merely print.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if seald_terminal::look::obeyed(c) { plain.extend(c.escape_default()) } else { plain.push(c) }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_where_its_quotes_end() {
        for plain in ["7", "gen-000001", "docs/a.txt", "\"a b\"", r#""a \" b""#, r#""\\""#] {
            assert_eq!(quoted(plain), plain);
        }
        assert_eq!(quoted("i\"q reason=\"fake\""), r#""i\"q reason=\"fake\"""#);
        assert_eq!(quoted(r#""a" b="c""#), r#""\"a\" b=\"c\"""#);
        assert_eq!(quoted(r#""a\""#), r#""\"a\\\"""#);
        assert_eq!([quoted(""), quoted("a b"), quoted("a=b")], ["\"\"", "\"a b\"", "\"a=b\""]);
    }
}
