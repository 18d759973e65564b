//! The shape of a decoder: sizes, biases, rotary base, and the names and shapes of its tensors.

use std::path::Path;

use crate::engine::config_json;
use crate::engine::lora::Projection;
use crate::error::Result;
use crate::files;

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
    /// [`Kind::NotFound`]: crate::Kind::NotFound
    pub fn from_dir(dir: &Path) -> Result<Self> {
        let path = dir.join("config.json");
        let text = files::read_text(&path)?;
        Self::from_json(&text, &path.display().to_string())
    }

    /// Reads the content of a `config.json`; `origin` (its path) appears in errors.
    ///
    /// Errors: [`Kind::Unsupported`] for a model this engine does not compute, naming the field and its
    /// value; [`Kind::Corrupt`] for JSON that is damaged, lacks a field or contradicts itself.
    ///
    /// [`Kind::Unsupported`]: crate::Kind::Unsupported
    /// [`Kind::Corrupt`]: crate::Kind::Corrupt
    pub fn from_json(content: &str, origin: &str) -> Result<Self> {
<<<<<<< HEAD
        let fields: Map<String, Value> = serde_json::from_str(content).map_err(|e| {
            Error::new(Kind::Corrupt, format!("{origin} is not a JSON object: download it again"))
                .with_source(e)
        })?;
        let fields = Fields { fields: &fields, origin };
        let architecture = architecture(&fields)?;
        refuse_unsupported(&fields, architecture)?;
        let (rope_theta, rope_scaling) = rope(&fields, architecture)?;

        let hidden_size = fields.size("hidden_size")?;
        let num_attention_heads = fields.size("num_attention_heads")?;
        let head_dim = match fields.optional_size("head_dim")? {
            Some(given) => given,
            None if architecture == Architecture::Qwen3 => 128, // not derived in this family
            None if !hidden_size.is_multiple_of(num_attention_heads) => {
                return Err(fields.corrupt(&format!(
                    "hidden_size {hidden_size} is not a multiple of num_attention_heads {num_attention_heads}, \
                     and head_dim is not given"
                )));
            }
            None => hidden_size / num_attention_heads,
        };
        let attention_bias = match architecture {
            Architecture::Qwen2 => false, // its code does not read the field: q, k and v always have one
            Architecture::Qwen3 | Architecture::Llama => fields.flag("attention_bias")?,
        };
        let config = Self {
            architecture,
            vocab_size: fields.size("vocab_size")?,
            hidden_size,
            intermediate_size: fields.size("intermediate_size")?,
            num_hidden_layers: fields.size("num_hidden_layers")?,
            num_attention_heads,
            num_key_value_heads: fields.optional_size("num_key_value_heads")?.unwrap_or(num_attention_heads),
            head_dim,
            rms_norm_eps: fields.number("rms_norm_eps")?.unwrap_or(1e-6),
            rope_theta,
            rope_scaling,
            qkv_bias: attention_bias || architecture == Architecture::Qwen2,
            o_bias: attention_bias,
            mlp_bias: architecture == Architecture::Llama && fields.flag("mlp_bias")?,
            qk_norm: architecture == Architecture::Qwen3,
            // false where absent, in all three families.
            tie_word_embeddings: fields.flag("tie_word_embeddings")?,
            max_position_embeddings: max_positions(&fields, architecture)?,
        };
        config.check(&fields)?;
        Ok(config)
    }

    /// What no model can have, whatever its family.
    fn check(&self, fields: &Fields<'_>) -> Result<()> {
        let (heads, kv_heads) = (self.num_attention_heads, self.num_key_value_heads);
        if !heads.is_multiple_of(kv_heads) {
            let text = format!("num_key_value_heads {kv_heads} does not divide num_attention_heads {heads}");
            return Err(fields.corrupt(&text));
        }
        if !self.head_dim.is_multiple_of(2) {
            let text = format!("head_dim {} is odd: rotary embeddings turn pairs", self.head_dim);
            return Err(fields.corrupt(&text));
        }
        for (name, value) in [("rms_norm_eps", self.rms_norm_eps), ("rope_theta", self.rope_theta)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(fields.corrupt(&format!("{name} is {value}, not a positive number")));
            }
        }
        Ok(())
=======
        config_json::parse(content, origin)
>>>>>>> files
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
    /// in which they run, with its place in an [`crate::engine::lora::Adapter`].
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
<<<<<<< HEAD

/// Largest believable size; keeps every product of two sizes far from overflow.
const MAX_SIZE: u64 = 1 << 28;

