//! LoRA: `y = x Wᵀ + s (x Aᵀ) Bᵀ` with `s = alpha / rank` (Hu et al. 2021, eq. 3), or
//! `alpha / sqrt(rank)` for rank-stabilised LoRA (Kalajdzievski 2023).

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use fancy_regex::Regex;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use crate::model_config::ModelConfig;
use seald_core::error::{Error, Kind, Result};

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

impl TargetModules {
    /// A test of module names that decides as PEFT 0.21 does (`check_target_module_exists`): a list entry is
    /// the name or its end after a dot, an expression matches the whole name.
    ///
    /// Errors: [`Kind::Invalid`] for an expression that cannot be read.
    pub fn matcher(&self) -> Result<impl Fn(&str) -> Result<bool>> {
        let regex = match self {
            TargetModules::Regex(text) => Some(compile("target_modules", text, &format!(r"\A(?:{text})\z"))?),
            TargetModules::AllLinear | TargetModules::List(_) => None,
        };
        Ok(move |name: &str| match (self, &regex) {
            (_, Some(regex)) => is_match(regex, name),
            (TargetModules::List(list), None) => Ok(list.iter().any(|entry| ends_in(name, entry))),
            (_, None) => Ok(Projection::ALL.iter().any(|p| ends_in(name, p.name()))),
        })
    }
}

