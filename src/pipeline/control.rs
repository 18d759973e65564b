//! What others may ask of the learner: each request goes to its thread and comes back answered.

use std::sync::mpsc;

use tokio::sync::{mpsc as stream, oneshot};

use crate::clock::Timestamp;
use crate::domain::ids::{DocumentId, GenerationId, JobId};
use crate::domain::job::JobKind;
use crate::error::{Error, Kind, Result};
use crate::protocol::{AskEvent, ReplayView, RollbackView};

/// Pieces of an answer that wait for a slow reader before its writing waits too.
const PIECES: usize = 64;
/// Questions that may wait.
const QUESTIONS: usize = 32;

/// A question with its bounds checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// What is asked.
    pub text: String,
    /// Who answers; none for the live model.
    pub generation: Option<GenerationId>,
    /// Most tokens of the answer.
    pub max_tokens: usize,
}

/// A question and where its answer goes.
#[derive(Debug)]
pub struct Asking {
    /// The question.
    pub question: Question,
    /// Where the answer goes; closed by a reader that has gone.
    pub events: stream::Sender<AskEvent>,
}

/// One request to the learner.
#[derive(Debug)]
pub enum Request {
    /// Hold until then, or until resumed.
    Pause(Option<Timestamp>, Reply<()>),
    /// Go on.
    Resume(Reply<()>),
    /// Learn a document again.
    Retry(DocumentId, Reply<()>),
    /// Make another generation, or the base, live.
    Rollback(GenerationId, Reply<RollbackView>),
    /// Ask the whole bank now.
    Replay(Reply<ReplayView>),
    /// Train everything, or the writer, anew.
    Queue(JobKind, Reply<JobId>),
    /// Forget a document; keep earlier generations that contain it, or not.
    Forget(DocumentId, bool, Reply<JobId>),
    /// Something else changed: look again.
    Look,
}

/// Where the answer to a request goes.
pub type Reply<T> = oneshot::Sender<Result<T>>;

/// The learner's front desk.
#[derive(Debug, Clone)]
pub struct Control {
    requests: mpsc::Sender<Request>,
    questions: stream::Sender<Asking>,
}

/// The other side of a [`Control`].
#[derive(Debug)]
pub struct Desk {
    /// Requests, in order.
    pub requests: mpsc::Receiver<Request>,
    /// Questions, in order.
    pub questions: stream::Receiver<Asking>,
}

impl Control {
    /// A front desk and its other side.
    pub fn new() -> (Self, Desk) {
        let ((to, requests), (ask, questions)) = (mpsc::channel(), stream::channel(QUESTIONS));
        (Self { requests: to, questions: ask }, Desk { requests, questions })
    }

    /// Holds learning until then, or until somebody resumes; also over a restart.
    ///
    /// # Errors
    /// From the database; [`Kind::Cancelled`] when the daemon is on its way down (here and below).
    pub async fn pause(&self, until: Option<Timestamp>) -> Result<()> {
        self.ask_learner(|reply| Request::Pause(until, reply)).await
    }

    /// Learns on.
    ///
    /// # Errors
    /// As [`Self::pause`].
    pub async fn resume(&self) -> Result<()> {
        self.ask_learner(Request::Resume).await
    }

    /// Learns a document again that was turned away, failed, or dropped by a rollback.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Conflict`] where it waits already, or the live model knows it.
    pub async fn retry(&self, document: DocumentId) -> Result<()> {
        self.ask_learner(|reply| Request::Retry(document, reply)).await
    }

    /// Makes a generation live, or the base ([`GenerationId::BASE`]). A document under way begins its stage again.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Conflict`] where it is live already; [`Kind::Corrupt`] where its files are damaged.
    pub async fn rollback(&self, to: GenerationId) -> Result<RollbackView> {
        self.ask_learner(|reply| Request::Rollback(to, reply)).await
    }

    /// Asks about everything that was learned, after the document under way.
    ///
    /// # Errors
    /// From the database and the engine.
    pub async fn replay(&self) -> Result<ReplayView> {
        self.ask_learner(Request::Replay).await
    }

    /// Queues a consolidation ([`JobKind::Consolidate`]) or a writer round ([`JobKind::WriterRound`]); the job that does it, also where one
    /// was queued already. It comes to its end as an event of kind `ended`.
    ///
    /// # Errors
    /// From the database.
    pub async fn queue(&self, kind: JobKind) -> Result<JobId> {
        self.ask_learner(|reply| Request::Queue(kind, reply)).await
    }

    /// Queues the job that forgets a document with its earlier versions.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Conflict`] where a newer version took its place.
    pub async fn forget(&self, document: DocumentId, keep_history: bool) -> Result<JobId> {
        self.ask_learner(|reply| Request::Forget(document, keep_history, reply)).await
    }

    /// Says that there may be new work.
    pub fn look(&self) {
        // A learner that has gone needs no work.
        let _ = self.requests.send(Request::Look);
    }

    /// Puts a question; the answer comes in pieces and ends with [`AskEvent::Done`] or [`AskEvent::Failed`].
    ///
    /// # Errors
    /// [`Kind::Conflict`] where too many wait.
    pub fn ask(&self, question: Question) -> Result<stream::Receiver<AskEvent>> {
        let (events, answer) = stream::channel(PIECES);
        let sent = self.questions.try_send(Asking { question, events });
        sent.map_err(|e| match e {
            stream::error::TrySendError::Full(_) => Error::new(
                Kind::Conflict,
                format!("{QUESTIONS} questions wait already: ask again in a moment"),
            ),
            stream::error::TrySendError::Closed(_) => going_down(),
        })?;
        Ok(answer)
    }

    async fn ask_learner<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).map_err(|_| going_down())?;
        answer.await.unwrap_or_else(|_| Err(going_down()))
    }
}

fn going_down() -> Error {
    Error::new(Kind::Cancelled, "the daemon is on its way down: ask again once it runs")
}
