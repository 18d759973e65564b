//! Chat templates: messages to the text and the token ids that the model was trained on, as transformers'
//! `apply_chat_template` makes them, and the mask of what training may learn from.
//!
//! What is guaranteed about special tokens: their ids stand only where the template wrote them. Text in a message
//! that looks like one becomes ordinary pieces, and the text between two special tokens (the message together with
//! the template's words around it) is tokenized in one go, so for messages without such text the ids are those of
//! `apply_chat_template(tokenize=True)`. A template that deletes text from the middle of a message could put a special
//! token together from what is left; no known template does.

use std::ops::Range;
use std::sync::Arc;

use chrono::NaiveDateTime;
use minijinja::value::Value;
use minijinja::{Environment, context};
use serde::{Deserialize, Serialize};

use self::program::Program;
use super::special_tokens::{SpecialSpan, unused_char};
use super::tokenizer::{TokenSpan, Tokenizer};
use seald_core::error::{Context, Error, Kind, Result};

mod filters;
mod language;
mod made;
mod program;
mod thinking;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool.
    Tool,
}

impl Role {
    /// The name that templates know.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        }
    }
}

/// One turn of a conversation. Fields that we would not render (`tool_calls`, `name`) are errors when read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said: data, never instructions to the tokenizer or the template.
    pub content: String,
}

impl Message {
    /// A turn of `role` that says `content`.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into() }
    }

    fn to_value(&self) -> Value {
        Value::from_pairs([("role", self.role.as_str()), ("content", self.content.as_str())])
    }
}

/// A compiled chat template.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    env: Environment<'static>,
    program: Arc<Program>,
    source: String,
    /// `bos_token` and the like, for the template.
    named_tokens: Vec<(&'static str, String)>,
}

/// Messages that are safe to render: see `SpecialTokens::guard`.
struct Guarded {
    messages: Vec<Message>,
    guard: char,
}

impl ChatTemplate {
    /// The template of a model directory. Without one, an error that says so.
    pub fn from_tokenizer(tokenizer: &Tokenizer) -> Result<Self> {
        let source = tokenizer.chat_template().ok_or_else(|| {
            let text = "this model has no chat template (no chat_template in tokenizer_config.json, no \
                        chat_template.jinja): use rows with \"text\" or \"prompt\" and \"completion\" instead of \
                        \"messages\", or add the template of its family as chat_template.jinja";
            Error::new(Kind::NotFound, text)
        })?;
        Self::new(source, tokenizer.named_tokens())
    }