fn ends_in(name: &str, entry: &str) -> bool {
    name.strip_suffix(entry).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn compile(field: &str, text: &str, expression: &str) -> Result<Regex> {
    Regex::new(expression).map_err(|e| {
        let text = format!("{field}: `{text}` is not a regular expression that seald can read");
        Error::new(Kind::Invalid, text).with_source(e)
    })
}

fn is_match(regex: &Regex, name: &str) -> Result<bool> {
    regex.is_match(name).map_err(|e| {
        let text = format!("`{}` takes too long to match {name}: simplify it", regex.as_str());
        Error::new(Kind::Invalid, text).with_source(e)
    })
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

/// Largest rank accepted: beyond any layer's useful rank, and small enough that a typing error is an error
/// instead of an allocation that kills the process.
const MAX_RANK: usize = 1 << 15;

/// One layer that a [`LoraConfig`] adapts, with the values its patterns give it.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Block.
    pub layer: usize,
    /// Which of the block's linear layers.
    pub projection: Projection,
    /// `model.layers.0.self_attn.q_proj`
    pub name: String,
    /// r.
    pub rank: usize,
    /// alpha.
    pub alpha: f64,
    /// s, from both.
    pub scale: f32,
}

impl LoraConfig {
    /// s: `alpha / rank`, or `alpha / sqrt(rank)` with `use_rslora`.
    pub fn scale(&self, rank: usize, alpha: f64) -> f32 {
        let divisor = if self.use_rslora { (rank as f64).sqrt() } else { rank as f64 };
        (alpha / divisor) as f32
    }

    /// Checks every value's range; [`Kind::Invalid`] names the field.
    pub fn validate(&self) -> Result<()> {
        let invalid = |text: String| Err(Error::new(Kind::Invalid, text));
        let ranks = self.rank_pattern.iter().map(|(key, &rank)| (format!("rank_pattern[{key}]"), rank));
        for (field, rank) in std::iter::once(("rank".to_string(), self.rank)).chain(ranks) {
            if rank == 0 || rank > MAX_RANK {
                return invalid(format!("{field} is {rank}: give 1 to {MAX_RANK}"));
            }
        }
        let alphas = self.alpha_pattern.iter().map(|(key, &alpha)| (format!("alpha_pattern[{key}]"), alpha));
        for (field, alpha) in std::iter::once(("alpha".to_string(), self.alpha)).chain(alphas) {
            if !alpha.is_finite() || alpha == 0.0 {
                return invalid(format!(
                    "{field} is {alpha}: the adapter would do nothing; give a finite number"
                ));
            }
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return invalid(format!("dropout is {}: give 0 or more, below 1", self.dropout));
        }
        Ok(())
    }

    /// Every layer of `model` that gets an adapter, with its rank and scale.
    ///
    /// Errors: [`Kind::Invalid`] for values out of range and for targets that match no layer;
    /// [`Kind::Unsupported`] for targets outside the blocks (embedding, output head).
    pub fn targets(&self, model: &ModelConfig) -> Result<Vec<Target>> {
        self.validate()?;
        let matches = self.target_modules.matcher()?;
        for outside in ["lm_head", "model.embed_tokens"] {
            if matches(outside)? {
                let text = format!(
                    "target_modules matches {outside}, which seald does not adapt; possible: {}",
                    possible_names()
                );
                return Err(Error::new(Kind::Unsupported, text));
            }
        }
        let rank_of = Pattern::compile("rank_pattern", &self.rank_pattern)?;
        let alpha_of = Pattern::compile("alpha_pattern", &self.alpha_pattern)?;
        let mut targets = Vec::new();
        for (layer, projection, name) in model.modules() {
            if matches(&name)? {
                let rank = rank_of.get(&name)?.unwrap_or(self.rank);
                let alpha = alpha_of.get(&name)?.unwrap_or(self.alpha);
                let scale = self.scale(rank, alpha);
                targets.push(Target { layer, projection, name, rank, alpha, scale });
            }
        }
        if targets.is_empty() {
            let text = format!(
                "target_modules {:?} matches no layer of the model; possible: {}, or `all-linear`",
                self.target_modules,
                possible_names()
            );
            return Err(Error::new(Kind::Invalid, text));
        }
        Ok(targets)
    }
}

fn possible_names() -> String {
    Projection::ALL.map(Projection::name).join(", ")
}

/// `rank_pattern` or `alpha_pattern`: the first entry whose expression matches the end of a module name, from
/// a dot on, gives its value (PEFT's `get_pattern_key`; its files keep the keys sorted, as we do).
struct Pattern<T>(Vec<(Regex, T)>);

fn compile_pattern(field: &str, key: &str) -> Result<Regex> {
    compile(field, key, &format!(r"\A(?:.*\.)?(?:{key})\z"))
}

/// Whether `key` of `rank_pattern` or `alpha_pattern` (`field`) applies to the module `name`.
pub(crate) fn pattern_matches(field: &str, key: &str, name: &str) -> Result<bool> {
    is_match(&compile_pattern(field, key)?, name)
}

impl<T: Copy> Pattern<T> {
    fn compile(field: &str, values: &BTreeMap<String, T>) -> Result<Self> {
        let entry = |(key, &value): (&String, &T)| Ok((compile_pattern(field, key)?, value));
        Ok(Self(values.iter().map(entry).collect::<Result<_>>()?))
    }

    fn get(&self, name: &str) -> Result<Option<T>> {
        for (regex, value) in &self.0 {
            if is_match(regex, name)? {
                return Ok(Some(*value));
            }
        }
        Ok(None)
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

impl Adapter {
    /// A fresh adapter that changes nothing yet: A uniform in ±1/sqrt(in_features), B zero, as PEFT
    /// (`kaiming_uniform_(a=sqrt(5))`).
    ///
    /// Every matrix is drawn from its own stream of (`seed`, block, projection): what one layer gets does
    /// not depend on which other layers are adapted.
    pub fn init(config: &LoraConfig, model: &ModelConfig, seed: u64, device: &Device) -> Result<Self> {
        let mut layers = vec![[const { None }; 7]; model.num_hidden_layers];
        for target in config.targets(model)? {
            let (out_features, in_features) = model.projection_shape(target.projection);
            let bound = 1.0 / (in_features as f32).sqrt();
            let mut random = stream(seed, target.layer, target.projection);
            // 24 bits fill f32's mantissa: [0, 1) in equal steps, then [-bound, bound).
            let uniform = || ((random.next_u32() >> 8) as f32 / (1 << 24) as f32 * 2.0 - 1.0) * bound;
            let values: Vec<f32> = std::iter::repeat_with(uniform).take(target.rank * in_features).collect();
            let a = Tensor::from_vec(values, (target.rank, in_features), device)?;
            let b = Tensor::zeros((out_features, target.rank), candle_core::DType::F32, device)?;
            layers[target.layer][target.projection as usize] =
                Some(LoraMatrices { a, b, scale: target.scale });
        }
        Ok(Self { config: config.clone(), layers })
    }

    /// Every adapted layer with its place, blocks in order and projections in the order in which they run.
    pub fn matrices(&self) -> impl Iterator<Item = (usize, Projection, &LoraMatrices)> {
        self.layers.iter().enumerate().flat_map(|(layer, block)| {
            let of_block = Projection::ALL.into_iter().zip(block);
            of_block.filter_map(move |(projection, matrices)| Some((layer, projection, matrices.as_ref()?)))
        })
    }

    /// Number of trainable values.
    pub fn parameters(&self) -> usize {
        self.matrices().map(|(_, _, m)| m.a.elem_count() + m.b.elem_count()).sum()
    }

    /// Largest rank of any layer, 0 without layers.
    pub fn max_rank(&self) -> usize {
        self.matrices().map(|(_, _, m)| m.a.dims()[0]).max().unwrap_or(0)
    }
}

/// The random numbers of one matrix. Hashing the coordinates keeps neighbouring streams unrelated, which
/// PCG's own stream numbers do not promise.
fn stream(seed: u64, layer: usize, projection: Projection) -> Pcg64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"seald lora init v1").update(&seed.to_le_bytes());
    hasher.update(&(layer as u64).to_le_bytes()).update(projection.name().as_bytes());
    Pcg64::from_seed(*hasher.finalize().as_bytes())
}
