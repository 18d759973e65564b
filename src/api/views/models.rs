//! The base model in use, those before it, and what a change to another would do.

use std::fs;
use std::path::Path;

use super::super::service::{Reading, Service};
use crate::pipeline::monitor::Now;
use crate::pipeline::{Root, kept_calibration};
use seald_core::domain::ids::GenerationId;
use seald_core::error::{Error, Kind, Result};
use seald_core::protocol::{LineageView, ModelsView, UseModelView};
use seald_store::{BasePlan, Store};

/// The name of the model inside the program.
const EMBEDDED: &str = "nano";

/// The base model, and the names that a question may be put to.
pub(in crate::api) fn models(service: &Service, reading: &mut Reading) -> Result<ModelsView> {
    let Now { model, loaded, .. } = service.monitor.now();
    let store = &reading.store;
    let generations = store.generations_here()?;
    let folders = generations.iter().rev().map(|generation| generation.id.folder());
    let base = store.lineage()?.map(|present| present.base_fingerprint);
    Ok(ModelsView {
        base: service.model.clone(),
        parameters: model.map(|facts| facts.parameters),
        context: model.map(|facts| facts.context),
        loaded,
        names: ["base".to_string(), "live".to_string()].into_iter().chain(folders).collect(),
        lineages: lineages(store)?,
        calibration: base.map(|base| kept_calibration(store, &base)).transpose()?.flatten(),
        fetched: fetched(&Root::open(&service.root)?.models()),
    })
}

fn lineages(store: &Store) -> Result<Vec<LineageView>> {
    let (all, live) = (store.generations()?, store.live()?.map(|generation| generation.id));
    let view = |lineage: seald_core::domain::lineage::Lineage| {
        let left = (lineage.generation != GenerationId::BASE).then_some(lineage.generation);
        let answers = if lineage.left_at.is_none() { live } else { left };
        LineageView {
            generations: all.iter().filter(|g| g.base_fingerprint == lineage.base_fingerprint).count(),
            model: lineage.model,
            begun_at: lineage.begun_at,
            left_at: lineage.left_at,
            live: answers.map(GenerationId::folder),
        }
    };
    Ok(store.lineages()?.into_iter().map(view).collect())
}

/// Names of the folders that hold a model, sorted.
fn fetched(models: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(models) else { return Vec::new() };
    let named = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        entry.path().join("config.json").is_file().then(|| entry.file_name().into_string().ok())?
    });
    let mut names: Vec<_> = named.filter(|name| !name.ends_with(".part")).collect();
    names.sort();
    names
}

/// Where the model lies that somebody names: an absolute path, a folder in `models` of the root, or the embedded one.
pub(in crate::api) fn place(service: &Service, named: &str) -> Result<String> {
    if named == EMBEDDED || Path::new(named).is_absolute() {
        return Ok(named.to_string());
    }
    let models = Root::open(&service.root)?.models();
    // One folder in that folder, and nothing that climbs.
    let plain = !named.contains(['/', '\\']) && !named.starts_with('.') && !named.is_empty();
    if plain && models.join(named).is_dir() {
        return Ok(models.join(named).display().to_string());
    }
    let text = format!(
        "there is no model {named:?} in {}: give the folder's whole path, a name that `sealctl models` lists, or {EMBEDDED}",
        models.display()
    );
    Err(Error::new(Kind::NotFound, text))
}

/// What a change to the model that lies there would do.
pub(in crate::api) fn change(service: &Service, reading: &mut Reading, model: &str) -> Result<UseModelView> {
    let (model, fingerprint) = (service.inspect)(model)?;
    let BasePlan { live, again, known_again, .. } = reading.store.plan_change(&fingerprint)?;
    let present = reading.store.lineage()?;
    Ok(UseModelView {
        model,
        from: service.model.clone(),
        same: present.is_some_and(|present| present.base_fingerprint == fingerprint),
        live: (live != GenerationId::BASE).then(|| live.folder()),
        learned_again: again.len(),
        known_again: known_again.len(),
    })
}
