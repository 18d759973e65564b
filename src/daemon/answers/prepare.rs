//! From what is asked for to token ids and options for the engine, on threads of their own: a long conversation or a large schema keeps nobody else waiting, and what
//! breaks there is that request's error.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::super::threads::words;
use super::trial::try_schema;
use crate::pipeline::model_requests::{
    GenerateRequest, ModelRequest, Prompt, QueuedRequest, RequestError, RequestPart, ScoreRequest,
};
use seald_core::error::{Error, Kind, Result};
use seald_engine::generate::GenerateOptions;
use seald_engine::grammar::{Grammar, Vocabulary};
use seald_engine::sampler::Sampling;
use seald_learn::Model;
use seald_learn::answer::{prompt_tokens, question_tokens};
use seald_learn::options::LearnOptions;
use seald_learn::session::Session;

/// Tokens that are kept free for an answer whose length nobody gave.
const ROOM: usize = 64;
/// The least probability mass that top-p may keep: OpenAI's 0 means the most probable token.
const MIN_MASS: f64 = 1e-9;
/// So many times more than fits is refused before it is encoded. A template may leave much of a conversation out: earlier thoughts.
const FAR_TOO_LONG: usize = 4;

/// A request in the engine's terms.
pub(super) struct Prepared {
    /// Token ids of each prompt.
    pub(super) prompts: Vec<Vec<u32>>,
    /// How the answers go on.
    pub(super) options: Arc<GenerateOptions>,
}

/// What of a request is prepared.
pub(super) enum Task {
    /// Text to be continued.
    Answer(GenerateRequest),
    /// A question with an answer, to be weighed.
    Weigh { question: String, answer: String },
}

/// What came of it.
pub(super) enum Done {
    /// Of text to be continued.
    Answer(Result<Prepared, RequestError>),
    /// Of an answer to be weighed: the tokens of question and answer, and the index of the answer's first one.
    Weigh(Result<(Vec<u32>, usize)>),
}

impl Task {
    /// What of `order` is to be prepared. Whoever waits is left out: what does not end must not keep them.
    pub(super) fn of(order: &ModelRequest) -> Self {
        match order {
            ModelRequest::Answer(QueuedRequest { asked, .. }) => Task::Answer(asked.clone()),
            ModelRequest::Weigh(ScoreRequest { question, answer, .. }) => {
                Task::Weigh { question: question.clone(), answer: answer.clone() }
            }
        }
    }

    /// Whether a schema is part of it.
    pub(super) fn has_schema(&self) -> bool {
        matches!(self, Task::Answer(GenerateRequest { schema: Some(_), .. }))
    }

    /// Bytes of the schema that is part of it; 0 where none is.
    pub(super) fn schema_bytes(&self) -> usize {
        match self {
            Task::Answer(GenerateRequest { schema: Some(schema), .. }) => schema.to_string().len(),
            _ => 0,
        }
    }

    /// That it cannot be prepared.
    pub(super) fn failed(&self, error: Error) -> Done {
        match self {
            Task::Answer(GenerateRequest { schema: Some(_), .. }) => {
                Done::Answer(Err(RequestError::of(RequestPart::Form)(error)))
            }
            Task::Answer(_) => Done::Answer(Err(error.into())),
            Task::Weigh { .. } => Done::Weigh(Err(error)),
        }
    }
}

/// What is needed to prepare requests.
pub(super) struct Preparing {
    model: Arc<Model>,
    /// This program, which tries schemas in a child process.
    program: PathBuf,
    vocabulary: Mutex<Option<Arc<Vocabulary>>>,
}

impl Preparing {
    /// For requests to `model`.
    pub(super) fn new(model: &Arc<Model>, program: &Path) -> Self {
        Self { model: model.clone(), program: program.to_path_buf(), vocabulary: Mutex::new(None) }
    }

    /// Prepares a request, which is broken off where that can be done once `unwanted` is raised.
    pub(super) fn prepare(&self, task: &Task, unwanted: &AtomicBool) -> Done {
        if unwanted.load(Ordering::Relaxed) {
            return task.failed(Error::new(Kind::Cancelled, "nobody waits for the answer"));
        }
        match task {
            Task::Answer(asked) => Done::Answer(guarded(|| self.answer(asked, unwanted))),
            Task::Weigh { question, answer } => {
                Done::Weigh(guarded(|| answered(&self.model, question, answer)))
            }
        }
    }

    fn answer(&self, asked: &GenerateRequest, unwanted: &AtomicBool) -> Result<Prepared, RequestError> {
        let prompts = prompts(&self.model, asked)?;
        let grammar = match &asked.schema {
            None => None,
            Some(schema) => {
                Some(self.grammar(schema, unwanted).map_err(RequestError::of(RequestPart::Form))?)
            }
        };
        Ok(Prepared { prompts, options: Arc::new(options(&self.model, asked, grammar)) })
    }

    fn grammar(&self, schema: &Value, unwanted: &AtomicBool) -> Result<Grammar> {
        try_schema(&self.program, schema, || !unwanted.load(Ordering::Relaxed))?;
        self.vocabulary()?.json(schema)
    }

