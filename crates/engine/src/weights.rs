//! A model's tensors: memory-mapped safetensors, one file or several, or bytes built into the program.
//!
//! Opening reads headers only; [`Weights::check`] compares names and shapes with the configuration before
//! anything is loaded. Tensors of other types than f32, f16 and bf16 are refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use memmap2::Mmap;
use rayon::prelude::*;
use safetensors::{Dtype, SafeTensors};

use crate::model_config::ModelConfig;
use seald_core::error::{Error, Kind, Result};
use seald_core::files;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// Every tensor of one model, none of them read yet.
#[derive(Debug)]
pub struct Weights {
    files: Vec<Source>,
    tensors: BTreeMap<String, Entry>,
    /// The directory, or what stands in for it: for errors.
    origin: String,
}

/// One tensor as it lies in the file.
#[derive(Debug, Clone, Copy)]
pub struct RawTensor<'a> {
    /// F32, F16 or BF16.
    pub dtype: DType,
    /// Little-endian values, row-major. Not necessarily aligned.
    pub bytes: &'a [u8],
}

/// One tensor as it is stored, of whatever type: for copying.
#[derive(Debug, Clone, Copy)]
pub struct StoredTensor<'a> {
    /// Type of its values.
    pub dtype: Dtype,
    /// Its shape.
    pub shape: &'a [usize],
    /// Little-endian values, row-major. Not necessarily aligned.
    pub bytes: &'a [u8],
}

#[derive(Debug)]
enum Source {
    Mapped(Mmap),
    Static(&'static [u8]),
}

impl Source {
    fn bytes(&self) -> &[u8] {
        match self {
            Source::Mapped(map) => map,
            Source::Static(bytes) => bytes,
        }
    }
}

#[derive(Debug)]
struct Entry {
    file: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    /// Byte range in the file.
    start: usize,
    end: usize,
}

impl Weights {
    /// Maps `model.safetensors`, or the files that `model.safetensors.index.json` names.
    ///
    /// Errors: [`Kind::NotFound`] for a missing file, naming it; [`Kind::Corrupt`] for a truncated or
    /// damaged one; [`Kind::Unsupported`] where there are only PyTorch pickles.
    pub fn open(dir: &Path) -> Result<Self> {
        let mut weights =
            Self { files: Vec::new(), tensors: BTreeMap::new(), origin: dir.display().to_string() };
        if dir.join(SINGLE).exists() {
            weights.add_file(&dir.join(SINGLE), None)?;
        } else if dir.join(INDEX).exists() {
            for (shard, names) in read_index(&dir.join(INDEX))? {
                weights.add_file(&dir.join(&shard), Some(&names))?;
            }
        } else if dir.join("pytorch_model.bin").exists() || dir.join("pytorch_model.bin.index.json").exists()
        {
            let text = format!(
                "{} has pytorch_model.bin, which seald does not read (a pickle runs code): save the model as \
                 safetensors, `model.save_pretrained(dir, safe_serialization=True)`",
                weights.origin
            );
            return Err(Error::new(Kind::Unsupported, text));
        } else {
            let text =
                format!("{} has neither {SINGLE} nor {INDEX}: is it a model directory?", weights.origin);
            return Err(Error::new(Kind::NotFound, text));
        }
        Ok(weights)
    }

    /// A model built into the program.
    pub fn from_static(bytes: &'static [u8]) -> Result<Self> {
        let origin = "the embedded model".to_string();
        let mut weights = Self { files: Vec::new(), tensors: BTreeMap::new(), origin: origin.clone() };
        weights.add(Source::Static(bytes), &origin, None)?;
        Ok(weights)
    }

    fn add_file(&mut self, path: &Path, wanted: Option<&BTreeSet<String>>) -> Result<()> {
        let file = files::open_regular(path).map_err(|error| match wanted {
            Some(_) => error.context(format!("a part of the model named in {INDEX} (download it again)")),
            None => error,
        })?;
        // SAFETY: the map is read-only and private to this struct. Its bytes may change, or reading it may
        // fault, only if someone truncates or rewrites the file meanwhile; model files are replaced by rename.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| files::io_error("map", path, e))?;
        self.add(Source::Mapped(map), &path.display().to_string(), wanted)
    }

