//! The files beside a tokenizer: `tokenizer_config.json`, `special_tokens_map.json`, `generation_config.json` and
//! `chat_template.jinja`, as Hugging Face directories have them.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokenizers::AddedToken;

use seald_core::error::{Context, Error, Kind, Result};
use seald_core::files;

/// The contents of the files of one tokenizer; only `tokenizer.json` must be there.
#[derive(Debug, Default, Clone, Copy)]
pub struct TokenizerBytes<'a> {
    /// `tokenizer.json`
    pub tokenizer: &'a [u8],
    /// `tokenizer_config.json`
    pub config: Option<&'a [u8]>,
    /// `special_tokens_map.json`
    pub special_tokens_map: Option<&'a [u8]>,
    /// `generation_config.json`
    pub generation_config: Option<&'a [u8]>,
    /// `chat_template.jinja`; goes before `chat_template` of `tokenizer_config.json`, as in transformers.
    pub chat_template: Option<&'a [u8]>,
}

/// What the model's authors recommend for generation (`generation_config.json`); `None` where they say nothing.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct GenerationDefaults {
    /// Sample instead of taking the likeliest token.
    pub do_sample: Option<bool>,
    /// Divides the logits, 0 or more.
    pub temperature: Option<f64>,
    /// Probability mass that is kept, 0 to 1.
    pub top_p: Option<f64>,
    /// Number of tokens that are kept, 0 for all.
    pub top_k: Option<usize>,
    /// The ids that end a generation.
    pub eos_token_ids: Vec<u32>,
}

/// What the tokenizer needs from the files beside `tokenizer.json`.
#[derive(Debug, Default, Clone)]
pub(super) struct Settings {
    pub(super) bos: Option<String>,
    pub(super) eos: Option<String>,
    pub(super) pad: Option<String>,
    pub(super) unk: Option<String>,
    pub(super) chat_template: Option<String>,
    /// `added_tokens_decoder`: tokens that `tokenizer.json` may lack, by id.
    pub(super) added: Vec<(u32, AddedToken)>,
    pub(super) generation: GenerationDefaults,
}

/// The files of a directory, read into memory.
pub(super) struct DirectoryFiles {
    pub(super) tokenizer: Vec<u8>,
    config: Option<Vec<u8>>,
    special_tokens_map: Option<Vec<u8>>,
    generation_config: Option<Vec<u8>>,
    chat_template: Option<Vec<u8>>,
}

impl DirectoryFiles {
    pub(super) fn read(dir: &Path) -> Result<Self> {
        let path = dir.join("tokenizer.json");
        let tokenizer = read_optional(&path)?.ok_or_else(|| {
            let text =
                format!("{}: no such file; a model directory needs its tokenizer.json", path.display());
            Error::new(Kind::NotFound, text)
        })?;
        Ok(Self {
            tokenizer,
            config: read_optional(&dir.join("tokenizer_config.json"))?,
            special_tokens_map: read_optional(&dir.join("special_tokens_map.json"))?,
            generation_config: read_optional(&dir.join("generation_config.json"))?,
            chat_template: read_optional(&dir.join("chat_template.jinja"))?,
        })
    }

    pub(super) fn as_bytes(&self) -> TokenizerBytes<'_> {
        TokenizerBytes {
            tokenizer: &self.tokenizer,
            config: self.config.as_deref(),
            special_tokens_map: self.special_tokens_map.as_deref(),
            generation_config: self.generation_config.as_deref(),
            chat_template: self.chat_template.as_deref(),
        }
    }
}

