//! `gguf`: the adapter as llama.cpp's `convert_lora_to_gguf.py` writes it, for `--lora`.
//!
//! llama.cpp computes `alpha / rank` from one alpha for the whole file and the rank of each `lora_b`
//! (`llama_adapter_lora_weight::get_scale`). A module with another scale, which PEFT's patterns allow, gets the
//! difference multiplied into its B. Values stay f32: an adapter's are small differences, and f16 would keep three
//! digits of them and lose what is below 6e-8.

use std::io::Cursor;
use std::path::Path;

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};

use super::archive::Entry;
use super::base::Base;
use seald_core::error::{Error, Kind, Result};
use seald_engine::lora::{Adapter, LoraMatrices, Projection};
use seald_engine::model_config::{Architecture, ModelConfig};

/// The file's name.
pub(super) const FILE: &str = "adapter.gguf";
/// `general.quantization_version`, which the converter writes into every file (`GGML_QUANT_VERSION`).
const QUANTIZATION_VERSION: u32 = 2;

/// The adapter in `dir` as [`FILE`].
pub(super) fn entry(generation: &str, base: &Base, dir: &Path) -> Result<Entry> {
    let name = base.path.file_name().unwrap_or(base.path.as_os_str()).to_string_lossy();
    let bytes = render(base.adapter(dir)?, &base.config, &format!("{name} {generation}"))?;
    Ok(Entry::of_bytes(FILE, bytes))
}

/// The whole file.
fn render(adapter: Adapter, model: &ModelConfig, name: &str) -> Result<Vec<u8>> {
    let alpha = alpha(&adapter)?;
    let mut tensors = Vec::new();
    for (layer, projection, LoraMatrices { a, b, scale }) in adapter.matrices() {
        let factor = scale * b.dims()[1] as f32 / alpha;
        let b = rows_in_order(b, projection, model)?;
        // 1 but for patterns, and then it must not cost a rounding.
        let b = if factor == 1.0 { b } else { (b * f64::from(factor))? };
        let weight = format!("blk.{layer}.{}.weight", tensor_name(projection));
        tensors.push((format!("{weight}.lora_a"), QTensor::quantize(a, GgmlDType::F32)?));
        tensors.push((format!("{weight}.lora_b"), QTensor::quantize(&b, GgmlDType::F32)?));
    }
    // These are copies.
    drop(adapter);
    let text = |text: &str| Value::String(text.to_string());
    let metadata = [
        ("general.architecture", text(architecture(model.architecture))),
        ("general.type", text("adapter")),
        ("adapter.type", text("lora")),
        ("general.name", text(name)),
        ("adapter.lora.alpha", Value::F32(alpha)),
        ("general.quantization_version", Value::U32(QUANTIZATION_VERSION)),
    ];
    let metadata: Vec<_> = metadata.iter().map(|(key, value)| (*key, value)).collect();
    let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let mut file = Cursor::new(Vec::new());
    gguf_file::write(&mut file, &metadata, &tensors)?;
    Ok(file.into_inner())
}

/// The alpha that, divided by the rank, gives the scale of the first module, and so of all where there are no patterns:
/// for rank-stabilised LoRA `alpha * sqrt(rank)`.
fn alpha(adapter: &Adapter) -> Result<f32> {
    let first = adapter.matrices().next();
    first.map(|(_, _, first)| first.scale * first.b.dims()[1] as f32).ok_or_else(|| {
        Error::new(Kind::Invalid, "the adapter adapts no layer: there is nothing to export".to_string())
    })
}

/// llama.cpp's name of a family.
fn architecture(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Qwen2 => "qwen2",
        Architecture::Qwen3 => "qwen3",
        Architecture::Llama => "llama",
    }
}

/// llama.cpp's name of a linear layer.
fn tensor_name(projection: Projection) -> &'static str {
    match projection {
        Projection::Q => "attn_q",
        Projection::K => "attn_k",
        Projection::V => "attn_v",
        Projection::O => "attn_output",
        Projection::Gate => "ffn_gate",
        Projection::Up => "ffn_up",
        Projection::Down => "ffn_down",
    }
}

/// B with its rows in llama.cpp's order. For Llama it rotates neighbouring rows of q and k where Hugging Face rotates
/// the halves of a head, and so stores row `i d/2 + j` of each head of width d as row `2 j + i` (`LlamaModel.permute`
/// in its `conversion/llama.py`); the Qwens keep their order.
fn rows_in_order(b: &Tensor, projection: Projection, model: &ModelConfig) -> Result<Tensor> {
    let heads = match (model.architecture, projection) {
        (Architecture::Llama, Projection::Q) => model.num_attention_heads,
        (Architecture::Llama, Projection::K) => model.num_key_value_heads,
        _ => return Ok(b.to_device(&Device::Cpu)?),
    };
    let (rows, rank) = b.dims2()?;
    let by_halves = b.reshape((heads, 2, model.head_dim / 2, rank))?; // (h, 2, d/2, r)
    let by_pairs = by_halves.transpose(1, 2)?.contiguous()?; // (h, d/2, 2, r)
    Ok(by_pairs.reshape((rows, rank))?) // (h d, r)
}
