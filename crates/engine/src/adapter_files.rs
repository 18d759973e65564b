//! Adapters on disk: PEFT's layout, so that `peft`, vLLM and llama.cpp's converter accept them, and beside it
//! `seald.json` with what those do not keep.
//!
//! | file | content |
//! |---|---|
//! | `adapter_config.json` | PEFT's `LoraConfig` |
//! | `adapter_model.safetensors` | `base_model.model.<module>.lora_A.weight` (rank, in) and `lora_B` (out, rank), f32 |
//! | `seald.json` | [`Manifest`] |
//!
//! The same adapter gives the same bytes.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use crate::adapter_config;
use crate::lora::{Adapter, LoraMatrices, Target};
use crate::model_config::{ModelConfig, module_name};
use seald_core::error::{Error, Kind, Result};
use seald_core::files::{self, StagedDir};

const CONFIG: &str = "adapter_config.json";
const TENSORS: &str = "adapter_model.safetensors";
const MANIFEST: &str = "seald.json";
const FORMAT_VERSION: u32 = 1;

/// What a caller knows about an adapter besides its matrices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdapterMeta {
    /// Path or name of the base model, for PEFT's `base_model_name_or_path`.
    pub base_model: Option<String>,
    /// [`crate::weights::Weights::quick_fingerprint`] of the base model.
    pub base_fingerprint: Option<String>,
    /// Hash of the chat template it was trained with.
    pub chat_template_hash: Option<String>,
}

/// `seald.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of this file: 1.
    pub format_version: u32,
    /// Which base model it belongs to (a quick fingerprint), where known.
    pub base_fingerprint: Option<String>,
    /// Hash of the chat template it was trained with, where there was one.
    pub chat_template_hash: Option<String>,
    /// blake3 of the other two files, hex.
    pub content_hash: String,
}

/// Which base model an adapter is about to meet.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoadOptions<'a> {
    /// Its quick fingerprint; an adapter that recorded another is refused.
    pub base_fingerprint: Option<&'a str>,
    /// Load it all the same.
    pub allow_other_base: bool,
}

/// An adapter read from disk.
#[derive(Debug, Clone)]
pub struct LoadedAdapter {
    /// Its matrices, f32.
    pub adapter: Adapter,
    /// `seald.json`; none where PEFT saved it.
    pub manifest: Option<Manifest>,
}

/// Saves `adapter` as the directory `dir`, which must not exist yet ([`Kind::Conflict`]); it appears whole or
/// not at all. Returns the content hash.
pub fn save(adapter: &Adapter, dir: &Path, meta: &AdapterMeta) -> Result<String> {
    let name = dir.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
        Error::new(Kind::Invalid, format!("{} does not end in a directory name", dir.display()))
    })?;
    let parent = dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let staged = StagedDir::new(parent, name)?;
    let hash = write(adapter, &staged, meta)?;
    staged.publish()?;
    Ok(hash)
}

/// Writes the adapter's files into a directory being staged, for callers that add files of their own or
/// replace an older adapter. Returns the content hash.
///
/// Errors: [`Kind::Diverged`] if a matrix holds a value that is not finite, [`Kind::Invalid`] without any
/// matrix.
pub fn write(adapter: &Adapter, staged: &StagedDir, meta: &AdapterMeta) -> Result<String> {
    let config = adapter_config::render(&adapter.config, meta.base_model.as_deref())?;
    let tensors = serialize(adapter)?;
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        base_fingerprint: meta.base_fingerprint.clone(),
        chat_template_hash: meta.chat_template_hash.clone(),
        content_hash: content_hash(&config, &tensors),
    };
    let text = serde_json::to_vec_pretty(&manifest)
        .map_err(|e| Error::new(Kind::Internal, format!("cannot write {MANIFEST}")).with_source(e))?;
    staged.write(CONFIG, &config)?;
    staged.write(TENSORS, &tensors)?;
    staged.write(MANIFEST, &text)?;
    Ok(manifest.content_hash)
}

/// blake3 over the length of the configuration, the configuration, the tensors: hex.
fn content_hash(config: &[u8], tensors: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(config.len() as u64).to_le_bytes()).update(config).update(tensors);
    hasher.finalize().to_hex().to_string()
}

/// Names of A and B in the file.
fn tensor_names(module: &str) -> [String; 2] {
    ["lora_A", "lora_B"].map(|part| format!("base_model.model.{module}.{part}.weight"))
}