    /// Adds the tensors of one file; with `wanted`, only those the index places there.
    fn add(&mut self, source: Source, origin: &str, wanted: Option<&BTreeSet<String>>) -> Result<()> {
        let bytes = source.bytes();
        let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| {
            let text = format!(
                "{origin} ({} bytes) is truncated or is not a safetensors file: download it again",
                bytes.len()
            );
            Error::new(Kind::Corrupt, text).with_source(e)
        })?;
        let data = header + size_of::<u64>(); // the header's length comes first
        let file = self.files.len();
        let mut missing = wanted.cloned().unwrap_or_default();
        for (name, info) in metadata.tensors() {
            if wanted.is_some() && !missing.remove(&name) {
                tracing::debug!(tensor = name, file = origin, "not in the index, ignored");
                continue;
            }
            let (start, end) = (data + info.data_offsets.0, data + info.data_offsets.1);
            let entry = Entry { file, dtype: info.dtype, shape: info.shape.clone(), start, end };
            self.tensors.insert(name, entry);
        }
        if let Some(name) = missing.first() {
            let text = format!("{origin} lacks {name}, which {INDEX} places there: download both again");
            return Err(Error::new(Kind::Corrupt, text));
        }
        self.files.push(source);
        Ok(())
    }

    /// Bytes of all its tensors as they are stored.
    pub fn byte_count(&self) -> u64 {
        self.tensors.values().map(|entry| (entry.end - entry.start) as u64).sum()
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// A tensor as it is stored, also of a type that the engine does not compute with; none of that name.
    pub fn stored(&self, name: &str) -> Option<StoredTensor<'_>> {
        let entry = self.tensors.get(name)?;
        Some(StoredTensor { dtype: entry.dtype, shape: &entry.shape, bytes: self.bytes(entry) })
    }

