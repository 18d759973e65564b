//! Data files: one JSON object a line. Every complaint names the file, the line and the field.

use std::path::Path;

use seald_core::error::{Error, Kind, Result};
use seald_core::files;
use seald_engine::chat::Message;
use seald_engine::examples::TrainRow;
use seald_engine::model::Model;
use seald_engine::tokenizer::Tokenizer;
use serde::Deserialize;
use serde_json::{Map, Value};

/// One row of a data file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// `rows.jsonl:3`
    pub(crate) place: String,
    pub(crate) content: Content,
    /// Factor of its loss, 0 or more.
    pub(crate) weight: f32,
}

/// What a row says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// A document.
    Text(String),
    /// What is given and what should follow.
    Completion { prompt: String, completion: String },
    /// A conversation.
    Messages(Vec<Message>),
}

/// Characters of [`Content::beginning`].
const BEGINNING: usize = 48;

impl Content {
    /// The beginning of what is learned or scored, on one line.
    pub(crate) fn beginning(&self) -> String {
        let text = match self {
            Content::Text(text) => text,
            Content::Completion { completion, .. } => completion,
            Content::Messages(messages) => messages.last().map_or("", |m| &m.content),
        };
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match text.char_indices().nth(BEGINNING) {
            Some((at, _)) => format!("{} ...", &text[..at]),
            None => text,
        }
    }
}

/// One row of a prompt file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prompt {
    /// `prompts.jsonl:3`
    pub(crate) place: String,
    pub(crate) content: PromptContent,
}

/// What a prompt says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PromptContent {
    /// Text to be continued as it stands.
    Raw(String),
    /// A conversation to be answered.
    Messages(Vec<Message>),
}

/// Which tokens training learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Loss {
    /// Every token, prompts and questions included
    All,
    /// Completions and what the assistant says
    Completion,
}

/// Reads a data file: `{"text"}`, `{"prompt","completion"}` or `{"messages"}`, each with `"weight"` if wanted.
pub(crate) fn read_rows(path: &Path) -> Result<Vec<Row>> {
    read_objects(path, "rows", |place, object| {
        let mut fields = Fields::new(place, object, "a row");
        let forms: [&[&str]; 3] = [&["text"], &["prompt", "completion"], &["messages"]];
        let content = match fields.form(&forms, &["weight"])? {
            0 => Content::Text(fields.string("text")?),
            1 => Content::Completion {
                prompt: fields.string("prompt")?,
                completion: fields.string("completion")?,
            },
            _ => Content::Messages(fields.messages()?),
        };
        Ok(Row { place: place.to_string(), content, weight: fields.weight()? })
    })
}

/// Reads a prompt file: `{"prompt"}` or `{"messages"}`.
pub(crate) fn read_prompts(path: &Path) -> Result<Vec<Prompt>> {
    read_objects(path, "prompts", |place, object| {
        let mut fields = Fields::new(place, object, "a prompt");
        let content = match fields.form(&[&["prompt"], &["messages"]], &[])? {
            0 => PromptContent::Raw(fields.string("prompt")?),
            _ => PromptContent::Messages(fields.messages()?),
        };
        Ok(Prompt { place: place.to_string(), content })
    })
}

fn read_objects<T>(
    path: &Path,
    what: &str,
    read: impl Fn(&str, Map<String, Value>) -> Result<T>,
) -> Result<Vec<T>> {
    let text = files::read_text(path)?;
    let mut items = Vec::new();
    for (i, line) in text.trim_start_matches('\u{FEFF}').lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let place = format!("{}:{}", path.display(), i + 1);
        let object = parse_object(line).map_err(|why| {
            let text = format!("{place}: not a JSON object ({why}); write one object on each line");
            Error::new(Kind::Invalid, text)
        })?;
        items.push(read(&place, object)?);
    }
    if items.is_empty() {
        return Err(Error::new(Kind::Invalid, format!("{}: the file has no {what}", path.display())));
    }
    Ok(items)
}

