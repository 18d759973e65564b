//! Server-sent events out of bytes that are cut anywhere.

use seald_core::error::{Error, Kind, Result};

/// Longer events are refused: the daemon's are some kilobytes.
const LONGEST: usize = 16 << 20;

/// Collects bytes and gives out the data of whole events (WHATWG HTML, 9.2.6). Names and numbers of events are left
/// out: the JSON has them too.
#[derive(Debug, Default)]
pub struct Splitter {
    bytes: Vec<u8>,
    /// Bytes that have been read as lines.
    read: usize,
    /// Bytes after `read` known to hold no line end.
    searched: usize,
    data: Option<String>,
}

impl Splitter {
    /// Takes more bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The data of the next event, if it is complete.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] for bytes that are not UTF-8, or an event without end.
    #[expect(clippy::should_implement_trait, reason = "more may come after none")]
    pub fn next(&mut self) -> Result<Option<String>> {
        while let Some(line) = self.line()? {
            if line.is_empty() {
                if let Some(data) = self.data.take() {
                    return Ok(Some(data));
                }
            } else if let Some(value) = value(&line, "data") {
                match &mut self.data {
                    Some(data) => *data = format!("{data}\n{value}"),
                    None => self.data = Some(value.to_string()),
                }
            }
        }
        Ok(None)
    }

    /// The next whole line, without its end.
    fn line(&mut self) -> Result<Option<String>> {
        let rest = &self.bytes[self.read..];
        let Some(end) = rest[self.searched..].iter().position(|b| *b == b'\n') else {
            self.searched = rest.len();
            let long = rest.len() + self.data.as_ref().map_or(0, String::len) > LONGEST;
            return if long { Err(broken("has no end")) } else { Ok(None) };
        };
        let end = self.searched + end;
        let line = std::str::from_utf8(&rest[..end]).map_err(|_| broken("is not UTF-8"))?;
        let line = line.strip_suffix('\r').unwrap_or(line).to_string();
        (self.read, self.searched) = (self.read + end + 1, 0);
        Ok(Some(line))
    }
}

/// The value of a line `name: value`.
fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(name)?;
    if rest.is_empty() {
        return Some(rest);
    }
    let value = rest.strip_prefix(':')?;
    Some(value.strip_prefix(' ').unwrap_or(value))
}

fn broken(what: &str) -> Error {
    Error::new(
        Kind::Corrupt,
        format!("an event of the daemon's stream {what}: is it seald that listens there?"),
    )
}
