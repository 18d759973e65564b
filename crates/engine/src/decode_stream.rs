//! Text of generated tokens while they come: whole characters only.

use super::tokenizer::Tokenizer;
use seald_core::error::Result;

/// Turns ids into text as they come, in whole characters.
///
/// For byte-level tokenizers the parts together, with [`DecodeStream::finish`], are exactly [`Tokenizer::decode`]
/// of all ids.
#[derive(Debug, Clone)]
pub struct DecodeStream<'a> {
    tokenizer: &'a Tokenizer,
    skip_special: bool,
    /// The ids whose text was given out last (context: some decoders treat a first token differently), and those
    /// whose text was not given out yet, from `read` on.
    ids: Vec<u32>,
    read: usize,
    /// The text of `ids[..read]`.
    prefix: String,
}

impl<'a> DecodeStream<'a> {
    pub(super) fn new(tokenizer: &'a Tokenizer, skip_special: bool) -> Self {
        Self { tokenizer, skip_special, ids: Vec::new(), read: 0, prefix: String::new() }
    }

    /// The text that `id` completes; empty while a character is unfinished.
    pub fn push(&mut self, id: u32) -> Result<String> {
        self.ids.push(id);
        let text = self.tokenizer.decode(&self.ids, self.skip_special)?;
        // U+FFFD at the end is a character whose other bytes may still come.
        if text.ends_with('\u{FFFD}') || text.len() <= self.prefix.len() {
            return Ok(String::new());
        }
        let new = self.new_text(&text);
        self.ids.drain(..self.read);
        self.read = self.ids.len();
        self.prefix = self.tokenizer.decode(&self.ids, self.skip_special)?;
        Ok(new)
    }

    /// The text that is left when no more ids come: U+FFFD for an unfinished character.
    pub fn finish(self) -> Result<String> {
        let text = self.tokenizer.decode(&self.ids, self.skip_special)?;
        Ok(self.new_text(&text))
    }

    fn new_text(&self, text: &str) -> String {
        // Byte-level text only grows. A byte-fallback decoder may turn earlier bytes into U+FFFD: what was given
        // out stays.
        let same =
            text.chars().zip(self.prefix.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8());
        text[same.sum::<usize>()..].to_string()
    }
}
