//! Answers in OpenAI's terms, out of the pieces in which they come.

use serde_json::{Map, Value};
use tokio::sync::mpsc::UnboundedReceiver;

use super::failure::Refusal;
use crate::pipeline::model_requests::{AnswerEvent, Ending, RequestError, RequestPart, Token};
use seald_core::clock::Timestamp;
use seald_core::domain::ids::GenerationId;
use seald_core::error::{Error, Kind};
use seald_core::protocol::openai::{Choice, Completion, LogProbs, Said, TokenLogProb, Usage};

/// Which of the two forms answers take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Of a chat.
    Chat,
    /// Of a completion.
    Text,
}

impl Form {
    /// A refusal that names the field which is wrong.
    fn refusal(self, refused: RequestError) -> Refusal {
        let RequestError { error, about } = refused;
        let prompt = if self == Form::Chat { "messages" } else { "prompt" };
        let missing = error.kind() == Kind::NotFound;
        let refusal = Refusal::from(error);
        match about {
            Some(RequestPart::Prompt) => refusal.of(prompt),
            Some(RequestPart::Length) => refusal.of(prompt).code("context_length_exceeded"),
            Some(RequestPart::Form) => refusal.of("response_format"),
            Some(RequestPart::Model) if missing => refusal.of("model").code("model_not_found"),
            Some(RequestPart::Model) => refusal.of("model"),
            None => refusal,
        }
    }
}

/// Answers of which the first piece has come.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) form: Form,
    pub(super) log_probs: bool,
    pub(super) usage: Usage,
    pieces: UnboundedReceiver<AnswerEvent>,
    id: String,
    created: i64,
    model: String,
}

/// What is new of one answer.
#[derive(Debug)]
pub(super) struct Delta {
    /// Which.
    pub(super) answer: usize,
    /// More of its text.
    pub(super) text: String,
    /// Its token, if it is part of the answer and log-probabilities are wanted.
    pub(super) token: Option<Token>,
    /// Why it has ended, if so.
    pub(super) finish: Option<&'static str>,
}

/// Waits until the model begins, so that a failure before has its status.
pub(super) async fn begin(
    mut pieces: UnboundedReceiver<AnswerEvent>,
    form: Form,
    log_probs: bool,
    now: Timestamp,
) -> Result<Reply, Refusal> {
    match pieces.recv().await {
        Some(AnswerEvent::Begun { generation, prompt_tokens }) => {
            let word = if form == Form::Chat { "chatcmpl" } else { "cmpl" };
            let model =
                if generation == GenerationId::BASE { "base".to_string() } else { generation.folder() };
            let usage = Usage { prompt_tokens, completion_tokens: 0, total_tokens: prompt_tokens };
            let (id, created) = (format!("{word}-{:016x}", rand::random::<u64>()), now.0 / 1000);
            Ok(Reply { form, log_probs, usage, pieces, id, created, model })
        }
        Some(AnswerEvent::Failed(refused)) => Err(form.refusal(refused)),
        _ => Err(broken_off().into()),
    }
}

/// Where the daemon goes down meanwhile.
fn broken_off() -> Error {
    Error::new(Kind::Cancelled, "the daemon went down before the answer was whole: ask again once it runs")
}

impl Reply {
    /// What comes next; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Delta>, Refusal> {
        match self.pieces.recv().await {
            Some(AnswerEvent::Token { answer, text, token, ending }) => {
                self.usage.completion_tokens += 1;
                self.usage.total_tokens += 1;
                let token = (self.log_probs && ending != Some(Ending::Stop)).then_some(token);
                let finish = ending.map(|ending| match ending {
                    Ending::Stop | Ending::StopText => "stop",
                    Ending::Length => "length",
                });
                Ok(Some(Delta { answer, text, token, finish }))
            }
            Some(AnswerEvent::Done) => Ok(None),
            Some(AnswerEvent::Failed(refused)) => Err(self.form.refusal(refused)),
            Some(AnswerEvent::Begun { .. }) | None => Err(broken_off().into()),
        }
    }

    /// All of it.
    pub(super) async fn whole(mut self, answers: usize) -> Result<Completion, Refusal> {
        let mut texts = vec![(String::new(), Vec::new(), None); answers];
        while let Some(news) = self.next().await? {
            let Some((text, tokens, finish)) = texts.get_mut(news.answer) else { continue };
            text.push_str(&news.text);
            tokens.extend(news.token);
            *finish = news.finish.or(*finish);
        }
        let choices = texts.into_iter().enumerate().map(|(index, (text, tokens, finish))| Choice {
            index,
            message: (self.form == Form::Chat)
                .then(|| Said { role: Some("assistant".into()), content: Some(text.clone()) }),
            delta: None,
            logprobs: self.log_probs.then(|| log_probs(self.form, &tokens, &mut 0)),
            finish_reason: finish.map(str::to_string),
            text: (self.form == Form::Text).then_some(text),
        });
        let choices = choices.collect();
        Ok(Completion { usage: Some(self.usage), ..self.completion(choices, false) })
    }

    /// The envelope of answers or, with `chunk`, of what is new.
    pub(super) fn completion(&self, choices: Vec<Choice>, chunk: bool) -> Completion {
        let object = match (self.form, chunk) {
            (Form::Chat, false) => "chat.completion",
            (Form::Chat, true) => "chat.completion.chunk",
            (Form::Text, _) => "text_completion",
        };
        let (id, model) = (self.id.clone(), self.model.clone());
        Completion { id, object: object.into(), created: self.created, model, choices, usage: None }
    }
}

/// Log-probabilities of tokens that begin at `offset`, characters, which is moved to their end.
pub(super) fn log_probs(form: Form, tokens: &[Token], offset: &mut usize) -> LogProbs {
    match form {
        Form::Chat => {
            let told = |token: &Token| TokenLogProb {
                top_logprobs: Some(token.top.iter().map(|(bytes, p)| one(bytes, *p)).collect()),
                ..one(&token.bytes, token.log_prob)
            };
            LogProbs::Chat { content: tokens.iter().map(told).collect() }
        }
        Form::Text => {
            let texts: Vec<String> = tokens.iter().map(|token| text(&token.bytes)).collect();
            let begins = |text: &String| {
                let begin = *offset;
                *offset += text.chars().count();
                begin
            };
            LogProbs::Text {
                text_offset: texts.iter().map(begins).collect(),
                tokens: texts,
                token_logprobs: tokens.iter().map(|token| token.log_prob).collect(),
                top_logprobs: tokens.iter().map(|token| by_text(&token.top)).collect(),
            }
        }
    }
}

fn by_text(top: &[(Vec<u8>, f32)]) -> Map<String, Value> {
    let mut map = Map::new();
    for (bytes, log_prob) in top {
        // Of parts of characters, which all read the same, the most probable.
        map.entry(text(bytes)).or_insert_with(|| Value::from(*log_prob));
    }
    map
}

fn one(bytes: &[u8], log_prob: f32) -> TokenLogProb {
    TokenLogProb { token: text(bytes), logprob: log_prob, bytes: bytes.to_vec(), top_logprobs: None }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
