//! `config.json` of a Hugging Face model directory: what is honoured, and what is refused by name.

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
