//! A decoder from a model directory: configuration and weights checked first, then read in place.

use candle_core::DType;

use super::block::Block;
use super::decoder::{Decoder, Parts};
use super::kernels::Compute;
use super::kernels::linear::{FrozenLinear, Source};
use super::lora::Projection;
use super::model_config::{ModelConfig, module_name};
use super::weights::Weights;
use seald_core::error::Result;

impl Decoder {
    /// Loads the decoder that `config` describes. All names and shapes are checked before anything is read.
    ///
    /// # Errors
    /// [`Kind::Corrupt`](seald_core::Kind::Corrupt) for missing or misshapen tensors, naming them.
    pub fn load(config: &ModelConfig, weights: &Weights, compute: &Compute) -> Result<Self> {
        weights.check(config)?;
        let table = |name: &str| {
            let source =
                Source { projection: None, name: name.to_string(), outputs: config.vocab_size, bias: false };
            FrozenLinear::load(compute, weights, config.hidden_size, &[source])
        };
        let (embedding, head) = if config.tie_word_embeddings {
            (None, table("model.embed_tokens")?)
        } else {
            (Some(table("model.embed_tokens")?), table("lm_head")?)
        };
        let blocks = (0..config.num_hidden_layers)
            .map(|layer| load_block(config, weights, compute, layer))
            .collect::<Result<Vec<_>>>()?;
        let final_norm =
            weights.load("model.norm.weight", &[config.hidden_size], DType::F32, &compute.device)?;
        Ok(Decoder::new(config.clone(), compute.clone(), Parts { embedding, blocks, final_norm, head }))
    }
}

fn load_block(config: &ModelConfig, weights: &Weights, compute: &Compute, layer: usize) -> Result<Block> {
    let linear = |projections: &[Projection]| {
        let sources: Vec<Source> = projections
            .iter()
            .map(|&p| Source {
                projection: Some(p),
                name: module_name(layer, p),
                outputs: config.projection_shape(p).0,
                bias: config.projection_bias(p),
            })
            .collect();
        let inputs = config.projection_shape(projections[0]).1;
        FrozenLinear::load(compute, weights, inputs, &sources)
    };
    let vector = |name: &str, width: usize| {
        weights.load(&format!("model.layers.{layer}.{name}.weight"), &[width], DType::F32, &compute.device)
    };
    let head_norms = if config.qk_norm {
        let norm = |name: &str| vector(name, config.head_dim);
        Some((norm("self_attn.q_norm")?, norm("self_attn.k_norm")?))
    } else {
        None
    };
    Ok(Block {
        attention_norm: vector("input_layernorm", config.hidden_size)?,
        qkv: linear(&[Projection::Q, Projection::K, Projection::V])?,
        head_norms,
        o: linear(&[Projection::O])?,
        mlp_norm: vector("post_attention_layernorm", config.hidden_size)?,
        gate_up: linear(&[Projection::Gate, Projection::Up])?,
        down: linear(&[Projection::Down])?,
    })
}
