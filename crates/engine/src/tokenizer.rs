//! Text to token ids and back, as the model's own tokenizer does it, but never taking data for a special token.
//!
//! The `tokenizers` crate does the work. It is kept in the mode in which special tokens in the text are ordinary
//! text; where they are meant (a rendered chat template), their places are handed over beside the text. So a
//! document that contains `<|im_end|>` gives ordinary pieces, whatever else happens to it.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use tokenizers::AddedToken;

use super::decode_stream::DecodeStream;
use super::special_tokens::{SpecialSpan, SpecialToken, SpecialTokens};
use super::token_bytes::Spelling;
use super::tokenizer_files::{DirectoryFiles, GenerationDefaults, Settings, TokenizerBytes};
use seald_core::error::{Error, Kind, Result};

/// Tokens that end a turn in the templates of well-known families. They end a generation too, although the
/// `eos_token` of many base models is another one.
const END_OF_TURN: [&str; 5] = ["<|im_end|>", "<|eot_id|>", "<|end_of_turn|>", "<end_of_turn>", "<|end|>"];

/// Bytes of text that [`Tokenizer::count_up_to`] encodes at a time.
const PIECE: usize = 16 << 10;
/// Tokens that a cut through a text may make more, at most: those of a few words beside it.
const AT_A_CUT: usize = 16;

/// A token and the bytes of the text that it stands for. The bytes of one character may have several tokens:
/// these all have the range of the character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSpan {
    /// The token.
    pub id: u32,
    /// Its place in the text.
    pub range: Range<usize>,
}

/// A tokenizer with what its directory says about special tokens, chat template and generation.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    pub(super) inner: tokenizers::Tokenizer,
    specials: SpecialTokens,
    /// Whether there are added tokens that are not special: these are found in any text.
    pub(super) has_ordinary_added: bool,
    eos_ids: Vec<u32>,
    text_prefix: Vec<u32>,
    spelling: Spelling,
    settings: Settings,
}

impl Tokenizer {
    /// Reads the tokenizer of a model directory: `tokenizer.json`, and beside it, if they are there,
    /// `tokenizer_config.json`, `special_tokens_map.json`, `generation_config.json` and `chat_template.jinja`.
    pub fn from_dir(dir: &Path) -> Result<Self> {
        let files = DirectoryFiles::read(dir)?;
        Self::from_bytes(&files.as_bytes()).map_err(|e| e.context(format!("in {}", dir.display())))
    }

    /// The same from files in memory, for an embedded model.
    pub fn from_bytes(files: &TokenizerBytes<'_>) -> Result<Self> {
        let settings = Settings::parse(files)?;
        let mut inner = tokenizers::Tokenizer::from_bytes(files.tokenizer)
            .map_err(|e| Error::new(Kind::Corrupt, "tokenizer.json: not a tokenizer").with_source(e))?;
        // A document must not be cut or filled up because the file was saved with some batch's settings.
        inner.with_truncation(None).map_err(|e| Error::new(Kind::Internal, "tokenizer").with_source(e))?;
        inner.with_padding(None);
        add_missing(&mut inner, &settings)?;
        inner.set_encode_special_tokens(true);
        let (specials, has_ordinary_added) = added_tokens(&inner)?;
        let eos_ids = eos_ids(&inner, &specials, &settings)?;
        let text_prefix = text_prefix(&inner)?;
        let spelling = Spelling::of(inner.get_decoder().and_then(|d| serde_json::to_value(d).ok()).as_ref());
        Ok(Self { inner, specials, has_ordinary_added, eos_ids, text_prefix, spelling, settings })
    }

    /// The ids of `text` as data: a special token in it becomes ordinary pieces. Nothing is put before or after it.
    ///
    /// Added tokens that are not special (`<tool_call>` in Qwen's models) are found as usual.
    pub fn encode_text(&self, text: &str) -> Result<Vec<u32>> {
        let ids = caught(|| self.inner.encode_fast(text, false))?.get_ids().to_vec();
        if ids.iter().any(|&id| self.specials.contains(id)) {
            // The model itself has the special token in its vocabulary and found it: go the thorough way.
            return Ok(self.encode_spans(text, &[], &[])?.into_iter().map(|t| t.id).collect());
        }
        Ok(ids)
    }

    /// The ids of a document that stands alone: [`Self::encode_text`] behind [`Self::text_prefix`].
    pub fn encode_document(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = self.text_prefix.clone();
        ids.extend(self.encode_text(text)?);
        Ok(ids)
    }

    /// The ids of `text`, special tokens in it taken as such. Only for text that no document or user can influence;
    /// chats with messages go through `ChatTemplate::encode_prompt`.
    pub fn encode_with_specials(&self, text: &str) -> Result<Vec<u32>> {
        let specials = self.specials.find(text);
        Ok(self.encode_spans(text, &specials, &[])?.into_iter().map(|t| t.id).collect())
    }

