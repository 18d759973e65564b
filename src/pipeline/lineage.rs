//! Which base model is used: what was learned stands on one, and only somebody's word changes it.

use std::path::{Path, PathBuf};

use seald_core::clock::Timestamp;
use seald_core::domain::lineage::Lineage;
use seald_core::error::{Error, Kind, Result};
use seald_learn::{ModelSummary, inspect};
use seald_store::{BaseChanged, NewEvent, Store};

/// What the log says of a change of the base model.
const CHANGED: &str = "base_changed";
/// What it says of one that could not be made.
const REFUSED: &str = "base_refused";

/// The base model to use, and what a person should know about that. Nothing may be running.
///
/// A change that was asked for is made here. Otherwise `configured` is used until something was learned; after that, what it
/// was learned on, wherever the configuration points now.
///
/// # Errors
/// [`Kind::Conflict`] where neither `configured` nor the place where the model lay is what was learned on; from the database.
pub fn choose_base(
    store: &mut Store,
    configured: &Path,
    now: Timestamp,
) -> Result<(PathBuf, Option<String>)> {
    let (model, note) = choose(store, configured, now)?;
    // One that cannot be opened would be noticed with the first document, or the first question.
    let note =
        note.or_else(|| inspect(&model).err().map(|error| format!("the base model cannot be used: {error}")));
    Ok((model, note))
}

fn choose(store: &mut Store, configured: &Path, now: Timestamp) -> Result<(PathBuf, Option<String>)> {
    let mut note = None;
    if let Some(wanted) = store.wanted_model()? {
        // What was used before is noted, too, so that its configuration does not win where nothing was learned yet.
        note_present(store, configured, now)?;
        match change(store, &wanted, now) {
            Ok(()) => {}
            Err(error) => note = Some(refuse(store, &wanted, &error, now)?),
        }
    }
    if !store.generations()?.is_empty() {
        // Databases of earlier versions tell none, although something was learned: then it is that of the configured model.
        note_present(store, configured, now)?;
    }
    let Some(present) = store.lineage()? else {
        // Noted when it is opened.
        return Ok((configured.to_path_buf(), note));
    };
    let lay = PathBuf::from(&present.model);
    if configured == lay {
        return Ok((configured.to_path_buf(), note));
    }
    let found = inspect(configured).map(|found| found.fingerprint);
    let same = found.as_ref().is_ok_and(|found| *found == present.base_fingerprint);
    // Nothing was learned, and nobody asked for another model by name.
    let free = found.is_ok() && store.generations()?.is_empty() && store.lineages()?.len() == 1;
    if same || free {
        return Ok((configured.to_path_buf(), note));
    }
    if !inspect(&lay).is_ok_and(|found| found.fingerprint == present.base_fingerprint) {
        return Err(neither(&present, configured));
    }
    let told = format!(
        "set model = \"{0}\" in the configuration, which names {1}: what is learned here stands on {0}, which is used (to \
         change over: `sealctl models use {1}`)",
        present.model,
        configured.display(),
    );
    Ok((lay, note.or(Some(told))))
}

/// Notes the configured model where none is, if it can be looked at.
fn note_present(store: &mut Store, configured: &Path, now: Timestamp) -> Result<()> {
    if store.lineage()?.is_none()
        && let Ok(found) = inspect(configured)
    {
        store.use_base(&found.fingerprint, &configured.display().to_string(), now)?;
    }
    Ok(())
}

fn change(store: &mut Store, wanted: &str, now: Timestamp) -> Result<()> {
    let ModelSummary { fingerprint, .. } = inspect(Path::new(wanted))?;
    let BaseChanged { to, left, plan } = store.change_base(&fingerprint, wanted, now)?;
    let (live, again, known) = (plan.live, plan.again.len(), plan.known_again.len());
    tracing::info!(model = wanted, live = live.0, again, known, "changed over to another base model");
    let body = serde_json::json!({
        "model": to.model, "left": left.folder(), "live": live.folder(), "learned_again": again, "known_again": known
    });
    store.log(&[NewEvent { at: now, job: None, document: None, kind: CHANGED.into(), body }])
}

/// The model cannot be used: the present one stays.
fn refuse(store: &mut Store, wanted: &str, error: &Error, now: Timestamp) -> Result<String> {
    store.want_model(None)?;
    let words = format!("{wanted} cannot be changed over to: {error}");
    tracing::error!(%error, model = wanted, "the base model is not changed");
    let body = serde_json::json!({ "model": wanted, "why": error.to_string() });
    store.log(&[NewEvent { at: now, job: None, document: None, kind: REFUSED.into(), body }])?;
    Ok(words)
}

fn neither(present: &Lineage, configured: &Path) -> Error {
    let text = format!(
        "what was learned here stands on {}, which is not there any more as it was, and {} is another model: set `model` to \
         where the first lies now, or give another root",
        present.model,
        configured.display()
    );
    Error::new(Kind::Conflict, text)
}
