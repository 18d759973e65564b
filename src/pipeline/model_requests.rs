//! Requests to the model: text to continue and how, the pieces in which the answers come, and how busy the model is.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use seald_core::domain::ids::GenerationId;
use seald_core::error::{Error, Result};
pub use seald_learn::{MAX_TEMPERATURE, Message, Role};

/// What is to be continued.
#[derive(Debug, Clone, PartialEq)]
pub enum Prompt {
    /// A question as learning asks it, after earlier questions with their answers.
    Question {
        /// What is asked.
        text: String,
        /// Earlier questions and answers, the oldest first; the oldest go where all do not fit.
        earlier: Vec<(String, String)>,
    },
    /// A conversation, through the model's own template.
    Chat(Vec<Message>),
    /// Text as it stands.
    Text(String),
    /// Token ids.
    Tokens(Vec<u32>),
}

/// What is asked for, with its bounds checked.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateRequest {
    /// What is to be continued, at least one.
    pub prompts: Vec<Prompt>,
    /// Who answers; none for the live model.
    pub generation: Option<GenerationId>,
    /// Answers to each prompt, 1 or more: the answers to the first prompt come first in their numbering.
    pub answers: usize,
    /// Most tokens of each answer; none: as many as the model can take.
    pub max_tokens: Option<usize>,
    /// Temperature, 0 or more; where this and the next two are not given, the model's authors' recommendation, else greedy.
    pub temperature: Option<f64>,
    /// Nucleus, above 0 to 1.
    pub top_p: Option<f64>,
    /// Most probable tokens that are drawn from, 1 or more.
    pub top_k: Option<usize>,
    /// Where the random numbers come from; none: another place each time.
    pub seed: Option<u64>,
    /// Texts that end an answer.
    pub stop: Vec<String>,
    /// Alternatives told with each token, 0 to 20.
    pub top: usize,
    /// The JSON Schema that the answers must fit.
    pub schema: Option<serde_json::Value>,
}

impl GenerateRequest {
    /// One answer to `prompt`, by the live model, as it likes.
    pub fn new(prompt: Prompt) -> Self {
        Self {
            prompts: vec![prompt],
            generation: None,
            answers: 1,
            max_tokens: None,
            temperature: None,
            top_p: None,
            top_k: None,
            seed: None,
            stop: Vec::new(),
            top: 0,
            schema: None,
        }
    }
}

/// A token of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// Its bytes, which need not be whole characters.
    pub bytes: Vec<u8>,
    /// Its natural log-probability under the model itself.
    pub log_prob: f32,
    /// The most probable ones in its place, the most probable first.
    pub top: Vec<(Vec<u8>, f32)>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its last token says so, and is no part of the text.
    Stop,
    /// A text that was asked to end it came, and is no part of the text.
    StopText,
    /// It is as long as was asked for, or as the model can take.
    Length,
}

/// What of a request cannot be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestPart {
    /// A prompt.
    Prompt,
    /// A prompt's length: the model cannot take so much.
    Length,
    /// The form that the answer shall have.
    Form,
    /// Who shall answer.
    Model,
}

/// Why a request is not answered.
#[derive(Debug)]
pub struct RequestError {
    /// The reason.
    pub error: Error,
    /// What of the request is wrong, if that is it.
    pub about: Option<RequestPart>,
}

impl RequestError {
    /// Because of this part of the request.
    pub fn of(about: RequestPart) -> impl FnOnce(Error) -> Self {
        move |error| Self { error, about: Some(about) }
    }
}

impl From<Error> for RequestError {
    fn from(error: Error) -> Self {
        Self { error, about: None }
    }
}

/// A piece of the answers.
#[derive(Debug)]
pub enum AnswerEvent {
    /// The model has what it needs and begins.
    Begun {
        /// Who answers.
        generation: GenerationId,
        /// Tokens of all prompts.
        prompt_tokens: usize,
    },
    /// A token of one answer.
    Token {
        /// Number of the answer, from 0.
        answer: usize,
        /// The text that became certain with it, often more or less than its own.
        text: String,
        /// The token.
        token: Token,
        /// Why it is the last one, if it is.
        ending: Option<Ending>,
    },
    /// All answers have ended.
    Done,
    /// None of them will.
    Failed(RequestError),
}