/// The file's fields, read with errors that name the file and the field. `null` counts as absent, as in
/// transformers.
struct Fields<'a> {
    fields: &'a Map<String, Value>,
    origin: &'a str,
}

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    fn corrupt(&self, what: &str) -> Error {
        Error::new(Kind::Corrupt, format!("{}: {what}; download the file again", self.origin))
    }

    fn mistyped(&self, name: &str, value: &Value, wanted: &str) -> Error {
        self.corrupt(&format!("{name} is {value}, not {wanted}"))
    }

    fn unsupported(&self, name: &str, value: &Value, supported: &str) -> Error {
        let text = format!(
            "{}: {name} is {value}, which seald does not compute; supported: {supported}",
            self.origin
        );
        Error::new(Kind::Unsupported, text)
    }

    fn optional_size(&self, name: &str) -> Result<Option<usize>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.as_u64() {
            Some(size @ 1..MAX_SIZE) => Ok(Some(size as usize)),
            _ => Err(self.mistyped(name, value, &format!("a whole number from 1 to {}", MAX_SIZE - 1))),
        }
    }

    fn size(&self, name: &str) -> Result<usize> {
        self.optional_size(name)?.ok_or_else(|| self.corrupt(&format!("{name} is missing")))
    }

    fn number(&self, name: &str) -> Result<Option<f64>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_f64().map(Some).ok_or_else(|| self.mistyped(name, value, "a number"))
    }

    fn required_number(&self, name: &str) -> Result<f64> {
        self.number(name)?.ok_or_else(|| self.corrupt(&format!("{name} is missing")))
    }

    fn flag(&self, name: &str) -> Result<bool> {
        let Some(value) = self.get(name) else { return Ok(false) };
        value.as_bool().ok_or_else(|| self.mistyped(name, value, "true or false"))
    }
}

fn architecture(fields: &Fields<'_>) -> Result<Architecture> {
    const SUPPORTED: &str =
        "Qwen2ForCausalLM, Qwen3ForCausalLM, LlamaForCausalLM (model_type qwen2, qwen3, llama)";
    let by_class = match fields.get("architectures") {
        None => None,
        Some(value) => {
            let class = value.as_array().and_then(|list| list.first()).and_then(Value::as_str);
            let known = Architecture::NAMES.iter().find(|(_, name, _)| Some(*name) == class);
            Some(known.ok_or_else(|| fields.unsupported("architectures", value, SUPPORTED))?.0)
        }
    };
    let by_type = match fields.get("model_type") {
        None => None,
        Some(value) => {
            let known = Architecture::NAMES.iter().find(|(_, _, name)| Some(*name) == value.as_str());
            Some(known.ok_or_else(|| fields.unsupported("model_type", value, SUPPORTED))?.0)
        }
    };
    match (by_class, by_type) {
        (Some(class), Some(model_type)) if class != model_type => {
            let value = fields.get("model_type").unwrap_or(&Value::Null);
            Err(fields.unsupported(
                "model_type",
                value,
                &format!("the type that belongs to {class:?}ForCausalLM"),
            ))
        }
        (Some(found), _) | (None, Some(found)) => Ok(found),
        (None, None) => Err(fields.corrupt("architectures and model_type are missing")),
    }
}

/// Refuses what would change the forward pass and has no field in [`ModelConfig`].
fn refuse_unsupported(fields: &Fields<'_>, architecture: Architecture) -> Result<()> {
    if let Some(value) = fields.get("quantization_config") {
        let method = value.get("quant_method").unwrap_or(value);
        let supported = "weights in bf16, f16 or f32 (take the model's unquantised checkpoint)";
        return Err(fields.unsupported("quantization_config.quant_method", method, supported));
    }
    for name in ["num_experts", "num_local_experts", "n_routed_experts"] {
        match fields.get(name) {
            Some(value) if value.as_u64() != Some(0) => {
                return Err(fields.unsupported(name, value, "dense models, without experts"));
            }
            _ => {}
        }
    }
    match fields.get("hidden_act") {
        Some(value) if value.as_str() != Some("silu") => {
            return Err(fields.unsupported("hidden_act", value, "silu"));
        }
        _ => {}
    }
    for (name, supported) in [("pretraining_tp", "1"), ("partial_rotary_factor", "1 (whole heads turn)")] {
        match fields.get(name) {
            Some(value) if value.as_f64() != Some(1.0) => {
                return Err(fields.unsupported(name, value, supported));
            }
            _ => {}
        }
    }
    refuse_windows(fields, architecture)
}

