//! Generations' adapters in memory while requests use them.

use std::sync::Arc;

use crate::pipeline::Root;
use seald_core::domain::ids::GenerationId;
use seald_core::error::{Error, Kind, Result};
use seald_engine::decoder::ActiveAdapter;
use seald_learn::{Adapter, Model};
use seald_store::Store;

/// Adapters in memory.
pub(super) struct Generations<'a> {
    root: &'a Root,
    store: &'a Store,
    model: &'a Arc<Model>,
    /// By the numbers that rows know them by.
    loaded: Vec<(GenerationId, Adapter)>,
}

impl<'a> Generations<'a> {
    /// None yet.
    pub(super) fn new(root: &'a Root, store: &'a Store, model: &'a Arc<Model>) -> Self {
        Self { root, store, model, loaded: Vec::new() }
    }

    /// The adapters in the order of their numbers.
    pub(super) fn active(&self) -> Vec<ActiveAdapter<'_>> {
        self.loaded.iter().map(|(_, adapter)| ActiveAdapter::inference(adapter)).collect()
    }

    /// The generation that was asked for, or the live one, and the number of its adapter. `in_use` says whether a row under way needs an adapter.
    pub(super) fn choose(
        &mut self,
        asked: Option<GenerationId>,
        in_use: impl Fn(usize) -> bool,
    ) -> Result<(GenerationId, Option<usize>)> {
        let generation = match asked {
            Some(id) => id,
            None => self.store.live()?.map_or(GenerationId::BASE, |g| g.id),
        };
        Ok((generation, self.adapter(generation, in_use)?))
    }

    /// The number of a generation's adapter, loaded if it is not in memory; in place of one that nobody uses any more.
    fn adapter(&mut self, id: GenerationId, in_use: impl Fn(usize) -> bool) -> Result<Option<usize>> {
        if id == GenerationId::BASE {
            return Ok(None);
        }
        if let Some(number) = self.loaded.iter().position(|(loaded, _)| *loaded == id) {
            return Ok(Some(number));
        }
        // Names one that does not exist before its folder is looked for.
        self.store.generation(id)?;
        let loaded = self.model.load_adapter(&self.root.generation(id)).map_err(|e| match e.kind() {
            Kind::NotFound => {
                Error::new(Kind::NotFound, format!("the files of {} are gone: ask another", id.folder()))
            }
            Kind::Corrupt => {
                let text = format!(
                    "{} is damaged: ask another generation, or make one live with `sealctl rollback`; a restart of seald puts the nearest whole one in its place",
                    id.folder()
                );
                Error::new(Kind::Corrupt, text)
            }
            _ => e,
        })?;
        let free = (0..self.loaded.len()).find(|number| !in_use(*number));
        let number = free.unwrap_or(self.loaded.len());
        match self.loaded.get_mut(number) {
            Some(place) => *place = (id, loaded.adapter),
            None => self.loaded.push((id, loaded.adapter)),
        }
        Ok(Some(number))
    }
}
