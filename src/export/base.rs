//! The base model as far as exports need it. It is not loaded: its weights are read in place.

use std::path::{Path, PathBuf};

use candle_core::Device;

use super::archive::Entry;
use seald_core::error::Result;
use seald_engine::adapter_files::{self, LoadOptions};
use seald_engine::embedded::{self, EmbeddedModel};
use seald_engine::lora::Adapter;
use seald_engine::model_config::ModelConfig;
use seald_engine::tokenizer::Tokenizer;
use seald_engine::weights::Weights;

/// What a model directory may hold besides its weights: what transformers and llama.cpp's converter read, and what the
/// licence is.
const COMPANIONS: [&str; 14] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
    "chat_template.json",
    "LICENSE",
    "LICENSE.txt",
    "NOTICE",
];

/// A base model, opened.
pub(super) struct Base {
    /// Its directory, or `nano`.
    pub(super) path: PathBuf,
    /// Its shape.
    pub(super) config: ModelConfig,
    /// Its tensors, checked against the shape.
    pub(super) weights: Weights,
    /// Where the embedded one has its files.
    pub(super) embedded: Option<&'static EmbeddedModel>,
}

impl Base {
    /// Opens a model directory, or `nano`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let embedded = embedded::find(path);
        let (config, weights) = match embedded {
            Some(model) => {
                let config = ModelConfig::from_json(model.config, &format!("{}: config.json", model.name))?;
                (config, Weights::from_static(model.weights)?)
            }
            None => (ModelConfig::from_dir(path)?, Weights::open(path)?),
        };
        weights.check(&config)?;
        Ok(Self { path: path.to_path_buf(), config, weights, embedded })
    }

    /// The adapter in `dir`, which must be one of this model.
    pub(super) fn adapter(&self, dir: &Path) -> Result<Adapter> {
        let fingerprint = self.weights.quick_fingerprint();
        let options = LoadOptions { base_fingerprint: Some(&fingerprint), allow_other_base: false };
        Ok(adapter_files::load(dir, &self.config, options, &Device::Cpu)?.adapter)
    }

    /// Every file of the model but the weights.
    pub(super) fn companions(&self) -> Result<Vec<Entry>> {
        if let Some(model) = self.embedded {
            let wanted = model.files().filter(|(name, _)| COMPANIONS.contains(name));
            return Ok(wanted.map(|(name, bytes)| Entry::new(name, bytes.len() as u64, bytes)).collect());
        }
        COMPANIONS.iter().filter_map(|name| Entry::of_file(&self.path, name).transpose()).collect()
    }

    /// Its tokenizer.
    pub(super) fn tokenizer(&self) -> Result<Tokenizer> {
        match self.embedded {
            Some(model) => Tokenizer::from_bytes(&model.tokenizer),
            None => Tokenizer::from_dir(&self.path),
        }
    }
}
