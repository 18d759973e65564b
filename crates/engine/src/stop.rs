//! The text of a row while it is generated: whole characters, cut at stop strings.
//!
//! Text that may turn out to be the beginning of a stop string is held back until that is decided, so that a
//! reader never sees a part of one.

use super::decode_stream::DecodeStream;
use super::tokenizer::Tokenizer;
use seald_core::error::Result;

/// Text that is certain, and the stop string that follows it if one was found.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Piece<'a> {
    pub(super) text: String,
    pub(super) stop: Option<&'a str>,
}

/// The text of one row.
pub(super) struct RowText<'a> {
    /// `None` without a tokenizer, and after the end.
    stream: Option<DecodeStream<'a>>,
    /// Decoded, but not given out yet.
    held: String,
}

impl<'a> RowText<'a> {
    /// Without a tokenizer all text is empty.
    pub(super) fn new(tokenizer: Option<&'a Tokenizer>) -> Self {
        Self { stream: tokenizer.map(|t| t.decode_stream(true)), held: String::new() }
    }

    /// What `id` makes certain. `stops` are the same each time, and none is empty.
    pub(super) fn push<'s>(&mut self, id: u32, stops: &'s [String]) -> Result<Piece<'s>> {
        match &mut self.stream {
            Some(stream) => {
                let text = stream.push(id)?;
                Ok(self.take(&text, stops, false))
            }
            None => Ok(Piece::default()),
        }
    }

    /// The rest, when no more tokens come.
    pub(super) fn finish<'s>(&mut self, stops: &'s [String]) -> Result<Piece<'s>> {
        match self.stream.take() {
            Some(stream) => {
                let text = stream.finish()?;
                Ok(self.take(&text, stops, true))
            }
            None => Ok(Piece::default()),
        }
    }

    fn take<'s>(&mut self, text: &str, stops: &'s [String], last: bool) -> Piece<'s> {
        self.held.push_str(text);
        if let Some((start, stop)) = first_stop(&self.held, stops) {
            self.stream = None;
            self.held.truncate(start);
            return Piece { text: std::mem::take(&mut self.held), stop: Some(stop) };
        }
        let certain = if last { self.held.len() } else { undecided(&self.held, stops) };
        let rest = self.held.split_off(certain);
        Piece { text: std::mem::replace(&mut self.held, rest), stop: None }
    }
}

/// The stop string that is complete first, the longest of several that end there, and where it starts: the
/// same whatever the tokens are that the text came in.
fn first_stop<'a>(text: &str, stops: &'a [String]) -> Option<(usize, &'a str)> {
    let found = stops.iter().filter_map(|stop| Some((text.find(stop.as_str())?, stop.as_str())));
    found.min_by_key(|&(start, stop)| (start + stop.len(), start))
}

/// Where the longest end of `text` starts that a stop string starts with; its length if there is none.
fn undecided(text: &str, stops: &[String]) -> usize {
    let mut starts = text.char_indices().map(|(at, _)| at);
    starts.find(|&at| stops.iter().any(|stop| stop.starts_with(&text[at..]))).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is given out for each part of a text, and the stop string.
    fn run<'a>(parts: &[&str], stops: &'a [String]) -> (Vec<String>, Option<&'a str>) {
        let mut row = RowText::new(None);
        let mut out = Vec::new();
        for part in parts {
            let piece = row.take(part, stops, false);
            out.push(piece.text);
            if piece.stop.is_some() {
                return (out, piece.stop);
            }
        }
        let piece = row.take("", stops, true);
        out.push(piece.text);
        (out, piece.stop)
    }

    fn strings(all: &[&str]) -> Vec<String> {
        all.iter().map(|s| s.to_string()).collect()
    }

    #[test]
    fn what_may_become_a_stop_string_is_held_back() {
        let stops = strings(&["\n\nQ:", "END"]);
        assert_eq!(run(&["one\n", "\nQ", ": two"], &stops), (strings(&["one", "", ""]), Some("\n\nQ:")));
        assert_eq!(
            run(&["a\n", "\nb E", "N", "d"], &stops),
            (strings(&["a", "\n\nb ", "", "ENd", ""]), None)
        );
        assert_eq!(run(&["x EN"], &stops), (strings(&["x ", "EN"]), None));
        assert_eq!(run(&["abc"], &[]), (strings(&["abc", ""]), None));
    }

    #[test]
    fn the_first_complete_stop_string_wins_however_the_text_is_cut() {
        let stops = strings(&["xaby", "ab", "b"]);
        for parts in [&["1xaby2"][..], &["1", "x", "a", "b", "y"], &["1xa", "by2"]] {
            let (text, stop) = run(parts, &stops);
            assert_eq!((text.concat().as_str(), stop), ("1x", Some("ab")), "{parts:?}");
        }
    }

    #[test]
    fn characters_of_several_bytes_are_not_cut() {
        let stops = strings(&["é!"]);
        assert_eq!(run(&["caf", "é", "s é", "!"], &stops), (strings(&["caf", "", "és ", ""]), Some("é!")));
    }
}
