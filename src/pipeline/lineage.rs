//! Which base model is used: what was learned stands on one, and only somebody's word changes it.

use std::path::{Path, PathBuf};

use crate::clock::Timestamp;
use crate::domain::lineage::Lineage;
use crate::error::{Error, Kind, Result};
use crate::learn::{ModelSummary, inspect};
use crate::store::{BaseChanged, NewEvent, Store};

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
    let mut note = None;
    if let Some(wanted) = store.wanted_model()? {
        match change(store, &wanted, now) {
            Ok(()) => {}
            Err(error) => note = Some(refuse(store, &wanted, &error, now)?),
        }
    }
    let Some(present) = present(store, configured, now)? else {
        // Noted when it is opened.
        return Ok((configured.to_path_buf(), note));
    };
    let lay = PathBuf::from(&present.model);
    if configured == lay || store.generations()?.is_empty() && note.is_none() && !was_changed(store)? {
        return Ok((configured.to_path_buf(), note));
    }
    let fits = |path: &Path| inspect(path).is_ok_and(|found| found.fingerprint == present.base_fingerprint);
    if fits(configured) {
        // The same model at another place.
        return Ok((configured.to_path_buf(), note));
    }
    if !fits(&lay) {
        return Err(neither(&present, configured));
    }
    let told = format!(
        "the configuration names {}, but what was learned here stands on {}, which is used: to change over, \
         `sealctl models use {}`; to be rid of this, set model = \"{}\"",
        configured.display(),
        present.model,
        configured.display(),
        present.model
    );
    Ok((lay, note.or(Some(told))))
}

/// The present lineage. Databases of earlier versions tell none, although something was learned: then it is that of the configured model.
fn present(store: &mut Store, configured: &Path, now: Timestamp) -> Result<Option<Lineage>> {
    if store.lineage()?.is_none()
        && !store.generations()?.is_empty()
        && let Ok(found) = inspect(configured)
    {
        store.use_base(&found.fingerprint, &configured.display().to_string(), now)?;
    }
    store.lineage()
}

/// Whether the present lineage was asked for by name.
fn was_changed(store: &Store) -> Result<bool> {
    Ok(store.lineages()?.len() > 1)
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