/// What is asked for and where the pieces go: their number is bounded by the answers' lengths.
#[derive(Debug)]
pub struct QueuedRequest {
    /// What is asked for.
    pub asked: GenerateRequest,
    /// Where the pieces go; closed by a reader that has gone.
    pub pieces: mpsc::UnboundedSender<AnswerEvent>,
}

/// How probable an answer is to each of several generations: what each of them knew.
#[derive(Debug)]
pub struct ScoreRequest {
    /// The question.
    pub question: String,
    /// The answer.
    pub answer: String,
    /// Who is asked.
    pub generations: Vec<GenerationId>,
    /// Where the sums of ln p over the answer's tokens and the end of the turn go; none for a generation whose files are gone, and where the model cannot take question and answer together.
    pub reply: oneshot::Sender<Result<Vec<Option<f64>>>>,
}

/// What the thread that answers is given.
#[derive(Debug)]
pub enum ModelRequest {
    /// Answer.
    Answer(QueuedRequest),
    /// Weigh an answer.
    Weigh(ScoreRequest),
}

/// Most preparations that may run past their deadline before no schema is taken any more.
pub const MAX_STUCK: usize = 3;

/// How busy the thread that answers is, and was.
#[derive(Debug, Default)]
pub struct Load {
    /// Requests that wait for their turn.
    pub waiting: AtomicUsize,
    /// Requests that are being answered.
    pub running: AtomicUsize,
    /// Requests that were answered to their end.
    pub answered: AtomicU64,
    /// Requests that failed, or whose reader went away.
    pub broken_off: AtomicU64,
    /// Requests that were refused because too many waited.
    pub refused: AtomicU64,
    /// Tokens that were written.
    pub tokens: AtomicU64,
    /// Preparations of requests that do not end: they were given up, and their threads cannot be stopped.
    pub stuck: AtomicUsize,
    /// Seconds that a request took lately, on average.
    seconds: Mutex<f64>,
}

impl Load {
    /// Notes that a request was answered in so many seconds.
    pub fn took(&self, seconds: f64) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        let mut mean = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        *mean = if *mean == 0.0 { seconds } else { 0.9 * *mean + 0.1 * seconds };
    }

    /// What is to be said of preparations that do not end, if there are any.
    pub fn stuck_in_words(&self) -> Option<String> {
        let stuck = self.stuck.load(Ordering::Relaxed);
        let refused = if stuck < MAX_STUCK { "" } else { ", and no requests with a schema are taken" };
        (stuck > 0).then(|| {
            format!(
                "{stuck} requests were given up because preparing them does not end{refused}: restart seald, and report it with the log"
            )
        })
    }

    /// Whether the preparation of requests stands still.
    pub fn stands_still(&self) -> bool {
        self.stuck.load(Ordering::Relaxed) >= MAX_STUCK
    }

    /// Seconds after which another try may find room, 1 to 60: what a request took lately.
    pub fn retry_after(&self) -> u64 {
        let mean = *self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        (mean.ceil() as u64).clamp(1, 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_try_is_due_after_what_a_request_takes() {
        let load = Load::default();
        assert_eq!(load.retry_after(), 1);
        load.took(4.2);
        assert_eq!(load.retry_after(), 5);
        (0..200).for_each(|_| load.took(300.0));
        assert_eq!(load.retry_after(), 60);
    }

    #[test]
    fn what_does_not_end_is_said() {
        let load = Load::default();
        assert!(load.stuck_in_words().is_none() && !load.stands_still());
        load.stuck.store(1, Ordering::Relaxed);
        assert!(load.stuck_in_words().unwrap().contains("restart seald") && !load.stands_still());
        load.stuck.store(MAX_STUCK, Ordering::Relaxed);
        assert!(load.stuck_in_words().unwrap().contains("schema") && load.stands_still());
    }
}
