//! `peft`: the adapter's files as they lie on disk.

use std::path::Path;

use super::archive::Entry;
use seald_core::error::Result;

/// The card, and what `engine::adapter_files` wrote.
const FILES: [&str; 4] = ["README.md", "adapter_config.json", "adapter_model.safetensors", "seald.json"];

/// The files that there are.
pub(super) fn entries(dir: &Path) -> Result<Vec<Entry>> {
    FILES.iter().filter_map(|name| Entry::of_file(dir, name).transpose()).collect()
}
