//! `gguf`: read back by another reader, name for name and value for value.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::path::Path;

use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::Content;
use candle_core::{Device, Tensor};
use seald::export::prepare;
use seald_core::domain::export::ExportFormat;
use seald_engine::embedded::NANO;
use seald_engine::lora::{Adapter, LoraMatrices, Projection};
use seald_engine::model_config::{Architecture, ModelConfig};
use seald_engine::weights::Weights;

use super::Generation;
use super::merged::{adapter, configs, of_nano};
use crate::golden_models::{Golden, MODELS, flat};

const NAMES: [&str; 7] = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"];

#[test]
fn every_matrix_is_there_with_its_scale() {
    for name in MODELS {
        let golden = Golden::open(name);
        for config in configs() {
            let adapter = adapter(&golden, &config);
            let exported = Generation::of(&adapter, &golden.dir).export(ExportFormat::Gguf);
            assert_eq!(exported.names(), ["adapter.gguf"]);
            check(&exported.0["adapter.gguf"], &adapter, &golden.config, &format!("{name} gen-000007"));
        }
    }
    let (adapter, model) = of_nano();
    let fingerprint = Weights::from_static(NANO.weights).unwrap().quick_fingerprint();
    let exported = Generation::new(&adapter, Path::new("nano"), fingerprint).export(ExportFormat::Ollama);
    check(&exported.0["adapter.gguf"], &adapter, &model, "nano gen-000007");
    let modelfile = std::str::from_utf8(&exported.0["Modelfile"]).unwrap();
    assert!(modelfile.contains("\nFROM ./base.gguf\n") && modelfile.contains("inside seald"), "{modelfile}");
}

fn check(bytes: &[u8], adapter: &Adapter, model: &ModelConfig, name: &str) {
    let mut file = Cursor::new(bytes);
    let content = Content::read(&mut file).unwrap();
    let text = |key: &str| content.metadata[key].to_string().unwrap().as_str();
    let architecture = match model.architecture {
        Architecture::Qwen2 => "qwen2",
        Architecture::Qwen3 => "qwen3",
        Architecture::Llama => "llama",
    };
    assert_eq!(text("general.architecture"), architecture);
    let others = ["general.type", "adapter.type", "general.name"].map(text);
    assert_eq!(others, ["adapter", "lora", name]);
    let alpha = content.metadata["adapter.lora.alpha"].to_f32().unwrap();
    let mut expected = BTreeSet::new();
    for (layer, projection, LoraMatrices { a, b, scale }) in adapter.matrices() {
        let weight = format!("blk.{layer}.{}.weight", NAMES[projection as usize]);
        let mut read = |part: &str| {
            let name = format!("{weight}.{part}");
            assert_eq!(content.tensor_infos[&name].ggml_dtype, GgmlDType::F32);
            let tensor = content.tensor(&mut file, &name, &Device::Cpu).unwrap();
            expected.insert(name);
            tensor.dequantize(&Device::Cpu).unwrap()
        };
        let (lora_a, lora_b) = (read("lora_a"), read("lora_b"));
        assert_eq!((lora_a.dims(), lora_b.dims()), (a.dims(), b.dims()), "{weight}");
        assert_eq!(flat(&lora_a), flat(a), "{weight}");
        // What llama.cpp multiplies with: alpha over the number of columns of B.
        let theirs = alpha / b.dims()[1] as f32;
        let b = permuted(b, projection, model);
        for (found, b) in flat(&lora_b).into_iter().zip(b) {
            let (found, wanted) = (theirs * found, scale * b);
            assert!((found - wanted).abs() <= 3e-7 * wanted.abs(), "{weight}: {found} {wanted}");
        }
    }
    assert_eq!(content.tensor_infos.keys().cloned().collect::<BTreeSet<_>>(), expected);
}

/// B in llama.cpp's order of rows, row by row.
fn permuted(b: &Tensor, projection: Projection, model: &ModelConfig) -> Vec<f32> {
    let rows: Vec<Vec<f32>> = b.to_vec2().unwrap();
    let rotated = matches!(projection, Projection::Q | Projection::K);
    if model.architecture != Architecture::Llama || !rotated {
        return rows.concat();
    }
    let (d, mut moved) = (model.head_dim, vec![Vec::new(); rows.len()]);
    for (row, values) in rows.into_iter().enumerate() {
        let (head, within) = (row / d, row % d);
        let (half, pair) = (within / (d / 2), within % (d / 2));
        moved[head * d + 2 * pair + half] = values;
    }
    moved.concat()
}

/// `tests/golden/gguf` comes from llama.cpp's `convert_lora_to_gguf.py` (`tools/export/README.md`).
#[test]
fn it_is_what_llama_cpps_own_converter_writes() {
    for name in ["llama", "qwen3"] {
        let golden = Golden::open(name);
        let adapter = golden.dir.join("adapter");
        let mut ours = Vec::new();
        prepare("gen-000007", &adapter, ExportFormat::Gguf, &golden.dir).unwrap().write(&mut ours).unwrap();
        let start = ours.windows(4).position(|four| four == b"GGUF").unwrap();
        let mut ours = Cursor::new(&ours[start..]);
        let theirs = golden.dir.join("../../gguf").join(format!("{name}.gguf"));
        let mut theirs = Cursor::new(std::fs::read(theirs).unwrap());
        let (found, expected) = (Content::read(&mut ours).unwrap(), Content::read(&mut theirs).unwrap());
        for key in found.metadata.keys().filter(|key| *key != "general.name") {
            let show = |content: &Content| format!("{:?}", content.metadata.get(key));
            assert_eq!(show(&found), show(&expected), "{name} {key}");
        }
        let names = |content: &Content| content.tensor_infos.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(&found), names(&expected));
        for tensor in names(&found) {
            let (one, other) = (&found.tensor_infos[&tensor], &expected.tensor_infos[&tensor]);
            assert_eq!((one.ggml_dtype, &one.shape), (other.ggml_dtype, &other.shape), "{name} {tensor}");
            let one = found.tensor(&mut ours, &tensor, &Device::Cpu).unwrap().data().unwrap().into_owned();
            let other =
                expected.tensor(&mut theirs, &tensor, &Device::Cpu).unwrap().data().unwrap().into_owned();
            assert!(one == other, "{name} {tensor}");
        }
    }
}

#[test]
fn without_patterns_not_a_bit_of_b_changes() {
    for config in &configs()[..2] {
        let golden = Golden::open("qwen3");
        let adapter = adapter(&golden, config);
        let exported = Generation::of(&adapter, &golden.dir).export(ExportFormat::Gguf);
        let mut file = Cursor::new(&exported.0["adapter.gguf"]);
        let content = Content::read(&mut file).unwrap();
        let alpha = content.metadata["adapter.lora.alpha"].to_f32().unwrap();
        let expected = if config.use_rslora { 8.0 * 2.0 } else { 8.0 };
        assert_eq!(alpha, expected);
        for (layer, projection, matrices) in adapter.matrices() {
            let name = format!("blk.{layer}.{}.weight.lora_b", NAMES[projection as usize]);
            let found = content.tensor(&mut file, &name, &Device::Cpu).unwrap();
            assert_eq!(flat(&found.dequantize(&Device::Cpu).unwrap()), flat(&matrices.b));
        }
    }
}
