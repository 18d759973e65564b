//! Tiny random decoders of odd sizes, adapters for them, and rows of tokens.

use std::collections::HashMap;

use candle_core::{Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use seald_engine::backward::Gradients;
use seald_engine::batch::Batch;
use seald_engine::decoder::{ActiveAdapter, Decoder};
use seald_engine::kernels::Compute;
use seald_engine::lora::{Adapter, LoraConfig};
use seald_engine::loss::Target;
use seald_engine::model_config::ModelConfig;
use seald_engine::weights::Weights;

/// Tokens of every tiny model.
pub(crate) const VOCABULARY: u32 = 37;

/// The `config.json` of each tiny model: three query heads to a key head, one key head, no sharing.
const CONFIGS: [&str; 3] = [
    r#"{"model_type": "qwen2", "vocab_size": 37, "hidden_size": 24, "intermediate_size": 28,
        "num_hidden_layers": 3, "num_attention_heads": 6, "num_key_value_heads": 2,
        "max_position_embeddings": 256, "tie_word_embeddings": true}"#,
    r#"{"model_type": "qwen3", "vocab_size": 37, "hidden_size": 20, "intermediate_size": 31,
        "num_hidden_layers": 2, "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 6,
        "max_position_embeddings": 256, "attention_bias": false}"#,
    r#"{"model_type": "llama", "vocab_size": 37, "hidden_size": 20, "intermediate_size": 17,
        "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "mlp_bias": true,
        "attention_bias": true, "max_position_embeddings": 256}"#,
];

/// How many there are.
pub(crate) const MODELS: usize = CONFIGS.len();

fn random(seed: u64, shape: &[usize], size: f32) -> Tensor {
    let mut rng = Pcg64::seed_from_u64(seed);
    let value = || ((rng.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0) * size;
    let data: Vec<f32> = std::iter::repeat_with(value).take(shape.iter().product()).collect();
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

/// A checkpoint on disk.
pub(crate) struct Tiny {
    dir: tempfile::TempDir,
    pub(crate) config: ModelConfig,
}

impl Tiny {
    pub(crate) fn new(model: usize) -> Self {
        let config = ModelConfig::from_json(CONFIGS[model], "config.json").unwrap();
        let tensor = |(i, (name, shape)): (usize, (String, Vec<usize>))| {
            let size = 1.6 / (*shape.last().unwrap() as f32).sqrt();
            let random = random(i as u64, &shape, size);
            // Norm weights lie around one.
            let value = if name.contains("norm") { (random + 1.0).unwrap() } else { random };
            (name, value)
        };
        let tensors: HashMap<_, _> = config.weight_shapes().enumerate().map(tensor).collect();
        let dir = tempfile::tempdir().unwrap();
        candle_core::safetensors::save(&tensors, dir.path().join("model.safetensors")).unwrap();
        Self { dir, config }
    }

    pub(crate) fn decoder(&self, compute: &Compute) -> Decoder {
        Decoder::load(&self.config, &Weights::open(self.dir.path()).unwrap(), compute).unwrap()
    }

    /// An adapter that changes something: B is random too.
    pub(crate) fn adapter(&self, seed: u64, config: &LoraConfig) -> Adapter {
        let mut adapter = Adapter::init(config, &self.config, seed, &Device::Cpu).unwrap();
        for (i, pair) in adapter.layers.iter_mut().flatten().flatten().enumerate() {
            pair.b = random(seed * 1000 + i as u64, pair.b.dims(), 0.3);
        }
        adapter
    }

    pub(crate) fn plain_adapter(&self, seed: u64) -> Adapter {
        self.adapter(seed, &LoraConfig { rank: 2 + seed as usize % 3, alpha: 6.0, ..LoraConfig::default() })
    }
}

/// A row of tokens and the adapter it uses; its last tokens are learnt.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) tokens: Vec<u32>,
    pub(crate) adapter: Option<usize>,
}

impl Row {
    /// How many of its tokens are targets: about half.
    fn targets(&self) -> usize {
        self.tokens.len() / 2
    }
}

/// The batch of some rows, and targets of weight `1 / divisor`.
pub(crate) fn pack(rows: &[Row], divisor: usize) -> (Batch, Vec<Target<'static>>) {
    let (mut batch, mut targets) = (Batch::new(), Vec::new());
    for row in rows {
        let end = batch.len() + row.tokens.len();
        batch.push(&row.tokens, 0, row.adapter).unwrap();
        for at in end - row.targets()..end {
            let (token, weight) = (batch.tokens[at], 1.0 / divisor as f32);
            targets.push(Target { row: at as u32 - 1, token, weight, soft: None });
        }
    }
    (batch, targets)
}

/// How many targets some rows have.
pub(crate) fn target_count(rows: &[Row]) -> usize {
    rows.iter().map(Row::targets).sum()
}

/// What a decoder makes of some rows.
pub(crate) struct Outcome {
    /// (tokens, vocabulary) of each row.
    pub(crate) logits: Vec<Tensor>,
    /// Of each target, in the order of the rows.
    pub(crate) losses: Vec<f32>,
    /// Of each adapter.
    pub(crate) gradients: Vec<Gradients>,
}

/// All rows in one batch; the targets weigh `1 / divisor`.
pub(crate) fn outcome(decoder: &Decoder, adapters: &[Adapter], rows: &[Row], divisor: usize) -> Outcome {
    let active: Vec<_> = adapters.iter().map(ActiveAdapter::inference).collect();
    let (batch, targets) = pack(rows, divisor);
    let all = decoder.all_logits(&batch, &active).unwrap();
    let logits = batch.segments.iter().map(|s| all.narrow(0, s.start, s.len).unwrap().contiguous().unwrap());
    let logits = logits.collect();
    if targets.is_empty() {
        let none = |a: &Adapter| Gradients::empty(a.layers.len());
        return Outcome { logits, losses: Vec::new(), gradients: adapters.iter().map(none).collect() };
    }
    let pass = decoder.train_pass(&batch, &active, &targets).unwrap();
    Outcome { logits, losses: pass.losses, gradients: pass.gradients }
}

/// The gradients of `more`, added to those of `sum`.
pub(crate) fn add(sum: &mut Vec<Gradients>, more: Vec<Gradients>) {
    if sum.is_empty() {
        *sum = more;
    } else {
        sum.iter_mut().zip(more).for_each(|(sum, more)| sum.add(more).unwrap());
    }
}