    /// What its first user prepares for all.
    fn vocabulary(&self) -> Result<Arc<Vocabulary>> {
        let mut held = self.vocabulary.lock().unwrap_or_else(PoisonError::into_inner);
        let vocabulary = match held.take() {
            Some(vocabulary) => vocabulary,
            None => Arc::new(Vocabulary::new(&self.model.tokenizer)?),
        };
        Ok(held.insert(vocabulary).clone())
    }
}

/// What `work` gives; an error in place of a panic.
pub(super) fn guarded<T, E: From<Error>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        tracing::error!(error = words(panic.as_ref()), "a request met a defect of this program");
        let text = "the request met a defect of this program: please report it, with the log";
        Err(Error::new(Kind::Internal, text).into())
    })
}

fn answered(model: &Model, question: &str, answer: &str) -> Result<(Vec<u32>, usize)> {
    let never = AtomicBool::new(false);
    Session::new(model, LearnOptions::default(), &never)?.answered_tokens(question, answer)
}

fn prompts(model: &Model, asked: &GenerateRequest) -> Result<Vec<Vec<u32>>, RequestError> {
    let most = model.decoder.config().max_position_embeddings;
    let mut prompts = Vec::with_capacity(asked.prompts.len());
    for prompt in &asked.prompts {
        let tokens = match beyond(model, prompt, FAR_TOO_LONG * most)
            .map_err(RequestError::of(RequestPart::Prompt))?
        {
            Some(counted) => return Err(too_long(most, &format!("more than {counted}"))),
            None => tokens(model, prompt, asked).map_err(RequestError::of(RequestPart::Prompt))?,
        };
        if tokens.len() >= most {
            return Err(too_long(most, &tokens.len().to_string()));
        }
        prompts.push(tokens);
    }
    Ok(prompts)
}

/// In OpenAI's words, which clients look for.
fn too_long(most: usize, tokens: &str) -> RequestError {
    let text = format!(
        "this model's maximum context length is {most} tokens, and it needs room to answer; this comes to {tokens} tokens: send less"
    );
    RequestError::of(RequestPart::Length)(Error::new(Kind::Invalid, text))
}

/// How many tokens a prompt has at least, if that is already more than fit: counted before anything is rendered and encoded as a whole.
fn beyond(model: &Model, prompt: &Prompt, most: usize) -> Result<Option<usize>> {
    let texts: Vec<&str> = match prompt {
        // Each turn has a token at least. Of a question, earlier turns may be left out.
        Prompt::Chat(messages) if messages.len() > most => return Ok(Some(messages.len())),
        Prompt::Chat(messages) => messages.iter().map(|message| message.content.as_str()).collect(),
        Prompt::Question { text, .. } | Prompt::Text(text) => vec![text],
        Prompt::Tokens(_) => Vec::new(),
    };
    let mut counted = 0;
    for text in texts {
        counted += model.tokenizer.count_up_to(text, most - counted.min(most))?;
        if counted > most {
            return Ok(Some(counted));
        }
    }
    Ok(None)
}

fn tokens(model: &Model, prompt: &Prompt, asked: &GenerateRequest) -> Result<Vec<u32>> {
    match prompt {
        Prompt::Question { text, earlier } => {
            question_tokens(model, text, earlier, asked.max_tokens.unwrap_or(ROOM))
        }
        Prompt::Chat(messages) => {
            // The error says what to do; the model itself is there.
            model.chat().map_err(|e| Error::new(Kind::Invalid, e.to_string()))?;
            prompt_tokens(model, messages)
        }
        Prompt::Text(text) => model.tokenizer.encode_document(text),
        Prompt::Tokens(ids) => Ok(ids.clone()),
    }
}

fn options(model: &Model, asked: &GenerateRequest, grammar: Option<Grammar>) -> GenerateOptions {
    let authors = model.tokenizer.generation_defaults();
    let sampled = authors.do_sample == Some(true);
    let temperature = authors.temperature.filter(|_| sampled).unwrap_or(if sampled { 1.0 } else { 0.0 });
    let sampling = Sampling {
        temperature: asked.temperature.unwrap_or(temperature),
        top_p: asked.top_p.or(authors.top_p.filter(|_| sampled)).map(|p| p.max(MIN_MASS)),
        top_k: asked.top_k.or(authors.top_k.filter(|k| sampled && *k > 0)),
    };
    GenerateOptions {
        max_tokens: asked.max_tokens.unwrap_or(usize::MAX),
        sampling,
        seed: asked.seed.unwrap_or_else(rand::random),
        stop_tokens: model.tokenizer.eos_ids().to_vec(),
        stop_strings: asked.stop.clone(),
        grammar,
        top: asked.top,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_of_what_was_asked() {
        let error = guarded(|| -> Result<()> { panic!("chunk_size must not be zero") }).unwrap_err();
        assert!(error.kind() == Kind::Internal && error.to_string().contains("report it"), "{error}");
        assert!(guarded(|| Ok::<_, Error>(7)).is_ok_and(|seven| seven == 7));
    }
}
