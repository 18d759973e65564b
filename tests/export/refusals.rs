//! What is refused, most of it before the first byte, and what a reader that goes away stops.

use std::io::{self, Write};

use candle_core::Device;
use seald::export::prepare;
use seald_core::Kind;
use seald_core::domain::export::ExportFormat;

use super::Generation;
use crate::golden_models::Golden;

fn generation() -> Generation {
    let golden = Golden::open("qwen2");
    Generation::of(&golden.adapter(&Device::Cpu), &golden.dir)
}

#[test]
fn an_adapter_of_another_base_leaves_only_as_it_is() {
    let other = Generation { base: Golden::open("qwen2_untied").dir, ..generation() };
    for format in [ExportFormat::Merged, ExportFormat::Gguf] {
        let error = other.try_export(format).err().unwrap();
        assert_eq!(error.kind(), Kind::Conflict, "{format}: {error}");
        assert!(error.to_string().contains("another base model"), "{error}");
    }
    other.export(ExportFormat::Peft);
}

#[test]
fn damage_is_found_before_anything_is_written() {
    for format in ExportFormat::ALL {
        let generation = generation();
        let path = generation.dir().join("adapter_model.safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let error = generation.try_export(*format).err().unwrap();
        assert!(error.kind() == Kind::Corrupt && error.to_string().contains("content_hash"), "{error}");
    }
    let generation = generation();
    std::fs::remove_dir_all(generation.dir()).unwrap();
    let error = generation.try_export(ExportFormat::Peft).err().unwrap();
    assert!(error.kind() == Kind::NotFound && error.to_string().contains("are gone"), "{error}");
}

#[test]
fn a_weight_that_grows_beyond_its_type_is_an_error() {
    let (mut adapter, _) = super::merged::of_nano();
    let matrices = adapter.layers[0].iter_mut().flatten().next().unwrap();
    // Each of them is finite, their product is not.
    matrices.a = (&matrices.a * 1e21).unwrap();
    matrices.b = (&matrices.b * 1e21).unwrap();
    let nano = seald_engine::embedded::NANO;
    let fingerprint = seald_engine::weights::Weights::from_static(nano.weights).unwrap().quick_fingerprint();
    let generation = Generation::new(&adapter, std::path::Path::new("nano"), fingerprint);
    let error = generation.try_export(ExportFormat::Merged).err().unwrap().to_string();
    assert!(error.contains("too large for BF16") && error.contains("export it as peft"), "{error}");
}

/// Takes some bytes, then no more.
struct Leaves(usize);

impl Write for Leaves {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_leaves_ends_it() {
    let generation = generation();
    let archive = prepare("gen-000007", &generation.dir(), ExportFormat::Merged, &generation.base).unwrap();
    let error = archive.write(&mut Leaves(100_000)).unwrap_err();
    assert!(error.kind() == Kind::Io && error.to_string().contains("model.safetensors"), "{error}");
}
