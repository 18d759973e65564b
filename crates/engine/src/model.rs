//! A model opened, from a directory or from inside the program: decoder, tokenizer, chat template and fingerprint.

use std::path::{Path, PathBuf};

use super::adapter_files::{self, AdapterMeta, LoadOptions, LoadedAdapter};
use super::chat::ChatTemplate;
use super::decoder::Decoder;
use super::embedded::{self, EmbeddedModel};
use super::kernels::Compute;
use super::lora::Adapter;
use super::model_config::ModelConfig;
use super::tokenizer::Tokenizer;
use super::weights::Weights;
use seald_core::error::{Error, Kind, Result};

/// Everything that is needed to read, write and learn with one base model.
#[derive(Debug)]
pub struct Model {
    /// The decoder, frozen.
    pub decoder: Decoder,
    /// Text to token ids and back.
    pub tokenizer: Tokenizer,
    /// How conversations are written; `None` for a base model without one.
    pub chat: Option<ChatTemplate>,
    /// [`Weights::quick_fingerprint`] of the weights, which adapters record.
    pub fingerprint: String,
    /// The directory, or the name of an embedded model.
    pub path: PathBuf,
}

impl Model {
    /// Opens a Hugging Face model directory, or for the bare name `nano` the embedded model, whatever the current
    /// folder holds (a directory of that name is `./nano`).
    ///
    /// # Errors
    /// [`Kind::NotFound`] for a missing directory or file, [`Kind::Unsupported`] for a model that is not
    /// computed here, [`Kind::Corrupt`] for damaged files; each names the file and the field or tensor.
    pub fn open(path: &Path, compute: &Compute) -> Result<Self> {
        let Parts { config, weights, tokenizer } = Parts::read(path)?;
        let chat = match tokenizer.chat_template() {
            Some(_) => Some(ChatTemplate::from_tokenizer(&tokenizer)?),
            None => None,
        };
        let decoder = Decoder::load(&config, &weights, compute)?;
        let fingerprint = weights.quick_fingerprint();
        Ok(Self { decoder, tokenizer, chat, fingerprint, path: path.to_path_buf() })
    }

    /// The chat template, or an error that says what to do without one.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub fn chat(&self) -> Result<&ChatTemplate> {
        self.chat.as_ref().ok_or_else(|| {
            let text = format!(
                "{} has no chat template: give plain prompts, or an instruct model",
                self.path.display()
            );
            Error::new(Kind::NotFound, text)
        })
    }

    /// Loads an adapter made for this model.
    ///
    /// # Errors
    /// As [`adapter_files::load`]; [`Kind::Conflict`] when it was trained on another base model.
    pub fn load_adapter(&self, dir: &Path) -> Result<LoadedAdapter> {
        let options = LoadOptions { base_fingerprint: Some(&self.fingerprint), allow_other_base: false };
        adapter_files::load(dir, self.decoder.config(), options, &self.decoder.compute().device)
    }

    /// Saves an adapter of this model as the new directory `dir`; returns its content hash.
    ///
    /// # Errors
    /// As [`adapter_files::save`].
    pub fn save_adapter(&self, adapter: &Adapter, dir: &Path) -> Result<String> {
        adapter_files::save(adapter, dir, &self.adapter_meta())
    }

    /// What this model writes beside an adapter's matrices.
    pub fn adapter_meta(&self) -> AdapterMeta {
        AdapterMeta {
            base_model: Some(self.path.display().to_string()),
            base_fingerprint: Some(self.fingerprint.clone()),
            chat_template_hash: self.chat.as_ref().map(ChatTemplate::hash),
        }
    }
}

/// A model's files, read and found to fit together; the weights are mapped, not loaded.
pub(super) struct Parts {
    pub(super) config: ModelConfig,
    pub(super) weights: Weights,
    pub(super) tokenizer: Tokenizer,
}

impl Parts {
    /// As [`Model::open`].
    pub(super) fn read(path: &Path) -> Result<Self> {
        if let Some(embedded) = embedded::find(path) {
            return Self::embedded(embedded);
        }
        if !path.is_dir() {
            let text = format!(
                "{} is not a directory: give the folder that holds config.json, or `{}` for the embedded model",
                path.display(),
                embedded::NANO.name
            );
            return Err(Error::new(Kind::NotFound, text));
        }
        Self::fitting(path, ModelConfig::from_dir(path)?, Weights::open(path)?, || Tokenizer::from_dir(path))
    }

    /// Those inside the program; an error means that it was built with files that do not fit together.
    fn embedded(model: &EmbeddedModel) -> Result<Self> {
        let config = ModelConfig::from_json(model.config, &format!("{}: config.json", model.name))?;
        let weights = Weights::from_static(model.weights)?;
        let tokenizer =
            || Tokenizer::from_bytes(&model.tokenizer).map_err(|e| e.context(format!("in {}", model.name)));
        Self::fitting(Path::new(model.name), config, weights, tokenizer)
    }

    /// The tokenizer is read after the weights are found to fit: their errors say more.
    fn fitting(
        path: &Path,
        config: ModelConfig,
        weights: Weights,
        tokenizer: impl FnOnce() -> Result<Tokenizer>,
    ) -> Result<Self> {
        weights.check(&config)?;
        let tokenizer = tokenizer()?;
        if tokenizer.vocab_size() > config.vocab_size {
            let (tokens, rows) = (tokenizer.vocab_size(), config.vocab_size);
            let text = format!("{}: tokenizer.json has {tokens} tokens, the model {rows}", path.display());
            return Err(Error::new(Kind::Corrupt, text));
        }
        Ok(Self { config, weights, tokenizer })
    }
}
