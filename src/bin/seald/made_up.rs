//! A small decoder with made-up weights, so that the engine can be tested on a machine without a model.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use seald_core::Kind;
use seald_core::error::{Context, Result};
use seald_engine::decoder::Decoder;
use seald_engine::kernels::Compute;
use seald_engine::model_config::ModelConfig;
use seald_engine::weights::Weights;

/// Wide enough for the kernels' blocks and their remainders.
const CONFIG: &str = r#"{
    "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_act": "silu", "hidden_size": 144,
    "intermediate_size": 272, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "vocab_size": 500, "max_position_embeddings": 128, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
    "tie_word_embeddings": true
}"#;

/// The decoder, the same each time.
pub(crate) fn decoder(compute: &Compute) -> Result<Decoder> {
    let config = ModelConfig::from_json(CONFIG, "the made-up model")?;
    let mut tensors = BTreeMap::new();
    for (name, shape) in config.weight_shapes() {
        let count = shape.iter().product();
        // Weyl's sequence: evenly spread in [-0.5, 0.5) without a generator.
        let spread = |i: usize| ((i + 1) as f64 * 0.618_033_988_749_895).fract() as f32 - 0.5;
        let value = |i| if shape.len() == 1 { 1.0 + 0.1 * spread(i) } else { 0.2 * spread(i * i % 99_991) };
        let values: Vec<f32> = (0..count).map(value).collect();
        tensors.insert(name, Tensor::from_vec(values, shape.as_slice(), &Device::Cpu)?);
    }
    let bytes =
        safetensors::serialize(&tensors, None).doing(Kind::Internal, || "made-up weights".to_string())?;
    // 2 MB, once, in a process that ends soon; the loader wants bytes that stay.
    Decoder::load(&config, &Weights::from_static(Box::leak(bytes.into_boxed_slice()))?, compute)
}