    /// The tensor's bytes in place, for a packer that reads them without a second copy.
    ///
    /// Errors: [`Kind::Corrupt`] if it is missing or of another shape, [`Kind::Unsupported`] for its type.
    pub fn view(&self, name: &str, shape: &[usize]) -> Result<RawTensor<'_>> {
        let entry = self.tensors.get(name).ok_or_else(|| self.missing(name))?;
        let dtype = match entry.dtype {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            other => {
                let text = format!(
                    "{}: {name} is {other:?}; supported: F32, F16, BF16 (take the model's unquantised checkpoint)",
                    self.origin
                );
                return Err(Error::new(Kind::Unsupported, text));
            }
        };
        if entry.shape != shape {
            let text = format!(
                "{}: {name} has shape {:?}, but config.json asks for {shape:?}: the two belong to different models",
                self.origin, entry.shape
            );
            return Err(Error::new(Kind::Corrupt, text));
        }
        Ok(RawTensor { dtype, bytes: self.bytes(entry) })
    }

    /// Reads a tensor of `shape` as `dtype` onto `device`. Errors as [`Self::view`].
    pub fn load(&self, name: &str, shape: &[usize], dtype: DType, device: &Device) -> Result<Tensor> {
        let raw = self.view(name, shape)?;
        Ok(Tensor::from_raw_buffer(raw.bytes, raw.dtype, shape, device)?.to_dtype(dtype)?)
    }

    /// Verifies that every tensor `config` asks for is there with its shape and a supported type.
    /// Tensors beyond that (a stored copy of a tied head, rotary tables) are logged, not refused.
    pub fn check(&self, config: &ModelConfig) -> Result<()> {
        let mut expected = BTreeSet::new();
        for (name, shape) in config.weight_shapes() {
            self.view(&name, &shape)?;
            expected.insert(name);
        }
        for name in self.names().filter(|name| !expected.contains(*name)) {
            tracing::debug!(tensor = name, model = self.origin, "not part of this architecture, ignored");
        }
        Ok(())
    }

    /// A hash of every byte of the model, in hex: (name, type, shape, blake3 of the bytes) of all tensors
    /// in the order of their names. The same for one file and for several. Reads everything: seconds for
    /// gigabytes.
    pub fn base_hash(&self) -> String {
        self.hash("seald base v1", |bytes| *blake3::hash(bytes).as_bytes())
    }

    /// As [`Self::base_hash`], but of the first and last 4 KiB of each tensor: milliseconds.
    ///
    /// This is what adapters record as `base_fingerprint`. It must be computed each time an adapter meets a
    /// model, so it has to be cheap; and training touches every matrix, so two models that agree in both
    /// ends of all their tensors are the same model in practice. It is no proof against forgery, nor against
    /// damage in the middle of a file: for that there is [`Self::base_hash`].
    pub fn quick_fingerprint(&self) -> String {
        const END: usize = 4096;
        self.hash("seald quick v1", |bytes| {
            let mut hasher = blake3::Hasher::new();
            hasher.update(&bytes[..bytes.len().min(END)]);
            hasher.update(&bytes[bytes.len().saturating_sub(END)..]);
            *hasher.finalize().as_bytes()
        })
    }

    fn hash(&self, version: &str, digest: impl Fn(&[u8]) -> [u8; 32] + Sync) -> String {
        let entries: Vec<_> = self.tensors.iter().collect();
        let digests: Vec<_> = entries.par_iter().map(|(_, entry)| digest(self.bytes(entry))).collect();
        let mut hasher = blake3::Hasher::new();
        hasher.update(version.as_bytes());
        for ((name, entry), digest) in entries.iter().zip(digests) {
            // Lengths first, so that no two models write the same bytes here.
            let head = format!("{}:{name}:{:?}:{:?}", name.len(), entry.dtype, entry.shape);
            hasher.update(&(head.len() as u64).to_le_bytes()).update(head.as_bytes()).update(&digest);
        }
        hasher.finalize().to_hex().to_string()
    }

    fn bytes(&self, entry: &Entry) -> &[u8] {
        &self.files[entry.file].bytes()[entry.start..entry.end]
    }

    fn missing(&self, name: &str) -> Error {
        let mut text = format!("{}: tensor {name} is missing", self.origin);
        let stem = name.strip_prefix("model.").unwrap_or(name);
        let stored = self.names().find(|stored| *stored == stem || stored.ends_with(&format!(".{stem}")));
        if let Some(stored) = stored {
            text += &format!("; there is {stored}, so the checkpoint uses other names: save it as a plain ");
            text += "Hugging Face causal language model";
            if stored.starts_with("base_model.") {
                text += " (it looks like a PEFT model: merge it first)";
            }
        } else if name == "lm_head.weight" {
            text += "; if the output head is the embedding, set tie_word_embeddings to true in config.json";
        } else {
            text += ": the checkpoint is incomplete or config.json belongs to another model";
        }
        Error::new(Kind::Corrupt, text)
    }
}

/// The files of a sharded model, each with the tensors it holds.
fn read_index(path: &Path) -> Result<BTreeMap<PathBuf, BTreeSet<String>>> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let corrupt =
        |what: &str| Error::new(Kind::Corrupt, format!("{}: {what}; download it again", path.display()));
    let index: Index = serde_json::from_slice(&files::read_regular(path)?)
        .map_err(|e| corrupt("not an index with a weight_map").with_source(e))?;
    let mut shards: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for (tensor, file) in index.weight_map {
        if file.is_empty() || file.contains(['/', '\\']) {
            return Err(corrupt(&format!("weight_map.{tensor} is `{file}`, not a file name")));
        }
        shards.entry(PathBuf::from(file)).or_default().insert(tensor);
    }
    if shards.is_empty() {
        return Err(corrupt("weight_map is empty"));
    }
    Ok(shards)
}
