//! The files of generations: whether they are those that were published, and which generation takes the place of one that is broken.

use std::collections::BTreeSet;

use super::root::Root;
use seald_core::domain::generation::Generation;
use seald_core::domain::ids::{DocumentId, GenerationId};
use seald_core::error::{Error, Kind, Result};
use seald_store::Store;

/// Whether the files of a generation are there and as they were published.
///
/// # Errors
/// [`Kind::NotFound`], [`Kind::Corrupt`] where they are not; [`Kind::Io`] where that cannot be told.
pub(super) fn verify(root: &Root, generation: &Generation) -> Result<()> {
    seald_learn::verify_adapter(&root.generation(generation.id), &generation.adapter_hash)
}

/// Refuses to make a generation live whose files are gone or damaged: every answer would fail.
pub(super) fn refuse_unusable(root: &Root, store: &Store, to: GenerationId) -> Result<()> {
    if to == GenerationId::BASE {
        return Ok(());
    }
    let generation = store.generation(to)?;
    let (folder, dir) = (to.folder(), root.generation(to));
    let error = match verify(root, &generation) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    let instead = match nearest_whole(root, store, &generation)? {
        GenerationId::BASE => "base".into(),
        other => other.folder(),
    };
    let text = match error.kind() {
        Kind::NotFound if !dir.is_dir() => format!(
            "the files of {folder} are gone ({}): roll back to another, for instance {instead}; what is live stays",
            dir.display()
        ),
        Kind::NotFound | Kind::Corrupt => format!(
            "{folder} is damaged ({error}): what is live stays. Put a copy of {} in its place, or roll back to another, for instance {instead}",
            dir.display()
        ),
        _ => return Err(error),
    };
    let kind = if dir.is_dir() { Kind::Corrupt } else { error.kind() };
    Err(Error::new(kind, text))
}

/// What takes the place of a broken generation: the nearest whole one that it continues or took the place of; where there is none, of the others that learned nothing but
/// what it learned, the one that learned most; else the base.
pub(super) fn nearest_whole(root: &Root, store: &Store, broken: &Generation) -> Result<GenerationId> {
    let whole = |generation: &Generation| verify(root, generation).is_ok();
    let mut chain = store.chain(broken.id)?;
    let known = learned(&chain);
    chain.retain(|generation| generation.id != broken.id);
    if let Some(ancestor) = chain.iter().rev().find(|generation| whole(generation)) {
        return Ok(ancestor.id);
    }
    let mut others = Vec::new();
    for other in store.generations_here()? {
        let learned = learned(&store.chain(other.id)?);
        // Earlier ones only, so that looking for one that can be used comes to an end.
        if other.id < broken.id && learned.is_subset(&known) && whole(&other) {
            others.push((learned.len(), other.id));
        }
    }
    Ok(others.into_iter().max().map_or(GenerationId::BASE, |(_, id)| id))
}

fn learned(chain: &[Generation]) -> BTreeSet<DocumentId> {
    chain.iter().flat_map(|generation| generation.documents.iter().copied()).collect()
}
