//! Answering, on a thread of its own: requests share passes of the model, and training waits between two steps meanwhile.

mod batch;
mod generations;
mod prepare;
mod preparers;
mod trial;
mod weighings;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;

use super::hold::Hold;
use super::slot::ModelSlot;
use super::threads::apart;
use crate::config::AnswersOptions;
use crate::pipeline::Root;
use crate::pipeline::model_requests::{AnswerEvent, Load, ModelRequest};
use seald_core::error::Error;
use seald_learn::Model;
use seald_store::Store;

use batch::Batch;
use generations::Generations;
use prepare::Preparing;
use preparers::{Preparers, Work};
pub use trial::serve as try_schema;

/// Between two looks for further requests while the first ones are prepared.
const LOOK: Duration = Duration::from_millis(2);

/// The thread that answers.
pub(super) struct Answers {
    pub(super) root: Root,
    pub(super) store: Store,
    pub(super) slot: Arc<ModelSlot>,
    pub(super) hold: Arc<Hold>,
    pub(super) load: Arc<Load>,
    pub(super) options: AnswersOptions,
    /// This program: it tries schemas in child processes.
    pub(super) program: PathBuf,
}

impl Answers {
    /// Answers until nobody can ask any more.
    pub(super) fn run(mut self, mut orders: Receiver<ModelRequest>) {
        while let Some(first) = orders.blocking_recv() {
            if self.hold.is_stopping() {
                break;
            }
            apart(|| self.serve(first, &mut orders));
        }
    }

    /// Answers what there is, until nothing is left: the model may go then.
    fn serve(&mut self, first: ModelRequest, orders: &mut Receiver<ModelRequest>) {
        let model = match self.slot.get() {
            Ok(model) => model,
            Err(error) => return self.fail(first, error),
        };
        let _answering = self.hold.answer();
        let preparing = Preparing::new(&model, &self.program);
        let work: Work = Arc::new(move |task, unwanted| preparing.prepare(task, unwanted));
        match Preparers::start(work, self.load.clone()) {
            Ok(preparers) => self.serve_with(&model, preparers, first, orders),
            Err(error) => self.fail(first, error),
        }
    }

    fn serve_with(
        &self,
        model: &Arc<Model>,
        mut preparers: Preparers,
        first: ModelRequest,
        orders: &mut Receiver<ModelRequest>,
    ) {
        let mut batch = Batch::new(model, self.options.max_concurrent, &self.load);
        let mut generations = Generations::new(&self.root, &self.store, model);
        let mut next = Some(first);
        while !self.hold.is_stopping() {
            while let Some(order) = next
                .take()
                .or_else(|| batch.has_room(preparers.under_way()).then(|| orders.try_recv().ok()).flatten())
            {
                self.load.waiting.fetch_sub(1, Ordering::Relaxed);
                if let Some(refused) = preparers.begin(order) {
                    batch.take(refused, &mut generations);
                }
            }
            while let Some(given_up) = preparers.overdue() {
                batch.take(given_up, &mut generations);
            }
            // While there is nothing to compute, what is being prepared is waited for.
            let mut patience =
                if batch.is_empty() && preparers.under_way() > 0 { LOOK } else { Duration::ZERO };
            while let Some(ready) = preparers.ready(patience) {
                batch.take(ready, &mut generations);
                patience = Duration::ZERO;
            }
            match (batch.is_empty(), preparers.under_way()) {
                (false, _) => batch.step(&generations),
                (true, 0) => break,
                (true, _) => {}
            }
        }
    }

    fn fail(&self, order: ModelRequest, error: Error) {
        self.load.waiting.fetch_sub(1, Ordering::Relaxed);
        tracing::warn!(%error, "a request could not be answered");
        self.load.broken_off.fetch_add(1, Ordering::Relaxed);
        match order {
            ModelRequest::Answer(asking) => drop(asking.pieces.send(AnswerEvent::Failed(error.into()))),
            ModelRequest::Weigh(weighing) => drop(weighing.reply.send(Err(error))),
        }
    }
}