fn parse_object(line: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(line) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(format!("it is {}", kind_of(&other))),
        Err(e) => {
            // serde_json counts lines in what it was given, which is one.
            let text = e.to_string();
            let text = text.split(" at line ").next().unwrap_or_default();
            Err(format!("{text}, column {}", e.column()))
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The fields of one object, taken out one after the other.
struct Fields<'a> {
    place: &'a str,
    object: Map<String, Value>,
    /// "a row", for errors.
    noun: &'static str,
}

impl<'a> Fields<'a> {
    fn new(place: &'a str, object: Map<String, Value>, noun: &'static str) -> Self {
        Self { place, object, noun }
    }

    fn error(&self, text: impl AsRef<str>) -> Error {
        Error::new(Kind::Invalid, format!("{}: {}", self.place, text.as_ref()))
    }

    /// Which of `forms` the object has; any field outside that form and `optional` is an error.
    fn form(&self, forms: &[&[&str]], optional: &[&str]) -> Result<usize> {
        let shown: Vec<String> = forms.iter().map(|f| format!("{{{}}}", quoted(f))).collect();
        let mut possible = shown.join(" or ");
        if !optional.is_empty() {
            possible = format!("{possible}, optionally {}", quoted(optional));
        }
        let known = |key: &str| optional.contains(&key) || forms.iter().any(|f| f.contains(&key));
        if let Some(key) = self.object.keys().find(|key| !known(key)) {
            return Err(self.error(format!("unknown field \"{key}\"; {} is {possible}", self.noun)));
        }
        let touched: Vec<usize> =
            (0..forms.len()).filter(|&i| forms[i].iter().any(|f| self.object.contains_key(*f))).collect();
        match touched[..] {
            [form] => match forms[form].iter().find(|f| !self.object.contains_key(**f)) {
                Some(missing) => {
                    Err(self.error(format!("field \"{missing}\" is missing; {} is {possible}", self.noun)))
                }
                None => Ok(form),
            },
            [] => Err(self.error(format!("no field to learn from; {} is {possible}", self.noun))),
            _ => {
                let keys: Vec<&str> =
                    self.object.keys().map(String::as_str).filter(|k| !optional.contains(k)).collect();
                Err(self.error(format!("{} do not go together; {} is {possible}", quoted(&keys), self.noun)))
            }
        }
    }

    fn string(&mut self, name: &str) -> Result<String> {
        match self.object.remove(name) {
            Some(Value::String(text)) => Ok(text),
            other => {
                let found = kind_of(&other.unwrap_or(Value::Null));
                Err(self.error(format!("field \"{name}\" must be a string, it is {found}")))
            }
        }
    }

    fn messages(&mut self) -> Result<Vec<Message>> {
        let list = match self.object.remove("messages") {
            Some(Value::Array(list)) => list,
            other => {
                let found = kind_of(&other.unwrap_or(Value::Null));
                return Err(self.error(format!("field \"messages\" must be a list, it is {found}")));
            }
        };
        if list.is_empty() {
            return Err(self.error("field \"messages\" is an empty list"));
        }
        let read = |(i, value): (usize, &Value)| {
            Message::deserialize(value).map_err(|e| self.error(format!("field \"messages\"[{i}]: {e}")))
        };
        list.iter().enumerate().map(read).collect()
    }

    fn weight(&mut self) -> Result<f32> {
        match self.object.remove("weight") {
            None => Ok(1.0),
            Some(value) => match value.as_f64().map(|w| w as f32) {
                Some(weight) if weight.is_finite() && weight >= 0.0 => Ok(weight),
                _ => {
                    Err(self.error(format!("field \"weight\" must be a number of 0 or more, it is {value}")))
                }
            },
        }
    }
}

/// `"prompt","completion"`
fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(",")
}

/// The token that ends a text or a completion: the tokenizer's `eos_token`, else the first that ends a
/// generation.
pub(crate) fn end_token(tokenizer: &Tokenizer) -> Option<u32> {
    let named = tokenizer.named_tokens().find(|(name, _)| *name == "eos_token");
    named.and_then(|(_, text)| tokenizer.token_id(text)).or_else(|| tokenizer.eos_ids().first().copied())
}

impl Row {
    /// The row as training reads it: with the end token behind a text or a completion. `loss` says which tokens
    /// are learned; by default all of a text, and of the other rows the completion or the assistant's turns.
    pub(crate) fn to_training(&self, model: &Model, loss: Option<Loss>) -> Result<TrainRow> {
        if matches!((&self.content, loss), (Content::Text(_), Some(Loss::Completion))) {
            let text = format!(
                "{}: a \"text\" row has no completion to learn: leave --loss out, or write \"prompt\" and \
                 \"completion\"",
                self.place
            );
            return Err(Error::new(Kind::Invalid, text));
        }
        let mut row = self.encode(model, end_token(&model.tokenizer))?;
        if loss == Some(Loss::All) {
            row.targets.fill(true);
        }
        self.checked(row, model)
    }

    /// The row as it is scored: nothing is added to it, and what counts is the whole text, the completion, or
    /// the assistant's turns.
    pub(crate) fn to_score(&self, model: &Model) -> Result<TrainRow> {
        self.checked(self.encode(model, None)?, model)
    }

