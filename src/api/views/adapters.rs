//! Generations.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use crate::pipeline::Root;
use seald_core::domain::decision::Finding;
use seald_core::domain::generation::Generation;
use seald_core::domain::ids::GenerationId;
use seald_core::domain::lineage::Lineage;
use seald_core::error::Result;
use seald_core::protocol::{AdaptersView, GenerationView};
use seald_store::Store;

/// Files without which a generation cannot answer.
const NEEDED: [&str; 2] = ["adapter_config.json", "adapter_model.safetensors"];

/// Every generation, newest first.
pub(in crate::api) fn adapters(store: &Store, root: &Path) -> Result<AdaptersView> {
    let root = Root::open(root)?;
    let live = store.live()?.map(|generation| generation.id);
    let chain: HashSet<GenerationId> = match live {
        Some(id) => store.chain(id)?.into_iter().map(|generation| generation.id).collect(),
        None => HashSet::new(),
    };
    let mut titles: HashMap<GenerationId, Vec<String>> = HashMap::new();
    for (generation, title) in store.learned_titles()? {
        titles.entry(generation).or_default().push(title);
    }
    let lineages = store.lineages()?;
    let other_base = |generation: &Generation| {
        let stands = |lineage: &&Lineage| lineage.base_fingerprint == generation.base_fingerprint;
        lineages.iter().find(stands).filter(|lineage| lineage.left_at.is_some()).map(|l| l.model.clone())
    };
    let mut generations = Vec::new();
    for generation in store.generations()?.into_iter().rev() {
        let (id, parent, path) = (generation.id, generation.parent, root.generation(generation.id));
        generations.push(GenerationView {
            name: id.folder(),
            origin: generation.origin,
            parent: (parent != GenerationId::BASE).then(|| parent.folder()),
            other_base: other_base(&generation),
            live: live == Some(id),
            in_live_chain: chain.contains(&id),
            created_at: generation.created_at,
            documents: titles.remove(&id).unwrap_or_default(),
            bytes: bytes_of(&path),
            path: path.display().to_string(),
            findings: findings(store, &generation)?,
        });
    }
    Ok(AdaptersView { live: live.map(GenerationId::folder), generations })
}

fn findings(store: &Store, generation: &Generation) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for document in &generation.documents {
        findings.extend(store.decision(*document)?.into_iter().flat_map(|decision| decision.findings));
    }
    Ok(findings)
}

/// Bytes of the files in a generation's folder; none where one that it needs is missing.
fn bytes_of(folder: &Path) -> Option<u64> {
    if NEEDED.iter().any(|name| !folder.join(name).is_file()) {
        return None;
    }
    let files = fs::read_dir(folder).ok()?;
    let sizes = files.filter_map(|file| file.ok()?.metadata().ok()).filter(|found| found.is_file());
    Some(sizes.map(|found| found.len()).sum())
}