    /// Compiles `source`. `named_tokens` are variables such as `("bos_token", "<s>")`.
    pub fn new<'a>(
        source: &str,
        named_tokens: impl IntoIterator<Item = (&'static str, &'a str)>,
    ) -> Result<Self> {
        let program = Arc::new(language::read(source)?);
        let named_tokens = named_tokens.into_iter().map(|(name, token)| (name, token.to_string())).collect();
        Ok(Self { env: language::environment(), program, source: source.to_string(), named_tokens })
    }

    /// Another date and time for the template's `strftime_now` than the one that all models are trained, judged and
    /// asked with (26 July 2024, whatever the day is): to compare with what was rendered elsewhere.
    pub fn with_clock(mut self, now: NaiveDateTime) -> Self {
        language::set_clock(&mut self.env, now);
        self
    }

    /// The template's source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// BLAKE3 of the template's source, in hex: an adapter should be used with the template it was trained with.
    pub fn hash(&self) -> String {
        blake3::hash(self.source.as_bytes()).to_hex().to_string()
    }

    /// The conversation as text; with `add_generation_prompt`, followed by what begins the assistant's answer: the empty
    /// think block too, where the template writes one before answers.
    ///
    /// Thinking is off and the date is fixed, so that the same messages are the same text at all times.
    ///
    /// For people and logs. The text does not tell a special token from text that looks like one: to get ids, use
    /// [`Self::encode_prompt`] or [`Self::encode_training`].
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        let mut text = self.fill(messages, add_generation_prompt)?;
        if add_generation_prompt && thinking::is_named_in(&self.source) {
            let answer = Message::new(Role::Assistant, thinking::ANSWER);
            let answered = [messages, &[answer]].concat();
            // A template may refuse an answer here; then there is none to learn from.
            let answered = self.fill(&answered, false).unwrap_or_default();
            text.push_str(thinking::missing_in_prompt(&text, &answered).unwrap_or_default());
        }
        Ok(text)
    }

    /// What the template itself makes of the messages.
    fn fill(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        let switches = thinking::SWITCHES.into_iter().map(|(name, on)| (name, Value::from(on)));
        let tokens = self.named_tokens.iter().map(|(name, token)| (*name, Value::from(token.as_str())));
        let context = context! {
            messages => messages.iter().map(Message::to_value).collect::<Value>(),
            tools => (),
            documents => (),
            add_generation_prompt,
            ..Value::from_pairs(switches.chain(tokens)),
        };
        self.program
            .render(&self.env, context)
            .doing(Kind::Invalid, || format!("the chat template refuses these {} messages", messages.len()))
    }

    /// The ids of the conversation up to where the assistant begins to answer.
    pub fn encode_prompt(&self, tokenizer: &Tokenizer, messages: &[Message]) -> Result<Vec<u32>> {
        self.encode(tokenizer, messages, true)
    }

    /// The ids of the conversation, with or without the beginning of an answer.
    pub fn encode(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<Vec<u32>> {
        let guarded = self.guard(tokenizer, messages)?;
        let rendered = self.render(&guarded.messages, add_generation_prompt)?;
        let chat = tokenizer.specials().unguard(&rendered, guarded.guard);
        let tokens = tokenizer.encode_spans(&chat.text, &chat.specials, &[])?;
        Ok(tokens.into_iter().map(|t| t.id).collect())
    }

    /// The ids of a conversation and, for each, whether it is to be learned: true for what the assistant says and
    /// the special token that ends its turn (not for the line break that some templates put behind).
    ///
    /// A turn's text begins where the prompt for it ends, so that training sees what generation will: should a token
    /// reach over that border, the text is broken there. An empty think block is the prompt's, never learned.
    ///
    /// Some templates change earlier turns when the conversation goes on (they take the think block out). Then only the
    /// last turn is learned, provided that it is the assistant's; otherwise the conversation is refused. So is one
    /// in which the assistant says nothing.
    pub fn encode_training(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
    ) -> Result<(Vec<u32>, Vec<bool>)> {
        let guarded = self.guard(tokenizer, messages)?;
        let rendered = self.render_answered(&guarded.messages)?;
        let turns = self.learned_turns(&guarded.messages, &rendered)?;
        let chat = tokenizer.specials().unguard(&rendered, guarded.guard);
        let plain_offset =
            |at: usize| at - rendered[..at].matches(guarded.guard).count() * guarded.guard.len_utf8();
        let spans: Vec<Range<usize>> = turns
            .into_iter()
            .map(|turn| {
                end_at_special(&chat.text, plain_offset(turn.start)..plain_offset(turn.end), &chat.specials)
            })
            .collect();
        let mut tokens = tokenizer.encode_spans(&chat.text, &chat.specials, &[])?;
        let breaks = crossed_borders(&tokens, &spans);
        if !breaks.is_empty() {
            tokens = tokenizer.encode_spans(&chat.text, &chat.specials, &breaks)?;
        }
        let learned = |t: &TokenSpan| spans.iter().any(|s| s.contains(&t.range.start));
        let mask: Vec<bool> = tokens.iter().map(learned).collect();
        if !mask.contains(&true) {
            return Err(Error::new(
                Kind::Invalid,
                "the chat template renders nothing for the assistant's turns",
            ));
        }
        Ok((tokens.into_iter().map(|t| t.id).collect(), mask))
    }

    /// The conversation as text. If it ends with the assistant's answer, the empty think block of the answer's prompt
    /// stands there, also where the template writes it into prompts alone.
    fn render_answered(&self, messages: &[Message]) -> Result<String> {
        let rendered = self.render(messages, false)?;
        match messages.split_last() {
            Some((last, before)) if last.role == Role::Assistant && thinking::is_named_in(&self.source) => {
                // A prompt that the template refuses is an error where the turn is looked for.
                let prompt = self.render(before, true).unwrap_or_default();
                Ok(thinking::completed(rendered, &prompt))
            }
            _ => Ok(rendered),
        }
    }

    /// Where in `rendered` the assistant's turns are.
    fn learned_turns(&self, messages: &[Message], rendered: &str) -> Result<Vec<Range<usize>>> {
        let turns: Vec<usize> =
            (0..messages.len()).filter(|&i| messages[i].role == Role::Assistant).collect();
        let Some(&last) = turns.last() else {
            return Err(Error::new(Kind::Invalid, "messages: no turn of the assistant, so nothing to learn"));
        };
        let mut spans = Vec::with_capacity(turns.len());
        for &turn in &turns {
            spans.push(self.turn_span(messages, turn, rendered)?);
        }
        if spans.iter().all(Option::is_some) {
            return Ok(spans.into_iter().flatten().collect());
        }
        let ends_with_it = last + 1 == messages.len();
        match spans.pop().flatten() {
            Some(span) if ends_with_it => Ok(vec![span]),
            _ => {
                let earlier = spans.iter().position(Option::is_none).filter(|_| !ends_with_it);
                let turn = turns[earlier.unwrap_or(spans.len())];
                Err(cannot_tell_apart(turn, &messages[turn].content))
            }
        }
    }

    /// Where `messages[turn]` is in `rendered`: what follows the prompt for it, up to the end of the rendering that
    /// ends with it. `None` if these are not each the beginning of the next.
    fn turn_span(&self, messages: &[Message], turn: usize, rendered: &str) -> Result<Option<Range<usize>>> {
        let doing = |e: Error| e.context(format!("messages[{turn}]"));
        let prompt = self.render(&messages[..turn], true).map_err(doing)?;
        let through = match turn + 1 == messages.len() {
            true => rendered.to_string(),
            false => self.render(&messages[..=turn], false).map_err(doing)?,
        };
        let fits = through.starts_with(&prompt) && rendered.starts_with(&through);
        Ok(fits.then_some(prompt.len()..through.len()))
    }

    fn guard(&self, tokenizer: &Tokenizer, messages: &[Message]) -> Result<Guarded> {
        if messages.is_empty() {
            return Err(Error::new(Kind::Invalid, "messages: the list is empty"));
        }
        let texts = messages.iter().map(|m| m.content.as_str()).chain([self.source.as_str()]);
        let guard = unused_char(texts)?;
        let safe = |m: &Message| Message::new(m.role, tokenizer.specials().guard(&m.content, guard));
        Ok(Guarded { messages: messages.iter().map(safe).collect(), guard })
    }
}

