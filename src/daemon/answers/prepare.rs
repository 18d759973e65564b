//! From what is asked for to token ids and options for the engine, on threads of their own: a long conversation or a large schema keeps nobody else waiting, and what
//! breaks there is that request's error.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, Scope};
use std::time::Duration;

use super::super::threads::words;
use crate::pipeline::asking::{About, Asked, Asking, Order, Prompt, Refused, Weighing};
use seald_core::error::{Context, Error, Kind, Result};
use seald_engine::generate::GenerateOptions;
use seald_engine::grammar::Vocabulary;
use seald_engine::sampler::Sampling;
use seald_learn::Model;
use seald_learn::answer::{prompt_tokens, question_tokens};
use seald_learn::options::LearnOptions;
use seald_learn::session::Session;

/// Tokens that are kept free for an answer whose length nobody gave.
const ROOM: usize = 64;
/// The least probability mass that top-p may keep: OpenAI's 0 means the most probable token.
const LEAST_MASS: f64 = 1e-9;
/// Threads: while one is busy with a request of the largest size, others go on.
const THREADS: usize = 3;
/// Stack of each, bytes; only what is touched takes memory. What a template nests within its bounds is taken apart again there.
const STACK: usize = 256 << 20;
/// So many times more than fits is refused before it is encoded. A template may leave much of a conversation out: earlier thoughts.
const FAR_TOO_LONG: usize = 4;

/// A request in the engine's terms.
pub(super) struct Prepared {
    /// Token ids of each prompt.
    pub(super) prompts: Vec<Vec<u32>>,
    /// How the answers go on.
    pub(super) options: Arc<GenerateOptions>,
}

/// A request, and what came of preparing it.
pub(super) enum Ready {
    /// To be answered.
    Answer(Asking, Result<Prepared, Refused>),
    /// To be weighed: the tokens of question and answer, and the index of the answer's first one.
    Weigh(Weighing, Result<(Vec<u32>, usize)>),
}

/// The threads that prepare.
pub(super) struct Preparers {
    work: Sender<Order>,
    ready: Receiver<Ready>,
    under_way: usize,
}

impl Preparers {
    /// Starts them; they end when this is dropped.
    ///
    /// # Errors
    /// [`Kind::Io`] where the system has no more threads.
    pub(super) fn start<'s>(scope: &'s Scope<'s, '_>, model: &'s Model) -> Result<Self> {
        let (work, asked) = mpsc::channel::<Order>();
        let (tell, ready) = mpsc::channel();
        let shared = Arc::new((Mutex::new(asked), Mutex::new(None)));
        for _ in 0..THREADS {
            let (shared, tell) = (shared.clone(), tell.clone());
            let run = move || {
                let (asked, vocabulary) = &*shared;
                loop {
                    let next = asked.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(order) = next else { break };
                    if tell.send(prepare_order(model, order, vocabulary)).is_err() {
                        break;
                    }
                }
            };
            let thread =
                Builder::new().name("seald-prepare".into()).stack_size(STACK).spawn_scoped(scope, run);
            thread.doing(Kind::Io, || "cannot start a thread that prepares requests".to_string())?;
        }
        Ok(Self { work, ready, under_way: 0 })
    }

    /// Requests that are being prepared.
    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// Has a request prepared.
    pub(super) fn begin(&mut self, order: Order) {
        self.under_way += 1;
        // The threads end after this does.
        let _ = self.work.send(order);
    }

    /// One that is ready, waited for no longer than that.
    pub(super) fn ready(&mut self, patience: Duration) -> Option<Ready> {
        let ready = match self.ready.recv_timeout(patience) {
            Ok(ready) => ready,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
        };
        self.under_way = self.under_way.saturating_sub(1);
        Some(ready)
    }
}

/// What a vocabulary's first user prepares for all.
type Shared = Mutex<Option<Arc<Vocabulary>>>;

fn prepare_order(model: &Model, order: Order, vocabulary: &Shared) -> Ready {
    let gone = || Error::new(Kind::Cancelled, "nobody waits for the answer");
    match order {
        // A reader that has gone wants nothing.
        Order::Answer(asking) if asking.pieces.is_closed() => Ready::Answer(asking, Err(gone().into())),
        Order::Weigh(weighing) if weighing.reply.is_closed() => Ready::Weigh(weighing, Err(gone())),
        Order::Answer(asking) => {
            let prepared = guarded(|| prepare(model, &asking.asked, vocabulary));
            Ready::Answer(asking, prepared)
        }
        Order::Weigh(weighing) => {
            let row = guarded(|| answered(model, &weighing.question, &weighing.answer));
            Ready::Weigh(weighing, row)
        }
    }
}

/// What `work` gives; an error in place of a panic.
fn guarded<T, E: From<Error>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
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

fn prepare(model: &Model, asked: &Asked, vocabulary: &Shared) -> Result<Prepared, Refused> {
    let most = model.decoder.config().max_position_embeddings;
    let mut prompts = Vec::with_capacity(asked.prompts.len());
    for prompt in &asked.prompts {
        let tokens = match beyond(model, prompt, FAR_TOO_LONG * most).map_err(Refused::of(About::Prompt))? {
            Some(counted) => return Err(too_long(most, &format!("more than {counted}"))),
            None => tokens(model, prompt, asked).map_err(Refused::of(About::Prompt))?,
        };
        if tokens.len() >= most {
            return Err(too_long(most, &tokens.len().to_string()));
        }
        prompts.push(tokens);
    }
    let options = Arc::new(options(model, asked, vocabulary).map_err(Refused::of(About::Form))?);
    Ok(Prepared { prompts, options })
}

/// In OpenAI's words, which clients look for.
fn too_long(most: usize, tokens: &str) -> Refused {
    let text = format!(
        "this model's maximum context length is {most} tokens, and it needs room to answer; this comes to {tokens} tokens: send less"
    );
    Refused::of(About::Length)(Error::new(Kind::Invalid, text))
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

fn tokens(model: &Model, prompt: &Prompt, asked: &Asked) -> Result<Vec<u32>> {
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

fn options(model: &Model, asked: &Asked, vocabulary: &Shared) -> Result<GenerateOptions> {
    let authors = model.tokenizer.generation_defaults();
    let sampled = authors.do_sample == Some(true);
    let temperature = authors.temperature.filter(|_| sampled).unwrap_or(if sampled { 1.0 } else { 0.0 });
    let sampling = Sampling {
        temperature: asked.temperature.unwrap_or(temperature),
        top_p: asked.top_p.or(authors.top_p.filter(|_| sampled)).map(|p| p.max(LEAST_MASS)),
        top_k: asked.top_k.or(authors.top_k.filter(|k| sampled && *k > 0)),
    };
    let grammar = match &asked.schema {
        None => None,
        Some(schema) => Some(shared(model, vocabulary)?.json(schema)?),
    };
    Ok(GenerateOptions {
        max_tokens: asked.max_tokens.unwrap_or(usize::MAX),
        sampling,
        seed: asked.seed.unwrap_or_else(rand::random),
        stop_tokens: model.tokenizer.eos_ids().to_vec(),
        stop_strings: asked.stop.clone(),
        grammar,
        top: asked.top,
    })
}

fn shared(model: &Model, vocabulary: &Shared) -> Result<Arc<Vocabulary>> {
    let mut held = vocabulary.lock().unwrap_or_else(PoisonError::into_inner);
    let vocabulary = match held.take() {
        Some(vocabulary) => vocabulary,
        None => Arc::new(Vocabulary::new(&model.tokenizer)?),
    };
    Ok(held.insert(vocabulary).clone())
}
