//! LoRA: `y = x Wᵀ + s (x Aᵀ) Bᵀ` with `s = alpha / rank` (Hu et al. 2021, eq. 3), or
//! `alpha / sqrt(rank)` for rank-stabilised LoRA (Kalajdzievski 2023).

use std::collections::BTreeMap;

use candle_core::Tensor;

/// The seven linear layers of a block that LoRA can adapt, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Projection {
    /// `self_attn.q_proj`
    Q,
    /// `self_attn.k_proj`
    K,
    /// `self_attn.v_proj`
    V,
    /// `self_attn.o_proj`
    O,
    /// `mlp.gate_proj`
    Gate,
    /// `mlp.up_proj`
    Up,
    /// `mlp.down_proj`
    Down,
}

impl Projection {
    /// All seven, in the order in which they run.
    pub const ALL: [Projection; 7] = [
        Projection::Q,
        Projection::K,
        Projection::V,
        Projection::O,
        Projection::Gate,
        Projection::Up,
        Projection::Down,
    ];

    /// The module's name in Hugging Face checkpoints, below `model.layers.N.`.
    pub fn module_path(self) -> &'static str {
        match self {
            Projection::Q => "self_attn.q_proj",
            Projection::K => "self_attn.k_proj",
            Projection::V => "self_attn.v_proj",
            Projection::O => "self_attn.o_proj",
            Projection::Gate => "mlp.gate_proj",
            Projection::Up => "mlp.up_proj",
            Projection::Down => "mlp.down_proj",
        }
    }

    /// The last part of [`Self::module_path`], as `target_modules` lists it.
    pub fn name(self) -> &'static str {
        let path = self.module_path();
        path.rsplit('.').next().unwrap_or(path)
    }
}

/// Which linear layers get an adapter, as PEFT's `target_modules`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetModules {
    /// Every linear layer of every block (the output head excluded, as in PEFT).
    AllLinear,
    /// Names or dotted suffixes: `q_proj`, `self_attn.v_proj`.
    List(Vec<String>),
    /// A regular expression that must match the whole module name, `model.layers.0.self_attn.q_proj`.
    Regex(String),
}

/// Hyper-parameters of one adapter, named as in PEFT's `LoraConfig`.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraConfig {
    /// Rank r of the update, 1 or more.
    pub rank: usize,
    /// The numerator of the scale.
    pub alpha: f64,
    /// Scale by `alpha / sqrt(rank)` instead of `alpha / rank`.
    pub use_rslora: bool,
    /// Probability with which an input feature of the adapter is dropped in training, [0, 1).
    pub dropout: f32,
    /// Which layers.
    pub target_modules: TargetModules,
    /// Ranks that differ, by PEFT's pattern (a module name suffix or regular expression).
    pub rank_pattern: BTreeMap<String, usize>,
    /// Alphas that differ, likewise.
    pub alpha_pattern: BTreeMap<String, f64>,
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self {
            rank: 16,
            alpha: 32.0,
            use_rslora: false,
            dropout: 0.0,
            target_modules: TargetModules::AllLinear,
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
        }
    }
}

/// The two matrices of one adapted layer.
#[derive(Debug, Clone)]
pub struct LoraMatrices {
    /// A, shape (rank, in_features), f32.
    pub a: Tensor,
    /// B, shape (out_features, rank), f32.
    pub b: Tensor,
    /// s: what the update is multiplied with.
    pub scale: f32,
}

/// One adapter in memory: for each block, for each projection, its matrices or none.
#[derive(Debug, Clone)]
pub struct Adapter {
    /// What it was made with.
    pub config: LoraConfig,
    /// `layers[block][projection as usize]`.
    pub layers: Vec<[Option<LoraMatrices>; 7]>,
}
