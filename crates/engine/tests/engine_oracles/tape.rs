//! A second decoder, written from candle's differentiable operations alone and in f64: its gradients come from
//! candle's tape, and central differences of its loss have no rounding to speak of.
//!
//! None of `candle_nn::ops::{rms_norm, softmax_last_dim}` and `rotary_emb::rope`: they have no backward pass.

use std::collections::HashMap;

use candle_core::backprop::GradStore;
use candle_core::{D, DType, Device, Tensor, Var};
use seald_engine::lora::{Adapter, Projection};
use seald_engine::model_config::{ModelConfig, module_name};

use crate::golden_models::{Golden, Row};

/// A's and B's of every adapted layer, by PEFT's module name, and the scale.
pub(crate) type Pairs = HashMap<String, (Var, Var, f64)>;

pub(crate) struct Tape {
    config: ModelConfig,
    weights: HashMap<String, Tensor>,
    pub(crate) pairs: Pairs,
}

impl Tape {
    pub(crate) fn new(golden: &Golden, adapter: &Adapter) -> Self {
        let wide = |t: &Tensor| t.to_dtype(DType::F64).unwrap();
        let weights =
            candle_core::safetensors::load(golden.dir.join("model.safetensors"), &Device::Cpu).unwrap();
        let weights = weights.into_iter().map(|(name, t)| (name, wide(&t))).collect();
        let pair = |(layer, projection, m): (usize, Projection, &seald_engine::lora::LoraMatrices)| {
            let var = |t| Var::from_tensor(&wide(t)).unwrap();
            (module_name(layer, projection), (var(&m.a), var(&m.b), f64::from(m.scale)))
        };
        Self { config: golden.config.clone(), weights, pairs: adapter.matrices().map(pair).collect() }
    }

    fn linear(&self, layer: usize, projection: Projection, x: &Tensor) -> Tensor {
        let name = module_name(layer, projection);
        let mut y = x.matmul(&self.weights[&format!("{name}.weight")].t().unwrap()).unwrap();
        if let Some(bias) = self.weights.get(&format!("{name}.bias")) {
            y = y.broadcast_add(bias).unwrap();
        }
        let Some((a, b, scale)) = self.pairs.get(&name) else { return y };
        let update = x.matmul(&a.t().unwrap()).unwrap().matmul(&b.t().unwrap()).unwrap();
        (y + (update * *scale).unwrap()).unwrap()
    }

    fn norm(&self, name: &str, x: &Tensor) -> Tensor {
        let mean = x.sqr().unwrap().mean_keepdim(D::Minus1).unwrap();
        let root = (mean + self.config.rms_norm_eps).unwrap().sqrt().unwrap();
        x.broadcast_div(&root).unwrap().broadcast_mul(&self.weights[name]).unwrap()
    }

    /// (t, heads * d) -> (heads, t, d), with the model's norm of heads if it has one.
    fn heads(&self, x: &Tensor, count: usize, norm: Option<String>) -> Tensor {
        let (t, d) = (x.dim(0).unwrap(), self.config.head_dim);
        let x = x.reshape((t, count, d)).unwrap();
        let x = if let Some(name) = norm { self.norm(&name, &x) } else { x };
        x.transpose(0, 1).unwrap().contiguous().unwrap()
    }

    /// Angles, (t, d / 2), as cosines and sines.
    fn angles(&self, t: usize) -> (Tensor, Tensor) {
        let (config, pi) = (&self.config, std::f64::consts::PI);
        let frequency = |j: usize| {
            let plain = config.rope_theta.powf(-2.0 * j as f64 / config.head_dim as f64);
            let Some(s) = config.rope_scaling else { return plain };
            // Llama 3.1: share of the plain frequency by the number of turns within the old context.
            let turns = s.original_max_position_embeddings as f64 * plain / (2.0 * pi);
            let share =
                ((turns - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor)).clamp(0.0, 1.0);
            share * plain + (1.0 - share) * plain / s.factor
        };
        let half = config.head_dim / 2;
        let of = |f: fn(f64) -> f64| {
            let table: Vec<f64> = (0..t * half).map(|i| f((i / half) as f64 * frequency(i % half))).collect();
            Tensor::from_vec(table, (t, half), &Device::Cpu).unwrap()
        };
        (of(f64::cos), of(f64::sin))
    }

