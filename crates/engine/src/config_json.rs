//! Reads `config.json`: finds the family, refuses what it does not compute, fills in the defaults.
//!
//! The rule: a field that would change the forward pass is either honoured or refused; nothing is guessed.
//! Defaults are those of transformers 5 (`configuration_{qwen2,qwen3,llama}.py`), where they differ between
//! families by family. One departure: Qwen without `num_key_value_heads` gets as many as query heads, as
//! Llama does, not 32; transformers always writes the field, and the weights' shapes are checked besides.

use serde_json::{Map, Value};

use crate::model_config::{Architecture, Llama3Scaling, ModelConfig};
use seald_core::error::{Error, Kind, Result};

/// Every family, with its name in `architectures` and its `model_type`.
const FAMILIES: [(Architecture, &str, &str); 3] = [
    (Architecture::Qwen2, "Qwen2ForCausalLM", "qwen2"),
    (Architecture::Qwen3, "Qwen3ForCausalLM", "qwen3"),
    (Architecture::Llama, "LlamaForCausalLM", "llama"),
];

/// Reads the content of a `config.json`; see [`ModelConfig::from_json`].
pub(crate) fn parse(content: &str, origin: &str) -> Result<ModelConfig> {
    let fields: Map<String, Value> = serde_json::from_str(content).map_err(|e| {
        Error::new(Kind::Corrupt, format!("{origin} is not a JSON object: download it again")).with_source(e)
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
    let config = ModelConfig {
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
    check(&config, &fields)?;
    Ok(config)
}

/// What no model can have, whatever its family.
fn check(config: &ModelConfig, fields: &Fields<'_>) -> Result<()> {
    let (heads, kv_heads) = (config.num_attention_heads, config.num_key_value_heads);
    if !heads.is_multiple_of(kv_heads) {
        let text = format!("num_key_value_heads {kv_heads} does not divide num_attention_heads {heads}");
        return Err(fields.corrupt(&text));
    }
    if !config.head_dim.is_multiple_of(2) {
        let text = format!("head_dim {} is odd: rotary embeddings turn pairs", config.head_dim);
        return Err(fields.corrupt(&text));
    }
    for (name, value) in [("rms_norm_eps", config.rms_norm_eps), ("rope_theta", config.rope_theta)] {
        if !(value.is_finite() && value > 0.0) {
            return Err(fields.corrupt(&format!("{name} is {value}, not a positive number")));
        }
    }
    Ok(())
}

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
            let known = FAMILIES.iter().find(|(_, name, _)| Some(*name) == class);
            Some(known.ok_or_else(|| fields.unsupported("architectures", value, SUPPORTED))?.0)
        }
    };
    let by_type = match fields.get("model_type") {
        None => None,
        Some(value) => {
            let known = FAMILIES.iter().find(|(_, _, name)| Some(*name) == value.as_str());
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
