//! Exports: the forms in which a generation leaves for other programs, and the list of what one export holds.

use serde::{Deserialize, Serialize};

use super::words::words;

/// Name of the last file of an export, an [`ExportManifest`] as JSON: without it the export is not whole.
pub const MANIFEST: &str = "export.json";

words! {
    /// How a generation is exported.
    ExportFormat {
        /// The adapter's own files: PEFT, vLLM.
        Peft = "peft",
        /// A whole model directory as on the Hugging Face hub, with the adapter added to the weights.
        Merged = "merged",
        /// The adapter for llama.cpp.
        Gguf = "gguf",
        /// The adapter for Ollama, with a Modelfile.
        Ollama = "ollama",
    }
}

/// What an export holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportManifest {
    /// `gen-000007`.
    pub generation: String,
    /// How it was exported.
    pub format: ExportFormat,
    /// The base model as the adapter records it: a directory, or `nano`.
    pub base_model: Option<String>,
    /// Fingerprint of the base model.
    pub base_fingerprint: Option<String>,
    /// Every file but this one, in the order in which they were sent.
    pub files: Vec<ExportedFile>,
}

/// One file of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportedFile {
    /// Its name, without folders.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// BLAKE3 of its content, hexadecimal.
    pub blake3: String,
}
