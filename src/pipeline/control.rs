//! What others may ask of the learner: each request goes to its thread and comes back answered.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};

use tokio::sync::{mpsc as stream, oneshot};

use super::model_requests::{AnswerEvent, GenerateRequest, Load, ModelRequest, QueuedRequest, ScoreRequest};
use seald_core::clock::Timestamp;
use seald_core::domain::ids::{DocumentId, GenerationId, JobId};
use seald_core::domain::job::JobKind;
use seald_core::error::{Error, Kind, Result};
use seald_core::protocol::{ReplayView, RollbackView};

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
    /// Change over to another base model: a directory, or `nano`.
    UseModel(String, Reply<()>),
    /// Copy the database to `state/backups`; where the copy lies.
    BackUp(Reply<PathBuf>),
    /// Something else changed: look again.
    Look,
}

/// Where the answer to a request goes.
pub type Reply<T> = oneshot::Sender<Result<T>>;

/// The learner's front desk.
#[derive(Debug, Clone)]
pub struct Control {
    requests: mpsc::Sender<Request>,
    orders: stream::Sender<ModelRequest>,
    load: Arc<Load>,
}

/// The other side of a [`Control`].
#[derive(Debug)]
pub struct ControlReceiver {
    /// Requests, in order.
    pub requests: mpsc::Receiver<Request>,
    /// What the model is asked for, in order.
    pub orders: stream::Receiver<ModelRequest>,
    /// How busy it is with that.
    pub load: Arc<Load>,
}

impl Control {
    /// A front desk where so many requests to the model may wait, 1 or more, and its other side.
    pub fn new(max_waiting: usize) -> (Self, ControlReceiver) {
        let ((to, requests), (order, orders)) = (mpsc::channel(), stream::channel(max_waiting.max(1)));
        let load = Arc::new(Load::default());
        (Self { requests: to, orders: order, load: load.clone() }, ControlReceiver { requests, orders, load })
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

    /// Learns a document again that was rejected, failed, or dropped by a rollback.
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

    /// Changes over to another base model: once it is noted. The daemon then stops what it does and begins again with that one.
    ///
    /// # Errors
    /// From the database.
    pub async fn use_model(&self, model: String) -> Result<()> {
        self.ask_learner(|reply| Request::UseModel(model, reply)).await
    }

    /// Copies the database to `state/backups`, and prunes there as the schedule does; where the copy lies.
    ///
    /// # Errors
    /// [`Kind::Io`] where it cannot be written.
    pub async fn back_up(&self) -> Result<PathBuf> {
        self.ask_learner(Request::BackUp).await
    }

    /// Says that there may be new work.
    pub fn look(&self) {
        // A learner that has gone needs no work.
        let _ = self.requests.send(Request::Look);
    }

    /// Asks the model; the answers come in pieces that end with [`AnswerEvent::Done`] or [`AnswerEvent::Failed`], or without either
    /// where the daemon goes down.
    ///
    /// # Errors
    /// [`Kind::Busy`] where too many wait.
    pub fn ask(&self, asked: GenerateRequest) -> Result<stream::UnboundedReceiver<AnswerEvent>> {
        let (pieces, answers) = stream::unbounded_channel();
        self.order(ModelRequest::Answer(QueuedRequest { asked, pieces }))?;
        Ok(answers)
    }

    /// How probable `answer` is to each of `generations`: sums of ln p, none where files are gone.
    ///
    /// # Errors
    /// As [`Self::ask`]; from the engine.
    pub async fn weigh(
        &self,
        question: String,
        answer: String,
        generations: Vec<GenerationId>,
    ) -> Result<Vec<Option<f64>>> {
        let (reply, found) = oneshot::channel();
        self.order(ModelRequest::Weigh(ScoreRequest { question, answer, generations, reply }))?;
        found.await.unwrap_or_else(|_| Err(going_down()))
    }

    /// How busy the model is with what it is asked.
    pub fn load(&self) -> &Load {
        &self.load
    }

    fn order(&self, order: ModelRequest) -> Result<()> {
        match self.orders.try_send(order) {
            Ok(()) => {
                self.load.waiting.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(stream::error::TrySendError::Full(_)) => {
                self.load.refused.fetch_add(1, Ordering::Relaxed);
                let waiting = self.orders.max_capacity();
                Err(Error::new(Kind::Busy, format!("{waiting} requests wait already: ask again in a moment")))
            }
            Err(stream::error::TrySendError::Closed(_)) => Err(going_down()),
        }
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
