//! candle-transformers' models over the golden checkpoints. They give the logits of the last position only.

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{llama, qwen2, qwen3};
use seald_engine::batch::Batch;
use serde_json::{Value, json};

use crate::golden_models::{Golden, f32_computes, relative_error};

/// The checkpoint's configuration with the fields flat, as these implementations read them.
fn config<T: serde::de::DeserializeOwned>(golden: &Golden) -> T {
    let text = std::fs::read(golden.dir.join("config_v4.json")).unwrap();
    let mut config: Value = serde_json::from_slice(&text).unwrap();
    if config["sliding_window"].is_null() {
        config["sliding_window"] = json!(4096); // required, and unused
    }
    serde_json::from_value(config).unwrap()
}

fn weights(golden: &Golden) -> VarBuilder<'static> {
    let bytes = std::fs::read(golden.dir.join("model.safetensors")).unwrap();
    VarBuilder::from_buffered_safetensors(bytes, DType::F32, &Device::Cpu).unwrap()
}

/// `theirs` gives logits for (1, t) token ids; every prefix of every row is compared.
fn check(golden: &Golden, what: &str, mut theirs: impl FnMut(&Tensor) -> Tensor) {
    let decoders: Vec<_> = f32_computes().into_iter().map(|(name, c)| (name, golden.decoder(&c))).collect();
    for (i, row) in golden.rows().iter().enumerate() {
        let each: Vec<Tensor> = decoders
            .iter()
            .map(|(_, d)| d.all_logits(&Batch::of(&[&row.ids], None).unwrap(), &[]).unwrap())
            .collect();
        for n in 1..=row.ids.len() {
            let ids = Tensor::new(&row.ids[..n], &Device::Cpu).unwrap().unsqueeze(0).unwrap();
            let expected = theirs(&ids).flatten_all().unwrap();
            for ((name, _), found) in decoders.iter().zip(&each) {
                let error = relative_error(&found.get(n - 1).unwrap(), &expected);
                assert!(error <= 1e-4, "{what}, {name}, row {i}, {n} tokens: {error:e}");
            }
        }
    }
}

#[test]
fn qwen2_logits_equal_candle_transformers() {
    for name in ["qwen2", "qwen2_untied"] {
        let golden = Golden::open(name);
        let mut model = qwen2::ModelForCausalLM::new(&config(&golden), weights(&golden)).unwrap();
        check(&golden, name, |ids| {
            model.clear_kv_cache();
            model.forward(ids, 0).unwrap()
        });
    }
}

#[test]
fn qwen3_logits_equal_candle_transformers() {
    let golden = Golden::open("qwen3");
    let mut config: qwen3::Config = config(&golden);
    config.sliding_window = None;
    let mut model = qwen3::ModelForCausalLM::new(&config, weights(&golden)).unwrap();
    check(&golden, "qwen3", |ids| {
        model.clear_kv_cache();
        model.forward(ids, 0).unwrap()
    });
}

/// `llama` scales its frequencies as Llama 3.1. (`llama_bias` is not compared: theirs reads no biases.)
#[test]
fn llama_logits_equal_candle_transformers() {
    let golden = Golden::open("llama");
    let config = config::<llama::LlamaConfig>(&golden).into_config(false);
    assert!(config.rope_scaling.is_some());
    let model = llama::Llama::load(weights(&golden), &config).unwrap();
    check(&golden, "llama", |ids| {
        let mut cache = llama::Cache::new(false, DType::F32, &config, &Device::Cpu).unwrap();
        model.forward(ids, 0, &mut cache).unwrap()
    });
}
