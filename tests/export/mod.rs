//! Exports: what each form holds, and that it computes what base and adapter compute.

mod gguf;
mod merged;
mod refusals;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use seald::export::prepare;
use seald_core::domain::export::{ExportFormat, ExportManifest, MANIFEST};
use seald_core::error::Result;
use seald_engine::adapter_files::{self, AdapterMeta};
use seald_engine::lora::Adapter;
use seald_engine::weights::Weights;

/// An adapter as a generation lies on disk; gone when dropped.
struct Generation {
    folder: tempfile::TempDir,
    base: PathBuf,
}

impl Generation {
    fn new(adapter: &Adapter, base: &Path, fingerprint: String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let meta = AdapterMeta {
            base_model: Some(base.display().to_string()),
            base_fingerprint: Some(fingerprint),
            chat_template_hash: None,
        };
        adapter_files::save(adapter, &folder.path().join("gen-000007"), &meta).unwrap();
        Self { folder, base: base.to_path_buf() }
    }

    /// Of a model directory.
    fn of(adapter: &Adapter, base: &Path) -> Self {
        Self::new(adapter, base, Weights::open(base).unwrap().quick_fingerprint())
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("gen-000007")
    }

    fn try_export(&self, format: ExportFormat) -> Result<Exported> {
        let mut bytes = Vec::new();
        let told = prepare("gen-000007", &self.dir(), format, &self.base)?.write(&mut bytes)?;
        Ok(Exported::read(&bytes, &told))
    }

    fn export(&self, format: ExportFormat) -> Exported {
        self.try_export(format).unwrap()
    }
}

/// The files of an export by their names, without the manifest, which was found to be true.
struct Exported(BTreeMap<String, Vec<u8>>);

impl Exported {
    fn read(tar: &[u8], told: &ExportManifest) -> Self {
        let mut files = Vec::new();
        for entry in tar::Archive::new(tar).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_str().unwrap().to_string();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            files.push((name, bytes));
        }
        let (last, manifest) = files.pop().unwrap();
        assert_eq!(last, MANIFEST);
        let manifest: ExportManifest = serde_json::from_slice(&manifest).unwrap();
        assert_eq!(&manifest, told);
        assert_eq!(manifest.generation, "gen-000007");
        let listed: Vec<_> = manifest.files.into_iter().map(|f| (f.name, f.bytes, f.blake3)).collect();
        let hash = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
        let found: Vec<_> =
            files.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64, hash(bytes))).collect();
        assert_eq!(listed, found);
        Self(files.into_iter().collect())
    }

    fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// The files as a folder.
    fn folder(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        self.0.iter().for_each(|(name, bytes)| std::fs::write(folder.path().join(name), bytes).unwrap());
        folder
    }
}

#[test]
fn peft_is_the_files_as_they_are() {
    let golden = crate::golden_models::Golden::open("qwen3");
    let generation = Generation::of(&golden.adapter(&candle_core::Device::Cpu), &golden.dir);
    std::fs::write(generation.dir().join("README.md"), "# gen-000007\n").unwrap();
    std::fs::write(generation.dir().join("notes.txt"), "no part of an adapter").unwrap();
    let exported = generation.export(ExportFormat::Peft);
    assert_eq!(
        exported.names(),
        ["README.md", "adapter_config.json", "adapter_model.safetensors", "seald.json"]
    );
    for (name, bytes) in &exported.0 {
        assert!(bytes == &std::fs::read(generation.dir().join(name)).unwrap(), "{name}");
    }
}

#[test]
fn a_modelfile_names_base_adapter_and_ends() {
    let tiny = crate::tiny_model::TinyModel::new();
    let base = tiny.path("model");
    let golden = crate::golden_models::Golden::open("qwen2");
    let generation = Generation::of(&golden.adapter(&candle_core::Device::Cpu), &base);
    let exported = generation.export(ExportFormat::Ollama);
    assert_eq!(exported.names(), ["Modelfile", "adapter.gguf"]);
    assert!(exported.0["adapter.gguf"] == generation.export(ExportFormat::Gguf).0["adapter.gguf"]);
    let text = std::str::from_utf8(&exported.0["Modelfile"]).unwrap();
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let from = format!("FROM {}", base.display());
    let expected = [
        from.as_str(),
        "ADAPTER ./adapter.gguf",
        "PARAMETER stop \"<|endoftext|>\"",
        "PARAMETER stop \"<|im_end|>\"",
    ];
    assert_eq!(lines, expected);
    assert!(text.starts_with("# gen-000007"), "{text}");
}
