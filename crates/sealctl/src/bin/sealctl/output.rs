//! Stdout and stderr of `sealctl`, and how things look there.

use std::io::{self, BufRead, Write};

use seald_core::clock::Clock;
use seald_core::error::{Context, Error, Kind, Result};
use seald_terminal::{Look, Times, Zone};

/// Prints text on stdout as it is, at once.
///
/// # Errors
/// [`Kind::Cancelled`] where the reader has gone; [`Kind::Io`].
pub(crate) fn text(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| {
        let gone = e.kind() == io::ErrorKind::BrokenPipe;
        let kind = if gone { Kind::Cancelled } else { Kind::Io };
        Error::new(kind, "cannot write to stdout").with_source(e)
    })
}

/// Prints JSON that the daemon sent, word for word, with a line end; nothing for nothing.
///
/// # Errors
/// As [`text`].
pub(crate) fn json(bytes: &[u8]) -> Result<()> {
    let json = String::from_utf8_lossy(bytes);
    let json = json.trim();
    if json.is_empty() { Ok(()) } else { text(&format!("{json}\n")) }
}

/// Says something to the person, on stderr; commands that it names reach the same daemon.
pub(crate) fn say(text: impl AsRef<str>) {
    // A closed stderr is no reason to stop.
    let _ = writeln!(io::stderr(), "{}", hints(text.as_ref().trim_end()));
}

/// As [`Look::hints`]: for words that go to stdout.
pub(crate) fn hints(words: &str) -> String {
    Look::of_stderr().hints(words)
}

/// Times as they look from here and now.
pub(crate) fn times() -> Times {
    Times { now: Clock::System.now(), zone: Zone::Local }
}

/// Puts a question to the person at the terminal; whether the answer is a yes.
///
/// # Errors
/// [`Kind::Io`] where stdin cannot be read.
pub(crate) fn agreed(question: &str) -> Result<bool> {
    say(format!("\n{question} [y/N]"));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).doing(Kind::Io, || "cannot read the answer".to_string())?;
    Ok(is_yes(&answer))
}

/// Whether an answer is a yes; nothing, and the end of the input, is a no.
fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(["y\n", "Yes\r\n", " YES "].into_iter().all(is_yes));
        assert!(!["", "\n", "n\n", "yess", "y y", "no"].into_iter().any(is_yes));
    }
}
