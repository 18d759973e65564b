//! Exports: a generation in a form that other programs load, written as one tar.
//!
//! | file | what it makes |
//! |---|---|
//! | `archive` | the tar, with a manifest of names, sizes and hashes as its last entry |
//! | `base` | the base model as far as exports need it: its shape, its files, its weights in place |
//! | `peft` | the adapter's files as they are |
//! | `merged` | the base model's directory with the adapter added to its weights |
//! | `gguf` | the adapter for llama.cpp |
//! | `ollama` | the same with a Modelfile |

mod archive;
mod base;
mod gguf;
mod merged;
mod ollama;
mod peft;

use std::path::Path;

pub use archive::Archive;
use archive::Entry;
use base::Base;

use seald_core::domain::export::{ExportFormat, ExportManifest};
use seald_core::error::{Error, Kind, Result};
use seald_core::files;
use seald_engine::adapter_files;

/// Prepares the export of the adapter in `dir`, which is called `generation`. `base` is the base model: its directory,
/// or `nano`; `peft` needs none. What can be wrong with either is found here, before anything is written.
///
/// # Errors
/// [`Kind::NotFound`] for missing files; [`Kind::Corrupt`] for damaged ones; [`Kind::Conflict`] for an adapter of
/// another base model; [`Kind::Unsupported`] for one that is not computed here.
pub fn prepare(generation: &str, dir: &Path, format: ExportFormat, base: &Path) -> Result<Archive> {
    if !dir.is_dir() {
        let text = format!("the files of {generation} are gone ({}): export another", dir.display());
        return Err(Error::new(Kind::NotFound, text));
    }
    let written_by = adapter_files::verify(dir)?;
    let base_model = recorded_base(dir)?;
    let entries = match format {
        ExportFormat::Peft => peft::entries(dir)?,
        ExportFormat::Merged => {
            let base = Base::open(base)?;
            let adapter = base.adapter(dir)?;
            merged::entries(base, &adapter)?
        }
        ExportFormat::Gguf => vec![gguf::entry(generation, &Base::open(base)?, dir)?],
        ExportFormat::Ollama => {
            let base = Base::open(base)?;
            let name = base_model.clone().unwrap_or_else(|| base.path.display().to_string());
            let modelfile = ollama::modelfile(generation, &name, &base)?;
            vec![gguf::entry(generation, &base, dir)?, Entry::of_bytes(ollama::MODELFILE, modelfile.into())]
        }
    };
    let base_fingerprint = written_by.and_then(|manifest| manifest.base_fingerprint);
    let files = Vec::new();
    let manifest =
        ExportManifest { generation: generation.into(), format, base_model, base_fingerprint, files };
    Ok(Archive { manifest, entries })
}

/// `base_model_name_or_path` of the adapter.
fn recorded_base(dir: &Path) -> Result<Option<String>> {
    let path = dir.join("adapter_config.json");
    let config: serde_json::Value = serde_json::from_slice(&files::read(&path)?).map_err(|e| {
        let text = format!("{} is not JSON: export another generation", path.display());
        Error::new(Kind::Corrupt, text).with_source(e)
    })?;
    Ok(config["base_model_name_or_path"].as_str().map(str::to_string))
}