fn serialize(adapter: &Adapter) -> Result<Vec<u8>> {
    let mut tensors = BTreeMap::new();
    for (layer, projection, LoraMatrices { a, b, scale: _ }) in adapter.matrices() {
        for (name, tensor) in tensor_names(&module_name(layer, projection)).into_iter().zip([a, b]) {
            let values: Vec<f32> = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
            if !values.iter().all(|value| value.is_finite()) {
                let text = format!("{name} holds a value that is not finite: the adapter is not saved");
                return Err(Error::new(Kind::Diverged, text));
            }
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            tensors.insert(name, (tensor.dims().to_vec(), bytes));
        }
    }
    if tensors.is_empty() {
        return Err(Error::new(Kind::Invalid, "the adapter adapts no layer: nothing to save"));
    }
    let internal = |e| Error::new(Kind::Internal, format!("cannot write {TENSORS}")).with_source(e);
    let views = tensors
        .iter()
        .map(|(name, (shape, bytes))| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(internal)?;
    // What PyTorch writes; some readers ask for it.
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    safetensors::serialize(views, Some(metadata)).map_err(internal)
}

/// Compares an adapter's files with its `seald.json`, whatever model they are for; none where PEFT saved it.
///
/// Errors: [`Kind::NotFound`] without the files; [`Kind::Corrupt`] for a wrong content hash.
pub fn verify(dir: &Path) -> Result<Option<Manifest>> {
    let config = files::read(&dir.join(CONFIG))?;
    read_manifest(dir, &content_hash(&config, &files::read(&tensors_path(dir)?)?))
}

/// Whether an adapter's files are those whose content hash was recorded when they were saved.
///
/// Errors: [`Kind::NotFound`] without the files; [`Kind::Corrupt`] where they are others, or `seald.json` is; the words do not say what to do.
pub fn verify_recorded(dir: &Path, recorded: &str) -> Result<()> {
    let config = files::read(&dir.join(CONFIG))?;
    let hash = content_hash(&config, &files::read(&tensors_path(dir)?)?);
    if hash != recorded {
        let text = format!("{TENSORS} or {CONFIG} in {} is not what was saved", dir.display());
        return Err(Error::new(Kind::Corrupt, text));
    }
    read_manifest(dir, &hash).map(drop).map_err(|e| match e.kind() {
        Kind::Corrupt => {
            Error::new(Kind::Corrupt, format!("{MANIFEST} in {} is not what was saved", dir.display()))
        }
        _ => e,
    })
}

/// Reads an adapter that [`save`] or PEFT saved, for a model of this shape.
///
/// Errors: [`Kind::NotFound`] without the files; [`Kind::Corrupt`] for damage, a wrong content hash or
/// tensors that do not fit the model; [`Kind::Unsupported`] for anything but plain LoRA;
/// [`Kind::Conflict`] for an adapter of another base model.
pub fn load(
    dir: &Path,
    model: &ModelConfig,
    options: LoadOptions<'_>,
    device: &Device,
) -> Result<LoadedAdapter> {
    let config_path = dir.join(CONFIG);
    let config_bytes = files::read(&config_path)?;
    let tensors_path = tensors_path(dir)?;
    let bytes = files::read(&tensors_path)?;
    let manifest = read_manifest(dir, &content_hash(&config_bytes, &bytes))?;
    if let Some(manifest) = &manifest {
        check_base(dir, manifest, options)?;
    }
    let origin = config_path.display().to_string();
    let config = adapter_config::parse(&config_bytes, &origin, model)?;
    let targets = config.targets(model).map_err(|e| e.context(&origin))?;
    let stored = SafeTensors::deserialize(&bytes).map_err(|e| {
        let text = format!(
            "{} ({} bytes) is truncated or is not a safetensors file: copy the adapter again",
            tensors_path.display(),
            bytes.len()
        );
        Error::new(Kind::Corrupt, text).with_source(e)
    })?;
    let reader = Reader { path: &tensors_path, stored: &stored, device };
    let mut layers = vec![[const { None }; 7]; model.num_hidden_layers];
    for target in &targets {
        layers[target.layer][target.projection as usize] = Some(reader.matrices(target, model)?);
    }
    reader.refuse_extra(&targets)?;
    Ok(LoadedAdapter { adapter: Adapter { config, layers }, manifest })
}

fn tensors_path(dir: &Path) -> Result<PathBuf> {
    let path = dir.join(TENSORS);
    for other in ["adapter_model.bin", "adapter_model.safetensors.index.json"] {
        if !path.exists() && dir.join(other).exists() {
            let text = format!(
                "{} has {other}, which seald does not read: load it in PEFT and save it again, \
                 `model.save_pretrained(dir, safe_serialization=True)`, as one {TENSORS}",
                dir.display()
            );
            return Err(Error::new(Kind::Unsupported, text));
        }
    }
    Ok(path)
}

fn read_manifest(dir: &Path, content_hash: &str) -> Result<Option<Manifest>> {
    let path = dir.join(MANIFEST);
    let bytes = match files::read(&path) {
        Err(e) if e.kind() == Kind::NotFound => return Ok(None),
        other => other?,
    };
    let corrupt = |what: &str| Error::new(Kind::Corrupt, format!("{}: {what}", path.display()));
    let value: serde_json::Value = serde_json::from_slice(&bytes)
        .map_err(|e| corrupt("not JSON; copy the adapter again").with_source(e))?;
    // Before the other fields: a later version may have others.
    match value["format_version"].as_u64() {
        Some(version) if version == u64::from(FORMAT_VERSION) => {}
        Some(version) => {
            let text = format!(
                "{}: format_version is {version}; supported: {FORMAT_VERSION} (use the seald that wrote it)",
                path.display()
            );
            return Err(Error::new(Kind::Unsupported, text));
        }
        None => return Err(corrupt("format_version is missing; copy the adapter again")),
    }
    let manifest: Manifest = serde_json::from_value(value)
        .map_err(|e| corrupt("not a manifest; copy the adapter again").with_source(e))?;
    if manifest.content_hash != content_hash {
        return Err(corrupt(&format!(
            "content_hash does not fit {TENSORS} and {CONFIG}, which were damaged or changed since they were \
             saved; copy the adapter again; if you changed it yourself, remove {MANIFEST}"
        )));
    }
    Ok(Some(manifest))
}

fn check_base(dir: &Path, manifest: &Manifest, options: LoadOptions<'_>) -> Result<()> {
    match (&manifest.base_fingerprint, options.base_fingerprint) {
        (Some(recorded), Some(given)) if recorded != given && !options.allow_other_base => {
            let text = format!(
                "{} was trained on another base model (fingerprint {recorded:.12}, this one is {given:.12}): load that \
                 model, or train the adapter again",
                dir.display()
            );
            Err(Error::new(Kind::Conflict, text))
        }
        _ => Ok(()),
    }
}

struct Reader<'a> {
    path: &'a Path,
    stored: &'a SafeTensors<'a>,
    device: &'a Device,
}