/// Sliding windows: refused where they are in use. Qwen's `sliding_window` means nothing without
/// `use_sliding_window`; a Llama checkpoint that carries one was trained with it.
fn refuse_windows(fields: &Fields<'_>, architecture: Architecture) -> Result<()> {
    const SUPPORTED: &str = "full attention in every layer";
    if fields.flag("use_sliding_window")? {
        return Err(fields.unsupported("use_sliding_window", &Value::Bool(true), "false"));
    }
    if let Some(value) = fields.get("layer_types") {
        let layers = value.as_array().ok_or_else(|| fields.mistyped("layer_types", value, "a list"))?;
        if let Some(other) = layers.iter().find(|layer| layer.as_str() != Some("full_attention")) {
            return Err(fields.unsupported("layer_types", other, SUPPORTED));
        }
    }
    match fields.get("sliding_window") {
        Some(value) if architecture == Architecture::Llama && fields.get("use_sliding_window").is_none() => {
            Err(fields.unsupported("sliding_window", value, SUPPORTED))
        }
        _ => Ok(()),
    }
}

fn max_positions(fields: &Fields<'_>, architecture: Architecture) -> Result<usize> {
    let default = if architecture == Architecture::Llama { 2048 } else { 32768 };
    Ok(fields.optional_size("max_position_embeddings")?.unwrap_or(default))
}

/// Rotary base and scaling. transformers 5 writes one object `rope_parameters`; earlier versions
/// `rope_theta` and `rope_scaling`. As in transformers, a non-empty `rope_scaling` wins, and a `rope_theta`
/// inside the object wins over one outside.
fn rope(fields: &Fields<'_>, architecture: Architecture) -> Result<(f64, Option<Llama3Scaling>)> {
    const DEFAULT_THETA: f64 = 10_000.0;
    const SUPPORTED: &str = "default, llama3";
    let outer_theta = fields.number("rope_theta")?.unwrap_or(DEFAULT_THETA);
    let mut found = None;
    for name in ["rope_scaling", "rope_parameters"] {
        let Some(value) = fields.get(name) else { continue };
        let object = value.as_object().ok_or_else(|| fields.mistyped(name, value, "an object"))?;
        if !object.is_empty() {
            found = Some((name, object));
            break;
        }
    }
    let Some((name, object)) = found else { return Ok((outer_theta, None)) };
    if let Some((layer_type, value)) = object.iter().find(|(_, value)| value.is_object()) {
        return Err(fields.unsupported(&format!("{name}.{layer_type}"), value, "one setting for all layers"));
    }
    let origin = format!("{}: {name}", fields.origin);
    let inner = Fields { fields: object, origin: &origin };
    let theta = inner.number("rope_theta")?.unwrap_or(outer_theta);
    match inner.get("partial_rotary_factor") {
        Some(value) if value.as_f64() != Some(1.0) => {
            return Err(fields.unsupported(
                &format!("{name}.partial_rotary_factor"),
                value,
                "1 (whole heads turn)",
            ));
        }
        _ => {}
    }
    let rope_type = inner.get("rope_type").or_else(|| inner.get("type"));
    match rope_type.map(|value| value.as_str()) {
        None | Some(Some("default")) => Ok((theta, None)),
        Some(Some("llama3")) => Ok((theta, Some(llama3(fields, &inner, architecture)?))),
        Some(_) => Err(fields.unsupported(
            &format!("{name}.rope_type"),
            rope_type.unwrap_or(&Value::Null),
            SUPPORTED,
        )),
    }
}

fn llama3(fields: &Fields<'_>, inner: &Fields<'_>, architecture: Architecture) -> Result<Llama3Scaling> {
    const ORIGINAL: &str = "original_max_position_embeddings";
    let original = match (fields.optional_size(ORIGINAL)?, inner.optional_size(ORIGINAL)?) {
        (Some(outer), _) => outer, // as transformers: the outer one wins
        (None, Some(inner)) => inner,
        (None, None) => max_positions(fields, architecture)?,
    };
    let scaling = Llama3Scaling {
        factor: inner.required_number("factor")?,
        low_freq_factor: inner.required_number("low_freq_factor")?,
        high_freq_factor: inner.required_number("high_freq_factor")?,
        original_max_position_embeddings: original,
    };
    let Llama3Scaling { factor, low_freq_factor: low, high_freq_factor: high, .. } = scaling;
    if !(factor >= 1.0 && low > 0.0 && high > low && factor.is_finite() && high.is_finite()) {
        return Err(inner.corrupt(&format!(
            "factor {factor}, low_freq_factor {low} and high_freq_factor {high} must satisfy \
             factor >= 1 and 0 < low < high"
        )));
    }
    Ok(scaling)
}
=======
>>>>>>> files