    fn checked(&self, row: TrainRow, model: &Model) -> Result<TrainRow> {
        row.check(model.decoder.config().max_position_embeddings).map_err(|e| e.context(&self.place))?;
        Ok(row)
    }

    fn encode(&self, model: &Model, end: Option<u32>) -> Result<TrainRow> {
        let tokenizer = &model.tokenizer;
        let row = match &self.content {
            Content::Text(text) => tokenizer.encode_document(text).map(|mut ids| {
                ids.extend(end);
                TrainRow::whole(ids)
            }),
            Content::Completion { prompt, completion } => tokenizer.encode_document(prompt).and_then(|ids| {
                let mut learned = tokenizer.encode_text(completion)?;
                learned.extend(end);
                Ok(TrainRow::completion(ids, &learned))
            }),
            Content::Messages(messages) => model
                .chat()
                .and_then(|chat| chat.encode_training(tokenizer, messages))
                .map(|(tokens, targets)| TrainRow { tokens, targets, weight: 1.0, ..TrainRow::default() }),
        };
        let row = row.map_err(|e| e.context(&self.place))?;
        Ok(TrainRow { weight: self.weight, ..row })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Result<Vec<Row>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read_rows(file.path())
    }

    #[test]
    fn the_three_forms_are_read_and_empty_lines_skipped() {
        let text = "\u{FEFF}{\"text\":\"a\"}\r\n\n{\"prompt\":\"b\",\"completion\":\"c\",\"weight\":0.5}\n\
                    {\"messages\":[{\"role\":\"assistant\",\"content\":\"d\"}]}";
        let rows = rows(text).unwrap();
        assert_eq!(rows[0].content, Content::Text("a".into()));
        assert_eq!(rows[1].content, Content::Completion { prompt: "b".into(), completion: "c".into() });
        assert!(matches!(&rows[2].content, Content::Messages(m) if m[0].content == "d"));
        assert_eq!(rows.iter().map(|r| r.weight).collect::<Vec<_>>(), [1.0, 0.5, 1.0]);
        assert!(rows[1].place.ends_with(":3") && rows[2].place.ends_with(":4"));
    }

    #[test]
    fn every_wrong_row_is_named_with_its_line_and_field() {
        for (line, words) in [
            (r#"{"text": "a""#, "not a JSON object (EOF while parsing an object, column 12)"),
            (r#"["a"]"#, "it is a list"),
            (r#"{}"#, r#"no field to learn from; a row is {"text"} or"#),
            (r#"{"txt":"a"}"#, r#"unknown field "txt""#),
            (r#"{"text":"a","note":1}"#, r#"unknown field "note""#),
            (r#"{"text":"a","prompt":"b"}"#, r#""text","prompt" do not go together"#),
            (r#"{"prompt":"b"}"#, r#"field "completion" is missing"#),
            (r#"{"text":7}"#, r#"field "text" must be a string, it is a number"#),
            (r#"{"messages":"a"}"#, r#"field "messages" must be a list"#),
            (r#"{"messages":[]}"#, r#""messages" is an empty list"#),
            (r#"{"messages":[{"role":"boss","content":"a"}]}"#, "\"messages\"[0]: unknown variant `boss`"),
            (r#"{"messages":[{"role":"user","content":"a","name":"x"}]}"#, "unknown field `name`"),
            (r#"{"text":"a","weight":-1}"#, r#"field "weight" must be a number of 0 or more, it is -1"#),
            (r#"{"text":"a","weight":"1"}"#, r#"field "weight""#),
        ] {
            let error = rows(&format!("{{\"text\":\"good\"}}\n\n{line}\n")).unwrap_err();
            assert_eq!(error.kind(), Kind::Invalid);
            let text = error.to_string();
            assert!(text.contains(":3: ") && text.contains(words), "{line}: {text}");
        }
        assert!(rows("\n \n").unwrap_err().to_string().contains("no rows"));
    }

    #[test]
    fn prompts_have_two_forms() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "{\"prompt\":\"a\"}\n").unwrap();
        assert_eq!(read_prompts(file.path()).unwrap()[0].content, PromptContent::Raw("a".into()));
        std::fs::write(file.path(), "{\"text\":\"a\"}\n").unwrap();
        let error = read_prompts(file.path()).unwrap_err().to_string();
        assert!(error.contains(r#"unknown field "text"; a prompt is {"prompt"} or {"messages"}"#), "{error}");
    }
}