/// Why `content`, what the assistant says in `messages[turn]`, cannot be learned.
fn cannot_tell_apart(turn: usize, content: &str) -> Error {
    let text = match thinking::is_named_in(content) {
        true => format!(
            "messages[{turn}]: the assistant thinks aloud, but models are asked with thinking off: take \
             <think>...</think> out of what it says"
        ),
        false => format!(
            "messages[{turn}]: the chat template renders the turns before and up to this one differently when the \
             conversation goes on, so what the assistant said cannot be told apart; end the conversation with the \
             turn to learn, or use a \"prompt\" and \"completion\" row"
        ),
    };
    Error::new(Kind::Unsupported, text)
}

/// `turn` up to its last special token, if only white space follows; else as it is.
fn end_at_special(text: &str, turn: Range<usize>, specials: &[SpecialSpan]) -> Range<usize> {
    let last = specials.iter().rev().find(|s| turn.start <= s.range.start && s.range.end <= turn.end);
    match last {
        Some(s) if text[s.range.end..turn.end].trim().is_empty() => turn.start..s.range.end,
        _ => turn,
    }
}

/// The borders of `spans` that lie inside of a token.
fn crossed_borders(tokens: &[TokenSpan], spans: &[Range<usize>]) -> Vec<usize> {
    let borders = spans.iter().flat_map(|s| [s.start, s.end]);
    borders
        .filter(|&at| {
            let next = tokens.partition_point(|t| t.range.start < at);
            next > 0 && tokens[next - 1].range.end > at
        })
        .collect()
}
