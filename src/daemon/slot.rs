//! The base model's place in memory: opened when it is needed, shared, and let go when nobody has needed it for a while.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::pipeline::monitor::{ModelFacts, Monitor};
use seald_core::error::Result;
use seald_engine::embedded;
use seald_engine::kernels::Compute;
use seald_learn::Model;

/// How the engine is made; again for each opening, so that its threads go with the model.
pub(super) type MakeCompute = Arc<dyn Fn() -> Result<Compute> + Send + Sync>;

/// The slot.
pub(super) struct ModelSlot {
    name: PathBuf,
    compute: MakeCompute,
    monitor: Arc<Monitor>,
    held: Mutex<Held>,
    /// Told each time that the model was let go.
    pub(super) emptied: Notify,
}

struct Held {
    model: Option<Arc<Model>>,
    used: Instant,
}

impl ModelSlot {
    /// An empty slot.
    pub(super) fn new(name: &Path, compute: MakeCompute, monitor: Arc<Monitor>) -> Self {
        let held = Mutex::new(Held { model: None, used: Instant::now() });
        Self { name: name.to_path_buf(), compute, monitor, held, emptied: Notify::new() }
    }

    /// The model, opened if it is not in memory.
    pub(super) fn get(&self) -> Result<Arc<Model>> {
        let mut held = self.lock();
        held.used = Instant::now();
        if let Some(model) = &held.model {
            return Ok(model.clone());
        }
        let started = Instant::now();
        let model = Arc::new(Model::open(&self.name, &(self.compute)()?)?);
        let config = model.decoder.config();
        let facts =
            ModelFacts { parameters: config.parameter_count(), context: config.max_position_embeddings };
        self.monitor.update(|now| (now.model, now.loaded) = (Some(facts), true));
        let duration_ms = started.elapsed().as_millis() as u64;
        let precision = model.decoder.compute().precision.name();
        tracing::info!(model = %self.name.display(), parameters = facts.parameters, precision, duration_ms, "opened the base model");
        held.model = Some(model.clone());
        Ok(model)
    }

    /// Lets the model go if nobody holds it and it was not asked for since `idle`. How long it may stay otherwise; none
    /// if it is not in memory.
    pub(super) fn let_go_after(&self, idle: Duration) -> Option<Duration> {
        let mut held = self.lock();
        let model = held.model.as_ref()?;
        if Arc::strong_count(model) > 1 {
            held.used = Instant::now();
            return Some(idle);
        }
        let left = idle.saturating_sub(held.used.elapsed());
        if !left.is_zero() {
            return Some(left);
        }
        held.model = None;
        if let Some(embedded) = embedded::find(&self.name) {
            embedded.page_out();
        }
        self.monitor.update(|now| now.loaded = false);
        drop(held);
        self.emptied.notify_one();
        tracing::info!(model = %self.name.display(), "let the base model go: nothing to do");
        None
    }

    /// Passes that the model in memory has made: a sign of life. None if there is no model.
    pub(super) fn passes(&self) -> Option<u64> {
        // Opening holds the lock for long, and is no pass.
        let held = self.held.try_lock().ok()?;
        held.model.as_ref().map(|model| model.decoder.passes())
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // What a panic leaves is an empty slot, or a whole model.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
