//! Answers in a form: JSON that fits a schema, because at each step only tokens are allowed that can still lead there.
//!
//! The `llguidance` crate does the work; it is told each token's bytes.

use std::fmt;
use std::sync::Arc;

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use serde_json::Value;

use super::schema_bounds;
use super::tokenizer::Tokenizer;
use seald_core::error::{Context, Error, Kind, Result};

/// Stack of the thread that compiles a schema, bytes; only what is touched takes memory. The deepest schema that is taken fits, unoptimised, too: a test compiles it.
const STACK: usize = 512 << 20;

/// Most of the compiler's own words that are passed on, characters.
const REASON: usize = 400;

/// Address space that compiling a schema takes for its stack, bytes.
pub fn compiler_stack() -> u64 {
    STACK as u64
}

/// A tokenizer's vocabulary, prepared for grammars: some hundred milliseconds for one of 151,936 tokens.
pub struct Vocabulary {
    parsers: ParserFactory,
}

impl Vocabulary {
    /// Prepares the vocabulary of `tokenizer`, whose first end token ends an answer.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] where no token ends an answer, or the vocabulary is refused.
    pub fn new(tokenizer: &Tokenizer) -> Result<Self> {
        let Some(&end) = tokenizer.eos_ids().first() else {
            let text =
                "this model names no token that ends an answer (eos_token_id in generation_config.json)";
            return Err(Error::new(Kind::Unsupported, text));
        };
        let size = tokenizer.vocab_size() as u32;
        let word = |id: u32| {
            let bytes = tokenizer.token_bytes(id);
            if tokenizer.specials().contains(id) {
                [&[TokTrie::SPECIAL_TOKEN_MARKER], &bytes[..]].concat()
            } else {
                bytes
            }
        };
        let words: Vec<Vec<u8>> = (0..size).map(word).collect();
        Self::of(&words, end)
    }

    /// One that needs no tokenizer, made at once: each byte is a token. What it takes to compile a schema depends on the tokens by little, so this is enough to
    /// try whether one can be compiled.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] as [`Self::new`].
    pub fn bytes() -> Result<Self> {
        let mut words: Vec<Vec<u8>> = (0..=u8::MAX).map(|byte| vec![byte]).collect();
        words.push([&[TokTrie::SPECIAL_TOKEN_MARKER], &b"<end>"[..]].concat());
        Self::of(&words, u32::from(u8::MAX) + 1)
    }

    fn of(words: &[Vec<u8>], end: u32) -> Result<Self> {
        let trie = TokTrie::from(&TokRxInfo::new(words.len() as u32, end), words);
        let known: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let refused = |e| {
            Error::new(Kind::Unsupported, format!("this model's vocabulary cannot be held to a form: {e}"))
        };
        let mut parsers = ParserFactory::new_simple(&known).map_err(refused)?;
        parsers.quiet().limits_mut().verbose_errors = false;
        Ok(Self { parsers })
    }

    /// JSON that fits `schema` (JSON Schema).
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a schema that is wrong, too large, or uses what is not supported; it says which.
    pub fn json(&self, schema: &Value) -> Result<Grammar> {
        schema_bounds::check(schema)?;
        let grammar = TopLevelGrammar::from_json_schema(schema.clone());
        // `$ref`s may be nested as deep as there are values, whatever the JSON itself nests: each takes stack.
        // What may come first is looked for here, too: where nothing may, the schema is wrong, and not the answer.
        let compile = || {
            let mut matcher = Matcher::new(self.parsers.create_parser(grammar));
            let first = matcher.compute_mask_or_eos().map(|_| ());
            first.map(|()| matcher)
        };
        let matcher = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, compile);
            thread.doing(Kind::Io, || "cannot start a thread to read a schema".to_string())?.join().map_err(
                |_| Error::new(Kind::Invalid, "the schema cannot be used: its compiler met a defect"),
            )
        })?;
        match matcher {
            Ok(matcher) => Ok(Grammar { matcher: Box::new(matcher), of: Arc::new(()) }),
            Err(error) => {
                let text = format!("the schema cannot be used: {}", reason(&error));
                Err(Error::new(Kind::Invalid, text))
            }
        }
    }
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vocabulary").finish_non_exhaustive()
    }
}

/// A form, and how far an answer in it has come.
#[derive(Clone)]
pub struct Grammar {
    /// Two kilobytes, which rows without a form should not carry.
    matcher: Box<Matcher>,
    of: Arc<()>,
}

impl Grammar {
    /// Calls `allow` with each id that may come next: the end token alone once the answer is complete.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a form too costly to follow.
    pub(super) fn allowed(&mut self, mut allow: impl FnMut(usize)) -> Result<()> {
        let mask = self.matcher.compute_mask_or_eos().map_err(too_costly)?;
        mask.iter_set_entries(&mut allow);
        Ok(())
    }

    /// Takes the token that was chosen.
    ///
    /// # Errors
    /// As [`Self::allowed`].
    pub(super) fn take(&mut self, token: u32) -> Result<()> {
        if self.matcher.is_stopped() { Ok(()) } else { self.matcher.consume_token(token).map_err(too_costly) }
    }
}

fn too_costly(error: impl fmt::Display) -> Error {
    let text = format!("the answer cannot be held to its form: {}", reason(&error));
    Error::new(Kind::Invalid, text)
}

/// What the compiler says, and what to do; its shortest words tell nobody anything.
fn reason(error: &impl fmt::Display) -> String {
    let said = error.to_string();
    // Where a form is kept from errors, it still says so.
    let said = said.split("<non-verbose/>").next().unwrap_or_default();
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    // A pattern may be as long as a request.
    let said: String = said.chars().take(REASON).collect();
    if said.contains("NoExtension") {
        return "nothing can fit it: its $refs lead in a circle, or what it asks for excludes itself"
            .to_string();
    }
    let costly = ["too many", "Too many", "max is", "fuel", "TooComplex"];
    match costly.iter().any(|words| said.contains(words)) {
        true => format!(
            "it leaves too many ways open; ask for a simpler schema, with fewer patterns and choices ({said})"
        ),
        false => said,
    }
}

/// Two are equal if they were made by one call, whatever came since.
impl PartialEq for Grammar {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.of, &other.of)
    }
}

impl fmt::Debug for Grammar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grammar").finish_non_exhaustive()
    }
}