    /// Turns x (heads, t, d).
    fn rotate(x: &Tensor, (cos, sin): &(Tensor, Tensor)) -> Tensor {
        let half = cos.dim(1).unwrap();
        let (a, b) = (x.narrow(2, 0, half).unwrap(), x.narrow(2, half, half).unwrap());
        let times = |x: &Tensor, y: &Tensor| x.broadcast_mul(y).unwrap();
        let left = (times(&a, cos) - times(&b, sin)).unwrap();
        let right = (times(&b, cos) + times(&a, sin)).unwrap();
        Tensor::cat(&[left, right], 2).unwrap()
    }

    fn attention(&self, layer: usize, x: &Tensor) -> Tensor {
        let (t, c) = (x.dim(0).unwrap(), &self.config);
        let (queries, keys) = (c.num_attention_heads, c.num_key_value_heads);
        let norm = |which| c.qk_norm.then(|| format!("model.layers.{layer}.self_attn.{which}_norm.weight"));
        let angles = self.angles(t);
        let q = Self::rotate(&self.heads(&self.linear(layer, Projection::Q, x), queries, norm("q")), &angles);
        let k = Self::rotate(&self.heads(&self.linear(layer, Projection::K, x), keys, norm("k")), &angles);
        let v = self.heads(&self.linear(layer, Projection::V, x), keys, None);
        let mask: Vec<f64> = (0..t * t).map(|i| if i % t > i / t { -1e30 } else { 0.0 }).collect();
        let mask = Tensor::from_vec(mask, (t, t), &Device::Cpu).unwrap();
        let outputs: Vec<Tensor> = (0..queries)
            .map(|h| {
                let kv = h / (queries / keys);
                let (q, k, v) = (q.get(h).unwrap(), k.get(kv).unwrap(), v.get(kv).unwrap());
                let scores = (q.matmul(&k.t().unwrap()).unwrap() / (c.head_dim as f64).sqrt()).unwrap();
                let p = candle_nn::ops::softmax(&(scores + &mask).unwrap(), D::Minus1).unwrap();
                p.matmul(&v).unwrap()
            })
            .collect();
        self.linear(layer, Projection::O, &Tensor::cat(&outputs, 1).unwrap())
    }

    fn feed_forward(&self, layer: usize, x: &Tensor) -> Tensor {
        let (gate, up) = (self.linear(layer, Projection::Gate, x), self.linear(layer, Projection::Up, x));
        self.linear(layer, Projection::Down, &(gate.silu().unwrap() * up).unwrap())
    }

    /// Logits after every token, (t, vocabulary).
    pub(crate) fn logits(&self, ids: &[u32]) -> Tensor {
        let embedding = &self.weights["model.embed_tokens.weight"];
        let mut x = embedding.index_select(&Tensor::new(ids, &Device::Cpu).unwrap(), 0).unwrap();
        for layer in 0..self.config.num_hidden_layers {
            let xn = self.norm(&format!("model.layers.{layer}.input_layernorm.weight"), &x);
            x = (x + self.attention(layer, &xn)).unwrap();
            let xn = self.norm(&format!("model.layers.{layer}.post_attention_layernorm.weight"), &x);
            x = (x + self.feed_forward(layer, &xn)).unwrap();
        }
        let head = self.weights.get("lm_head.weight").unwrap_or(embedding);
        self.norm("model.norm.weight", &x).matmul(&head.t().unwrap()).unwrap()
    }

    /// Mean cross-entropy over the masked tokens of all rows.
    pub(crate) fn loss(&self, rows: &[Row]) -> Tensor {
        let mut each = Vec::new();
        for row in rows {
            let log_probs = candle_nn::ops::log_softmax(&self.logits(&row.ids), D::Minus1).unwrap();
            for t in (1..row.ids.len()).filter(|&t| row.mask[t]) {
                each.push(log_probs.get(t - 1).unwrap().get(row.ids[t] as usize).unwrap());
            }
        }
        Tensor::stack(&each, 0).unwrap().mean_all().unwrap().neg().unwrap()
    }

    pub(crate) fn gradients(&self, rows: &[Row]) -> GradStore {
        self.loss(rows).backward().unwrap()
    }

    /// The slope of the loss along `direction` from one of a module's matrices, by central differences.
    pub(crate) fn slope(&self, rows: &[Row], matrix: &Var, direction: &Tensor) -> f64 {
        const STEP: f64 = 1e-5;
        let at = matrix.as_tensor().copy().unwrap();
        let moved = |by: f64| {
            matrix.set(&(&at + (direction * by).unwrap()).unwrap()).unwrap();
            self.loss(rows).to_scalar::<f64>().unwrap()
        };
        let slope = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
        matrix.set(&at).unwrap();
        slope
    }
}