fn read_optional(path: &Path) -> Result<Option<Vec<u8>>> {
    match files::read_regular(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == Kind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// A token as these files write it: its text, or an object with the text under `content`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "must be a string, or an object with `content`")]
enum TokenText {
    Text(String),
    Object { content: String },
}

impl TokenText {
    fn into_text(self) -> String {
        match self {
            TokenText::Text(content) | TokenText::Object { content } => content,
        }
    }
}

#[derive(Deserialize)]
struct NamedTemplate {
    name: String,
    template: String,
}

/// One template, or several by name.
#[derive(Deserialize)]
#[serde(untagged, expecting = "must be a string, or a list of objects with `name` and `template`")]
enum Templates {
    One(String),
    Many(Vec<NamedTemplate>),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "must be a token id, or a list of them")]
enum EosIds {
    One(u32),
    Many(Vec<u32>),
}

impl Settings {
    pub(super) fn parse(files: &TokenizerBytes<'_>) -> Result<Self> {
        let config = parse_object("tokenizer_config.json", files.config)?;
        let map = parse_object("special_tokens_map.json", files.special_tokens_map)?;
        let token = |field: &str| -> Result<Option<String>> {
            let own = take::<TokenText>("tokenizer_config.json", &config, field)?;
            let text = match own {
                Some(text) => Some(text),
                None => take::<TokenText>("special_tokens_map.json", &map, field)?,
            };
            Ok(text.map(TokenText::into_text))
        };
        Ok(Self {
            bos: token("bos_token")?,
            eos: token("eos_token")?,
            pad: token("pad_token")?,
            unk: token("unk_token")?,
            chat_template: chat_template(&config, files.chat_template)?,
            added: added_tokens(&config)?,
            generation: generation_defaults(files.generation_config)?,
        })
    }
}

fn chat_template(config: &Value, own_file: Option<&[u8]>) -> Result<Option<String>> {
    if let Some(bytes) = own_file {
        let text = std::str::from_utf8(bytes)
            .doing(Kind::Corrupt, || "chat_template.jinja: not valid UTF-8".to_string())?;
        return Ok(Some(text.to_string()));
    }
    match take::<Templates>("tokenizer_config.json", config, "chat_template")? {
        None => Ok(None),
        Some(Templates::One(text)) => Ok(Some(text)),
        Some(Templates::Many(list)) => match list.iter().position(|t| t.name == "default") {
            Some(at) => Ok(list.into_iter().nth(at).map(|t| t.template)),
            None => {
                let names = list.iter().map(|t| t.name.as_str()).collect::<Vec<_>>().join(", ");
                let text = format!(
                    "tokenizer_config.json: chat_template lists [{names}] but none called \"default\"; rename the one to use"
                );
                Err(Error::new(Kind::Invalid, text))
            }
        },
    }
}

fn added_tokens(config: &Value) -> Result<Vec<(u32, AddedToken)>> {
    let Some(Value::Object(entries)) = config.get("added_tokens_decoder") else { return Ok(Vec::new()) };
    let mut tokens = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let place = || format!("tokenizer_config.json: added_tokens_decoder.{key}");
        let id = key.parse().doing(Kind::Corrupt, || format!("{}: the key is not an id", place()))?;
        let token: AddedToken = AddedTokenFile::deserialize(value).doing(Kind::Corrupt, place)?.into();
        tokens.push((id, token));
    }
    tokens.sort_by_key(|(id, _)| *id);
    Ok(tokens)
}

/// An entry of `added_tokens_decoder`; left-out flags are false, as in transformers.
#[derive(Deserialize)]
struct AddedTokenFile {
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    normalized: Option<bool>,
    #[serde(default)]
    special: bool,
}

impl From<AddedTokenFile> for AddedToken {
    fn from(t: AddedTokenFile) -> Self {
        AddedToken::from(t.content, t.special)
            .single_word(t.single_word)
            .lstrip(t.lstrip)
            .rstrip(t.rstrip)
            .normalized(t.normalized.unwrap_or(!t.special))
    }
}

fn generation_defaults(bytes: Option<&[u8]>) -> Result<GenerationDefaults> {
    let file = "generation_config.json";
    let object = parse_object(file, bytes)?;
    let eos_token_ids = match take::<EosIds>(file, &object, "eos_token_id")? {
        None => Vec::new(),
        Some(EosIds::One(id)) => vec![id],
        Some(EosIds::Many(ids)) => ids,
    };
    Ok(GenerationDefaults {
        do_sample: take(file, &object, "do_sample")?,
        temperature: take(file, &object, "temperature")?,
        top_p: take(file, &object, "top_p")?,
        top_k: take(file, &object, "top_k")?,
        eos_token_ids,
    })
}

/// The JSON object in a file; `Null` if there is no file.
fn parse_object(file: &str, bytes: Option<&[u8]>) -> Result<Value> {
    let Some(bytes) = bytes else { return Ok(Value::Null) };
    let value: Value =
        serde_json::from_slice(bytes).doing(Kind::Corrupt, || format!("{file}: not valid JSON"))?;
    match value.is_object() {
        true => Ok(value),
        false => Err(Error::new(Kind::Corrupt, format!("{file}: must be a JSON object"))),
    }
}

/// A field of `object`, `None` if it is missing or null.
fn take<T: DeserializeOwned>(file: &str, object: &Value, field: &str) -> Result<Option<T>> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => T::deserialize(value).map(Some).doing(Kind::Corrupt, || format!("{file}: {field}")),
    }
}
