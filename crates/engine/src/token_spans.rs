//! Encoding a text whose special tokens' places are known, in time that is proportional to its length.

use std::ops::Range;

use tokenizers::normalizer::Range as TextRange;
use tokenizers::{
    Model, NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
    Token,
};

use super::special_tokens::SpecialSpan;
use super::tokenizer::{TokenSpan, Tokenizer, caught};
use seald_core::error::Result;

/// Parts that are cut out of one string of the `tokenizers` crate: each cut reads the string from its beginning, so a conversation of ten thousand turns in one
/// string took a minute.
const PARTS: usize = 64;

/// A part of a text: its bytes, and the token that it is, where that is given.
type Part = (Range<usize>, Option<u32>);

impl Tokenizer {
    /// The stages of `tokenizers::Tokenizer::encode`, with the special tokens' places given instead of searched.
    pub(super) fn encode_once(
        &self,
        text: &str,
        specials: &[SpecialSpan],
        breaks: &[usize],
    ) -> Result<Vec<TokenSpan>> {
        let mut parts = self.parts(text, specials, breaks)?;
        parts.retain(|(range, _)| !range.is_empty());
        self.encode_in_groups(text, &parts, PARTS)
    }

    /// Encodes the parts of a text, so many at a time.
    fn encode_in_groups(&self, text: &str, parts: &[Part], size: usize) -> Result<Vec<TokenSpan>> {
        let (mut tokens, mut first) = (Vec::new(), 0_usize);
        for group in parts.chunks(size) {
            let [(begin, _), ..] = group else { continue };
            let (begin, end) = (begin.start, group.last().map_or(begin.end, |(range, _)| range.end));
            // Some tokenizers treat the beginning of a string in their own way: what stands before is shown, too.
            let before = first.saturating_sub(1);
            let shown = &parts[before..first + group.len()];
            let start = parts[before].0.start;
            let found = self.encode_parts(&text[start..end], start, shown)?;
            tokens.extend(found.into_iter().filter(|token| token.range.start >= begin));
            first += group.len();
        }
        Ok(tokens)
    }

    /// Encodes parts of a text that stand one behind the other, from byte `start` of it on.
    fn encode_parts(&self, text: &str, start: usize, parts: &[Part]) -> Result<Vec<TokenSpan>> {
        let mut cut_up = PreTokenizedString::from(text);
        let encoded = caught(|| {
            cut_up.split(|_, whole| Ok(cut(&whole, start, parts)))?;
            if let Some(normalizer) = self.inner.get_normalizer() {
                cut_up.normalize(|part| normalizer.normalize(part))?;
            }
            if let Some(pre_tokenizer) = self.inner.get_pre_tokenizer() {
                pre_tokenizer.pre_tokenize(&mut cut_up)?;
            }
            cut_up.tokenize(|part| self.inner.get_model().tokenize(part.get()))?;
            cut_up.into_encoding(None, 0, OffsetType::Byte)
        })?;
        let ranges = encoded.get_offsets().iter().map(|&(from, to)| start + from..start + to);
        Ok(encoded.get_ids().iter().zip(ranges).map(|(&id, range)| TokenSpan { id, range }).collect())
    }

    /// Cuts `text` at special tokens, at breaks and at added tokens that are not special.
    fn parts(&self, text: &str, specials: &[SpecialSpan], breaks: &[usize]) -> Result<Vec<Part>> {
        let mut parts = Vec::with_capacity(2 * specials.len() + breaks.len() + 1);
        let mut breaks = breaks.iter().copied().peekable();
        let mut done = 0;
        let end = SpecialSpan { range: text.len()..text.len(), id: 0 };
        for special in specials.iter().chain([&end]) {
            while let Some(at) = breaks.next_if(|&at| at < special.range.start) {
                self.push_plain(text, done..at.max(done), &mut parts)?;
                done = done.max(at);
            }
            self.push_plain(text, done..special.range.start, &mut parts)?;
            if !special.range.is_empty() {
                parts.push((special.range.clone(), Some(special.id)));
            }
            done = special.range.end;
        }
        Ok(parts)
    }

    fn push_plain(&self, text: &str, range: Range<usize>, parts: &mut Vec<Part>) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        if !self.has_ordinary_added {
            parts.push((range, None));
            return Ok(());
        }
        // The crate's own search; special tokens are not found because `encode_special_tokens` is on.
        let added = self.inner.get_added_vocabulary();
        let plain = &text[range.clone()];
        let found = caught(|| Ok(added.extract_and_normalize(self.inner.get_normalizer(), plain)))?;
        let mut done = range.start;
        for (_, (start, end), tokens) in found.get_splits(OffsetReferential::Original, OffsetType::Byte) {
            if let Some(token) = tokens.as_ref().and_then(|t| t.first()) {
                parts.push((done..range.start + start, None));
                parts.push((range.start + start..range.start + end, Some(token.id)));
                done = range.start + end;
            }
        }
        parts.push((done..range.end, None));
        Ok(())
    }
}

/// Slices of `whole`, which begins at byte `start` of the text; those with an id as finished tokens.
fn cut(
    whole: &NormalizedString,
    start: usize,
    parts: &[Part],
) -> Vec<(NormalizedString, Option<Vec<Token>>)> {
    let slice = |(range, id): &Part| {
        let part = whole.slice(TextRange::Original(range.start - start..range.end - start))?;
        let tokens = id.map(|id| vec![Token::new(id, part.get().to_string(), (0, range.len()))]);
        Some((part, tokens))
    };
    parts.iter().filter_map(slice).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tokenizer_files::TokenizerBytes;
    use super::*;

    /// Words and special tokens; a string's first word has a mark of its own, as in Llama 2's tokenizer.
    const FIRST_WORDS: &str = r#"{"version":"1.0","added_tokens":[{"id":5,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,
        "normalized":false,"special":true}],"normalizer":null,
        "pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":true},"post_processor":null,"decoder":null,
        "model":{"type":"WordLevel","vocab":{"▁a":0,"a":1,"▁b":2,"b":3,"[UNK]":4,"<s>":5},"unk_token":"[UNK]"}}"#;

    fn tokenizer() -> Tokenizer {
        let tokenizer = FIRST_WORDS.as_bytes();
        let files = TokenizerBytes { tokenizer, ..TokenizerBytes::default() };
        Tokenizer::from_bytes(&files).unwrap()
    }

    #[test]
    fn groups_of_any_size_give_the_same_tokens() {
        let tokenizer = tokenizer();
        let text = "a b<s>a<s>b a<s><s>a".repeat(5);
        let specials = tokenizer.specials().find(&text);
        assert_eq!(specials.len(), 20);
        // A break in the middle of plain text, too.
        let parts = tokenizer.parts(&text, &specials, &[1, 20]).unwrap();
        let whole = tokenizer.encode_in_groups(&text, &parts, usize::MAX).unwrap();
        let ids = |tokens: &[TokenSpan]| tokens.iter().map(|token| token.id).collect::<Vec<_>>();
        assert_eq!(ids(&whole)[..5], [0, 2, 5, 1, 5], "only the first word of all has its mark: {whole:?}");
        for size in [1, 2, 3, 7, PARTS] {
            assert_eq!(tokenizer.encode_in_groups(&text, &parts, size).unwrap(), whole, "{size}");
        }
        let at = |token: &TokenSpan| &text[token.range.clone()];
        assert!(whole.iter().filter(|token| token.id == 5).all(|token| at(token) == "<s>"));
    }
}
