//! The shape of a decoder: sizes, biases, rotary base, and the names and shapes of its tensors.

use std::path::Path;

use crate::config_json;
use crate::lora::Projection;
use seald_core::error::Result;
use seald_core::files;

/// Decoder families that share one forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// `Qwen2ForCausalLM` (also Qwen2.5): bias on q, k and v.
    Qwen2,
    /// `Qwen3ForCausalLM`: RMSNorm on every q and k head.
    Qwen3,
    /// `LlamaForCausalLM` (Llama 3.x and everything with its layout).
    Llama,
}

/// Rotary frequency scaling of Llama 3.1 and later (`rope_type: llama3`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Llama3Scaling {
    /// How much the low frequencies are stretched.
    pub factor: f64,
    /// Below this number of rotations over the original context a frequency is stretched fully.
    pub low_freq_factor: f64,
    /// Above this number of rotations a frequency is left alone.
    pub high_freq_factor: f64,
    /// Context length the model was trained with before, tokens.
    pub original_max_position_embeddings: usize,
}

/// The shape of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// The family.
    pub architecture: Architecture,
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key/value heads; divides `num_attention_heads`.
    pub num_key_value_heads: usize,
    /// Width of one head, even.
    pub head_dim: usize,
    /// Epsilon of every RMSNorm.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Llama 3's frequency scaling, if any.
    pub rope_scaling: Option<Llama3Scaling>,
    /// Bias on q, k, v.
    pub qkv_bias: bool,
    /// Bias on o.
    pub o_bias: bool,
    /// Bias on gate, up, down.
    pub mlp_bias: bool,
    /// RMSNorm on q and k heads (Qwen3).
    pub qk_norm: bool,
    /// The output head is the embedding.
    pub tie_word_embeddings: bool,
    /// Longest sequence, tokens.
    pub max_position_embeddings: usize,
}

impl ModelConfig {
    /// Reads `config.json` in `dir`.
    ///
    /// Errors: [`Kind::NotFound`] without the file, and those of [`Self::from_json`].
    ///
    /// [`Kind::NotFound`]: seald_core::Kind::NotFound
    pub fn from_dir(dir: &Path) -> Result<Self> {
        let path = dir.join("config.json");
        let text = files::read_regular_text(&path)?;
        Self::from_json(&text, &path.display().to_string())
    }

    /// Reads the content of a `config.json`; `origin` (its path) appears in errors.
    ///
    /// Errors: [`Kind::Unsupported`] for a model this engine does not compute, naming the field and its
    /// value; [`Kind::Corrupt`] for JSON that is damaged, lacks a field or contradicts itself.
    ///
    /// [`Kind::Unsupported`]: seald_core::Kind::Unsupported
    /// [`Kind::Corrupt`]: seald_core::Kind::Corrupt
    pub fn from_json(content: &str, origin: &str) -> Result<Self> {
        config_json::parse(content, origin)
    }

    /// Width of q: `num_attention_heads * head_dim`.
    pub fn q_width(&self) -> usize {
        self.num_attention_heads * self.head_dim
    }

    /// Width of k and of v: `num_key_value_heads * head_dim`.
    pub fn kv_width(&self) -> usize {
        self.num_key_value_heads * self.head_dim
    }

    /// Shape of a linear layer's weight, (out_features, in_features).
    pub fn projection_shape(&self, projection: Projection) -> (usize, usize) {
        match projection {
            Projection::Q => (self.q_width(), self.hidden_size),
            Projection::K | Projection::V => (self.kv_width(), self.hidden_size),
            Projection::O => (self.hidden_size, self.q_width()),
            Projection::Gate | Projection::Up => (self.intermediate_size, self.hidden_size),
            Projection::Down => (self.hidden_size, self.intermediate_size),
        }
    }

    /// Whether a linear layer has a bias.
    pub fn projection_bias(&self, projection: Projection) -> bool {
        match projection {
            Projection::Q | Projection::K | Projection::V => self.qkv_bias,
            Projection::O => self.o_bias,
            Projection::Gate | Projection::Up | Projection::Down => self.mlp_bias,
        }
    }

    /// Every tensor of the checkpoint, with its Hugging Face name and its shape.
    pub fn weight_shapes(&self) -> impl Iterator<Item = (String, Vec<usize>)> + '_ {
        let embedding = vec![self.vocab_size, self.hidden_size];
        let head = (!self.tie_word_embeddings).then(|| ("lm_head.weight".to_string(), embedding.clone()));
        let norm = ("model.norm.weight".to_string(), vec![self.hidden_size]);
        std::iter::once(("model.embed_tokens.weight".to_string(), embedding))
            .chain((0..self.num_hidden_layers).flat_map(|layer| self.block_shapes(layer)))
            .chain(std::iter::once(norm))
            .chain(head)
    }

    fn block_shapes(&self, layer: usize) -> Vec<(String, Vec<usize>)> {
        let block = format!("model.layers.{layer}");
        let mut shapes = Vec::new();
        for norm in ["input_layernorm", "post_attention_layernorm"] {
            shapes.push((format!("{block}.{norm}.weight"), vec![self.hidden_size]));
        }
        if self.qk_norm {
            for norm in ["q_norm", "k_norm"] {
                shapes.push((format!("{block}.self_attn.{norm}.weight"), vec![self.head_dim]));
            }
        }
        for projection in Projection::ALL {
            let module = module_name(layer, projection);
            let (rows, columns) = self.projection_shape(projection);
            if self.projection_bias(projection) {
                shapes.push((format!("{module}.bias"), vec![rows]));
            }
            shapes.push((format!("{module}.weight"), vec![rows, columns]));
        }
        shapes
    }

    /// Every linear layer below the output head, `model.layers.0.self_attn.q_proj` and so on, in the order
    /// in which they run, with its place in an [`crate::lora::Adapter`].
    pub fn modules(&self) -> impl Iterator<Item = (usize, Projection, String)> {
        (0..self.num_hidden_layers)
            .flat_map(|layer| Projection::ALL.map(|p| (layer, p, module_name(layer, p))))
    }

    /// The names of [`Self::modules`].
    pub fn module_names(&self) -> impl Iterator<Item = String> {
        self.modules().map(|(_, _, name)| name)
    }

    /// Number of parameters; a tied output head counts once.
    pub fn parameter_count(&self) -> u64 {
        self.weight_shapes().map(|(_, shape)| shape.iter().map(|&n| n as u64).product::<u64>()).sum()
    }
}

/// The name of a linear layer in Hugging Face checkpoints, without `.weight`.
pub fn module_name(layer: usize, projection: Projection) -> String {
    format!("model.layers.{layer}.{}", projection.module_path())
}
