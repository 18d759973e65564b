//! The removal of generations that are too old to keep.

use std::collections::HashSet;
use std::fs;

use crate::pipeline::Root;
use seald_core::domain::ids::GenerationId;
use seald_core::error::Result;
use seald_core::files::io_error;
use seald_store::Store;

/// Removes the folders of generations, but those of the newest `keep`, of the live one, of the `keep` before it in
/// its chain (what one would roll back to), and of what was live on earlier base models. Rows stay: they tell what was. The folders that went.
pub(super) fn prune(root: &Root, store: &Store, keep: usize) -> Result<Vec<GenerationId>> {
    let all = store.generations()?;
    let mut kept: HashSet<GenerationId> = all.iter().rev().take(keep).map(|g| g.id).collect();
    // What answers again when its base model is used again.
    kept.extend(store.lineages()?.iter().map(|lineage| lineage.generation));
    if let Some(live) = store.live()? {
        kept.extend(store.chain(live.id)?.iter().rev().take(keep.max(1)).map(|g| g.id));
    }
    let mut gone = Vec::new();
    for generation in all.iter().filter(|g| !kept.contains(&g.id)) {
        let dir = root.generation(generation.id);
        match fs::remove_dir_all(&dir) {
            Ok(()) => gone.push(generation.id),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(io_error("remove", &dir, e)),
        }
    }
    Ok(gone)
}
