//! Answering questions, on a thread of its own: the model is shared with the learner, which waits between two steps meanwhile.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use tokio::sync::mpsc::Receiver;

use super::hold::Hold;
use super::slot::ModelSlot;
use super::threads::apart;
use crate::domain::ids::GenerationId;
use crate::error::{Error, Kind, Result};
use crate::learn::options::LearnOptions;
use crate::learn::session::Session;
use crate::learn::{Adapter, Model};
use crate::pipeline::Root;
use crate::pipeline::control::{Asking, Question};
use crate::protocol::{AskEvent, AskView, Source};
use crate::store::Store;

/// Documents that an answer is traced to, at most.
const SOURCES: usize = 3;

/// The thread that answers.
pub(super) struct Answers {
    pub(super) root: Root,
    pub(super) store: Store,
    pub(super) slot: Arc<ModelSlot>,
    pub(super) hold: Arc<Hold>,
    /// The adapter that answered last, with the model that it was loaded for.
    pub(super) loaded: Option<(GenerationId, Arc<Model>, Arc<Adapter>)>,
}

impl Answers {
    /// Answers until nobody can ask any more.
    pub(super) fn run(mut self, mut questions: Receiver<Asking>) {
        while let Some(first) = questions.blocking_recv() {
            if self.hold.is_stopping() {
                break;
            }
            apart(|| {
                self.serve(first);
                while let Ok(next) = questions.try_recv() {
                    self.serve(next);
                }
                // The model may go once nobody needs it.
                self.loaded = None;
            });
        }
    }

    fn serve(&mut self, Asking { question, events }: Asking) {
        let last = match self.answer(&question, &|text| {
            let text = AskEvent::Text { text: text.to_string() };
            // A reader that has gone wants no more.
            if events.blocking_send(text).is_ok() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        }) {
            Ok(view) => AskEvent::Done(view),
            Err(error) => {
                tracing::warn!(%error, "a question could not be answered");
                AskEvent::Failed { error: error.to_string() }
            }
        };
        let _ = events.blocking_send(last);
    }

    fn answer(&mut self, question: &Question, on_text: &dyn Fn(&str) -> ControlFlow<()>) -> Result<AskView> {
        let started = Instant::now();
        let model = self.slot.get()?;
        let generation = match question.generation {
            Some(id) => id,
            None => self.store.live()?.map_or(GenerationId::BASE, |g| g.id),
        };
        let adapter = self.adapter(generation, &model)?;
        let _answering = self.hold.answer();
        let never = AtomicBool::new(false);
        let session = Session::new(&model, LearnOptions::default(), &never)?;
        let told = session.answer(&question.text, question.max_tokens, adapter.as_deref(), &mut |text| {
            if text.is_empty() { ControlFlow::Continue(()) } else { on_text(text) }
        })?;
        let found = match generation {
            GenerationId::BASE => Vec::new(),
            _ => self.store.look_up(&format!("{} {}", question.text, told.text), SOURCES)?,
        };
        let source =
            |d: crate::domain::document::Document| Source { document: d.id, title: d.title, name: d.name };
        Ok(AskView {
            answer: told.text,
            model: if generation == GenerationId::BASE { "base".into() } else { generation.folder() },
            tokens: told.tokens,
            mean_log_prob: told.mean_log_prob,
            sources: found.into_iter().map(source).collect(),
            seconds: started.elapsed().as_secs_f64(),
        })
    }

    fn adapter(&mut self, id: GenerationId, model: &Arc<Model>) -> Result<Option<Arc<Adapter>>> {
        if id == GenerationId::BASE {
            return Ok(None);
        }
        if let Some((loaded, of, adapter)) = &self.loaded
            && *loaded == id
            && Arc::ptr_eq(of, model)
        {
            return Ok(Some(adapter.clone()));
        }
        // Names one that does not exist before its folder is looked for.
        self.store.generation(id)?;
        let dir = self.root.generation(id);
        let loaded = model.load_adapter(&dir).map_err(|e| match e.kind() {
            Kind::NotFound => {
                Error::new(Kind::NotFound, format!("the files of {} are gone: ask another", id.folder()))
            }
            _ => e,
        })?;
        let adapter = Arc::new(loaded.adapter);
        self.loaded = Some((id, model.clone(), adapter.clone()));
        Ok(Some(adapter))
    }
}