    /// The ids of `text` with their places. `specials` (in order, apart from each other) are the only special
    /// tokens; no token reaches over one of `breaks` (byte offsets at characters' beginnings).
    ///
    /// Text between special tokens is tokenized whole, so without `breaks` the ids are those that
    /// transformers gives for the same text.
    pub fn encode_spans(
        &self,
        text: &str,
        specials: &[SpecialSpan],
        breaks: &[usize],
    ) -> Result<Vec<TokenSpan>> {
        let tokens = self.encode_once(text, specials, breaks)?;
        if !self.has_stray_special(&tokens, specials) {
            return Ok(tokens);
        }
        // The model's vocabulary has the special token's text as a piece: break the text inside of it.
        let mut breaks = breaks.to_vec();
        for start in self.specials.starts(text) {
            if !specials.iter().any(|s| s.range.contains(&start)) {
                breaks.extend(text[start..].char_indices().nth(1).map(|(width, _)| start + width));
            }
        }
        breaks.sort_unstable();
        let tokens = self.encode_once(text, specials, &breaks)?;
        match self.has_stray_special(&tokens, specials) {
            false => Ok(tokens),
            true => {
                let text = "tokenizer.json: the vocabulary turns ordinary text into a special token; \
                            this tokenizer cannot be used safely";
                Err(Error::new(Kind::Unsupported, text))
            }
        }
    }

    /// How many tokens `text` has, about, counted piece by piece and no further than to more than `most`: what is far too long is not encoded as a whole.
    ///
    /// Where the text is cut into pieces, a token may become two; that many are taken off, so a result above `most` is no mistake.
    ///
    /// # Errors
    /// As [`Self::encode_text`].
    pub fn count_up_to(&self, text: &str, most: usize) -> Result<usize> {
        let (mut counted, mut rest) = (0, text);
        while !rest.is_empty() && counted <= most {
            let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE.min(rest.len())));
            rest = after;
            let tokens = caught(|| self.inner.encode_fast(piece, false))?.len();
            counted += if rest.is_empty() { tokens } else { tokens.saturating_sub(AT_A_CUT) };
        }
        Ok(counted)
    }

    /// The text of `ids`; `skip_special` leaves special tokens out. Unknown ids give nothing, bytes that are not
    /// valid UTF-8 give U+FFFD.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        self.inner
            .decode(ids, skip_special)
            .map_err(|e| Error::new(Kind::Internal, "tokenizer.json: cannot decode these ids").with_source(e))
    }

    /// Decodes token by token, for streaming.
    pub fn decode_stream(&self, skip_special: bool) -> DecodeStream<'_> {
        DecodeStream::new(self, skip_special)
    }

    /// The ids that end a generation, without doubles: those of `generation_config.json`, then the tokenizer's
    /// `eos_token`, then the chat template's end-of-turn token.
    pub fn eos_ids(&self) -> &[u32] {
        &self.eos_ids
    }

    /// What goes before plain text: the ids that `tokenizer.json`'s post-processor puts there (`<|begin_of_text|>`
    /// for Llama), empty for Qwen. As in transformers 5, `add_bos_token` of `tokenizer_config.json` has no say.
    pub fn text_prefix(&self) -> &[u32] {
        &self.text_prefix
    }

    /// Number of ids, added tokens included. The model's embedding may have more rows.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The id of a token by its text.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The text by which the vocabulary knows a token, and whether it is an added one.
    pub(super) fn piece(&self, id: u32) -> Option<(String, bool)> {
        let added = self.inner.get_added_vocabulary().get_added_tokens_decoder();
        match added.get(&id) {
            Some(token) => Some((token.content.clone(), true)),
            None => Some((self.inner.id_to_token(id)?, false)),
        }
    }

    /// How the vocabulary writes bytes.
    pub(super) fn spelling(&self) -> Spelling {
        self.spelling
    }

    /// The special tokens.
    pub fn specials(&self) -> &SpecialTokens {
        &self.specials
    }

    /// The chat template's source, if the directory has one.
    pub fn chat_template(&self) -> Option<&str> {
        self.settings.chat_template.as_deref()
    }

    /// The texts that templates know as `bos_token`, `eos_token`, `pad_token` and `unk_token`.
    pub fn named_tokens(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let s = &self.settings;
        [("bos_token", &s.bos), ("eos_token", &s.eos), ("pad_token", &s.pad), ("unk_token", &s.unk)]
            .into_iter()
            .filter_map(|(name, token)| Some((name, token.as_deref()?)))
    }

    /// What the model's authors recommend for generation.
    pub fn generation_defaults(&self) -> &GenerationDefaults {
        &self.settings.generation
    }

    fn has_stray_special(&self, tokens: &[TokenSpan], specials: &[SpecialSpan]) -> bool {
        let mut meant = specials.iter();
        tokens.iter().filter(|t| self.specials.contains(t.id)).any(|t| {
            // Both lists are in order, and every place that is meant has its token.
            meant.next().is_none_or(|s| s.id != t.id || s.range != t.range)
        })
    }
}