impl Reader<'_> {
    fn matrices(&self, target: &Target, model: &ModelConfig) -> Result<LoraMatrices> {
        let (out_features, in_features) = model.projection_shape(target.projection);
        let [a, b] = tensor_names(&target.name);
        let a = self.tensor(&a, [target.rank, in_features])?;
        let b = self.tensor(&b, [out_features, target.rank])?;
        Ok(LoraMatrices { a, b, scale: target.scale })
    }

    fn tensor(&self, name: &str, shape: [usize; 2]) -> Result<Tensor> {
        let error = |kind, what: String| Error::new(kind, format!("{}: {name} {what}", self.path.display()));
        let found = self.stored.tensor(name).map_err(|_| {
            let what =
                format!("is missing, though target_modules in {CONFIG} asks for it: copy the adapter again");
            error(Kind::Corrupt, what)
        })?;
        if found.shape() != shape {
            let what = format!(
                "has shape {:?}, but the model and the rank in {CONFIG} ask for {shape:?}: it belongs to another model",
                found.shape()
            );
            return Err(error(Kind::Corrupt, what));
        }
        let dtype = match found.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            other => {
                return Err(error(Kind::Unsupported, format!("is {other:?}; supported: F32, F16, BF16")));
            }
        };
        let tensor =
            Tensor::from_raw_buffer(found.data(), dtype, &shape, &Device::Cpu)?.to_dtype(DType::F32)?;
        let finite = tensor.flatten_all()?.to_vec1::<f32>()?.iter().all(|value| value.is_finite());
        if !finite {
            return Err(error(
                Kind::Corrupt,
                "holds a value that is not finite: train the adapter again".into(),
            ));
        }
        Ok(tensor.to_device(self.device)?)
    }

    /// A tensor we would not use means that we would not compute what was saved.
    fn refuse_extra(&self, targets: &[Target]) -> Result<()> {
        let wanted: std::collections::BTreeSet<String> =
            targets.iter().flat_map(|target| tensor_names(&target.name)).collect();
        let mut extra: Vec<&str> =
            self.stored.names().into_iter().filter(|name| !wanted.contains(*name)).collect();
        extra.sort_unstable();
        let Some(name) = extra.first() else { return Ok(()) };
        let what = if name.contains("magnitude_vector") { " (DoRA)" } else { "" };
        let text = format!(
            "{}: {name}{what} is not a LoRA matrix of a layer that target_modules in {CONFIG} names; supported: \
             plain LoRA on linear layers of this model",
            self.path.display()
        );
        Err(Error::new(Kind::Unsupported, text))
    }
}