/// What the `tokenizers` crate makes of a text. It panics where a pattern of `tokenizer.json` takes too long on it: that is an error of this text, not the end of the program.
pub(super) fn caught<T>(encode: impl FnOnce() -> tokenizers::Result<T>) -> Result<T> {
    let text = "tokenizer.json: its model cannot encode this text";
    match catch_unwind(AssertUnwindSafe(encode)) {
        Ok(encoded) => encoded.map_err(|e| Error::new(Kind::Invalid, text).with_source(e)),
        Err(_) => Err(Error::new(Kind::Invalid, format!("{text}: a pattern in it cannot be followed"))),
    }
}

/// Adds what `tokenizer_config.json` declares and `tokenizer.json` lacks, as transformers does when it loads them.
fn add_missing(inner: &mut tokenizers::Tokenizer, settings: &Settings) -> Result<()> {
    let internal =
        |e| Error::new(Kind::Corrupt, "tokenizer_config.json: added_tokens_decoder").with_source(e);
    for (id, token) in &settings.added {
        if inner.get_added_vocabulary().get_added_tokens_decoder().contains_key(id) {
            continue;
        }
        inner.add_tokens([token.clone()]).map_err(internal)?;
        let got = inner.token_to_id(&token.content);
        if got != Some(*id) {
            let text = format!(
                "tokenizer_config.json: added_tokens_decoder.{id} is {:?}, which tokenizer.json has as {got:?}; \
                 the two files do not belong together",
                token.content
            );
            return Err(Error::new(Kind::Corrupt, text));
        }
    }
    for (field, token) in
        [("bos_token", &settings.bos), ("eos_token", &settings.eos), ("pad_token", &settings.pad)]
    {
        let Some(token) = token else { continue };
        match inner.token_to_id(token) {
            Some(_) if inner.get_added_vocabulary().is_special_token(token) => {}
            Some(_) => {
                inner.add_special_tokens([AddedToken::from(token.as_str(), true)]).map_err(internal)?;
            }
            // We never pad, and a new id would have no row in the model's embedding.
            None if field == "pad_token" => {}
            None => {
                let text = format!(
                    "tokenizer_config.json: {field} {token:?} is not in the vocabulary of tokenizer.json"
                );
                return Err(Error::new(Kind::Corrupt, text));
            }
        }
    }
    Ok(())
}

/// The special tokens, and whether there are added tokens besides.
fn added_tokens(inner: &tokenizers::Tokenizer) -> Result<(SpecialTokens, bool)> {
    let decoder = inner.get_added_tokens_decoder();
    let mut specials = Vec::new();
    for (&id, token) in decoder.iter().filter(|(_, t)| t.special) {
        let (lstrip, rstrip) = (token.lstrip, token.rstrip);
        specials.push(SpecialToken { content: token.content.clone(), id, lstrip, rstrip });
    }
    let has_ordinary = decoder.values().any(|t| !t.special);
    Ok((SpecialTokens::new(specials)?, has_ordinary))
}

fn eos_ids(inner: &tokenizers::Tokenizer, specials: &SpecialTokens, settings: &Settings) -> Result<Vec<u32>> {
    let mut ids: Vec<u32> = Vec::new();
    let mut add = |id: u32| {
        if !ids.contains(&id) {
            ids.push(id);
        }
    };
    for &id in &settings.generation.eos_token_ids {
        if inner.id_to_token(id).is_none() {
            let text = format!(
                "generation_config.json: eos_token_id {id} is not in the vocabulary of tokenizer.json"
            );
            return Err(Error::new(Kind::Corrupt, text));
        }
        add(id);
    }
    settings.eos.as_ref().and_then(|t| inner.token_to_id(t)).into_iter().for_each(&mut add);
    let template = settings.chat_template.as_deref().unwrap_or("");
    for token in END_OF_TURN.iter().filter(|t| template.contains(**t)) {
        inner.token_to_id(token).filter(|&id| specials.contains(id)).into_iter().for_each(&mut add);
    }
    Ok(ids)
}

/// What the post-processor puts before a text.
fn text_prefix(inner: &tokenizers::Tokenizer) -> Result<Vec<u32>> {
    let mark = "a";
    let plain = caught(|| inner.encode_fast(mark, false))?;
    let full = caught(|| inner.encode_fast(mark, true))?;
    let (plain, full) = (plain.get_ids(), full.get_ids());
    let at = full.windows(plain.len().max(1)).position(|w| w == plain).unwrap_or(0);
    Ok(full[..at].to_vec())
}
