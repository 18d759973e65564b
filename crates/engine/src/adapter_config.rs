//! `adapter_config.json` as PEFT 0.21 writes and reads it, for plain LoRA.
//!
//! The rule of `model_config` holds here too: a key that changes what the adapter computes is honoured or
//! refused by name, and so is a key of a later PEFT that we do not know, unless it is empty.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::lora::{self, LoraConfig, Projection, TargetModules};
use crate::model_config::ModelConfig;
use seald_core::error::{Error, Kind, Result};

/// The PEFT whose keys and defaults these are.
const PEFT_VERSION: &str = "0.21.2";

/// Keys that do not change what a saved adapter computes.
const IGNORED: [&str; 13] = [
    "auto_mapping",
    "base_model_name_or_path",
    "corda_config", // this and the next three: only with the `init_lora_weights` of that name, which is looked at
    "eva_config",
    "loftq_config",
    "lora_ga_config",
    "ensure_weight_tying", // speaks of targets that are refused anyway
    "inference_mode",
    "megatron_core", // the module's name, also where `megatron_config` is null
    "peft_version",
    "qalora_group_size", // only with `use_qalora`
    "revision",
    "runtime_config",
];

/// Keys that [`parse`] reads.
const HONOURED: [&str; 14] = [
    "alpha_pattern",
    "bias",
    "exclude_modules",
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "lora_dropout",
    "peft_type",
    "r",
    "rank_pattern",
    "target_modules",
    "task_type",
    "use_rslora",
];

/// The file's content: PEFT's keys in PEFT's order (sorted), two spaces of indentation.
pub(crate) fn render(config: &LoraConfig, base_model: Option<&str>) -> Result<Vec<u8>> {
    let target_modules = match &config.target_modules {
        TargetModules::AllLinear => json!(Projection::ALL.map(Projection::name)),
        TargetModules::List(names) => json!(names),
        TargetModules::Regex(expression) => json!(expression),
    };
    let alphas: Map<String, Value> =
        config.alpha_pattern.iter().map(|(key, &alpha)| (key.clone(), number(alpha))).collect();
    // The shortest decimal that is this f32: 0.05, not 0.05000000074505806.
    let dropout = config.dropout.to_string().parse::<f64>().unwrap_or(f64::from(config.dropout));
    let mut keys = BTreeMap::from([
        ("alpha_pattern", json!(alphas)),
        ("base_model_name_or_path", json!(base_model)),
        ("bias", json!("none")),
        ("inference_mode", json!(true)),
        ("init_lora_weights", json!(true)),
        ("loftq_config", json!({})),
        ("lora_alpha", number(config.alpha)),
        ("lora_dropout", json!(dropout)),
        ("megatron_core", json!("megatron.core")),
        ("peft_type", json!("LORA")),
        ("peft_version", json!(PEFT_VERSION)),
        ("qalora_group_size", json!(16)),
        ("r", json!(config.rank)),
        ("rank_pattern", json!(config.rank_pattern)),
        ("target_modules", target_modules),
        ("task_type", json!("CAUSAL_LM")),
        ("use_rslora", json!(config.use_rslora)),
    ]);
    for key in ["ensure_weight_tying", "fan_in_fan_out", "lora_bias", "use_dora", "use_qalora"] {
        keys.insert(key, json!(false));
    }
    for key in ["alora_invocation_tokens", "arrow_config", "auto_mapping", "corda_config", "eva_config"]
        .into_iter()
        .chain([
            "exclude_modules",
            "kasa_config",
            "layer_replication",
            "layers_pattern",
            "layers_to_transform",
        ])
        .chain(["lora_ga_config", "megatron_config", "modules_to_save", "monteclora_config", "revision"])
        .chain(["target_parameters", "trainable_token_indices", "use_bdlora", "velora_config"])
    {
        keys.insert(key, Value::Null);
    }
    serde_json::to_vec_pretty(&keys)
        .map_err(|e| Error::new(Kind::Internal, "cannot write adapter_config.json").with_source(e))
}

/// Whole numbers without a point: PEFT's types, and vLLM's, say `int`.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 { json!(value as i64) } else { json!(value) }
}

/// Reads the file's content. `exclude_modules` and `layers_to_transform` are honoured by listing the modules
/// of `model` that remain.
///
/// Errors: [`Kind::Corrupt`] for damage and values of the wrong type, [`Kind::Unsupported`] for what is not
/// plain LoRA, naming key and value.
pub(crate) fn parse(content: &[u8], origin: &str, model: &ModelConfig) -> Result<LoraConfig> {
    let keys: Map<String, Value> = serde_json::from_slice(content).map_err(|e| {
        Error::new(Kind::Corrupt, format!("{origin} is not a JSON object: copy the adapter again"))
            .with_source(e)
    })?;
    let keys = Keys { keys: &keys, origin };
    refuse_unsupported(&keys)?;
    let target_modules = target_modules(&keys, model)?;
    let rank: usize = keys.typed("r")?.ok_or_else(|| keys.corrupt("r is missing"))?;
    let config = LoraConfig {
        rank,
        alpha: keys.typed("lora_alpha")?.ok_or_else(|| keys.corrupt("lora_alpha is missing"))?,
        use_rslora: keys.typed("use_rslora")?.unwrap_or(false),
        dropout: keys.typed("lora_dropout")?.unwrap_or(0.0),
        target_modules,
        rank_pattern: pattern(&keys, "rank_pattern", model)?,
        alpha_pattern: pattern(&keys, "alpha_pattern", model)?,
    };
    config.validate().map_err(|e| e.context(origin))?;
    Ok(config)
}

struct Keys<'a> {
    keys: &'a Map<String, Value>,
    origin: &'a str,
}

impl<'a> Keys<'a> {
    /// The value, unless it says nothing: null, false, or an empty string, list or object.
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.keys.get(key).filter(|value| !is_empty(value))
    }

    fn typed<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let Some(value) = self.keys.get(key).filter(|value| !value.is_null()) else { return Ok(None) };
        match serde_json::from_value(value.clone()) {
            Ok(typed) => Ok(Some(typed)),
            Err(e) => Err(self.corrupt(&format!("{key} is {value}")).with_source(e)),
        }
    }

    fn corrupt(&self, what: &str) -> Error {
        Error::new(Kind::Corrupt, format!("{}: {what}", self.origin))
    }

    fn unsupported(&self, key: &str, value: &Value, supported: &str) -> Error {
        let text = format!(
            "{}: {key} is {value}, which seald does not compute; supported: {supported}",
            self.origin
        );
        Error::new(Kind::Unsupported, text)
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

fn refuse_unsupported(keys: &Keys<'_>) -> Result<()> {
    for (key, supported) in [("peft_type", "LORA"), ("task_type", "CAUSAL_LM"), ("bias", "none")] {
        match keys.get(key) {
            Some(value) if value.as_str() != Some(supported) => {
                return Err(keys.unsupported(key, value, supported));
            }
            None if key == "peft_type" => {
                return Err(keys.corrupt("peft_type is missing: is it a PEFT adapter?"));
            }
            _ => {}
        }
    }
    if let Some(value) = keys.get("init_lora_weights") {
        // These begin elsewhere but leave the base alone; PiSSA, OLoRA, LoftQ, CorDA and LoRA-GA change it.
        let harmless = ["gaussian", "orthogonal", "eva", "mica"];
        if value != &Value::Bool(true) && !value.as_str().is_some_and(|name| harmless.contains(&name)) {
            let supported = "initialisations that leave the base model as it is; convert it with PEFT's \
                             `save_pretrained(path_initial_model_for_weight_conversion=...)`";
            return Err(keys.unsupported("init_lora_weights", value, supported));
        }
    }
    for key in keys.keys.keys() {
        let known = HONOURED.contains(&key.as_str()) || IGNORED.contains(&key.as_str());
        if let (false, Some(value)) = (known, keys.get(key)) {
            return Err(keys.unsupported(key, value, "plain LoRA on linear layers, without this key"));
        }
    }
    Ok(())
}

fn target_modules(keys: &Keys<'_>, model: &ModelConfig) -> Result<TargetModules> {
    let targets = match keys.get("target_modules") {
        None => {
            let text =
                "target_modules is empty: list the adapted layers, for example [\"q_proj\", \"v_proj\"]";
            return Err(keys.corrupt(text));
        }
        Some(Value::String(text)) if text.eq_ignore_ascii_case("all-linear") => TargetModules::AllLinear,
        Some(Value::String(text)) => TargetModules::Regex(text.clone()),
        Some(_) => {
            let names: Vec<String> = keys.typed("target_modules")?.unwrap_or_default();
            let all: BTreeSet<&str> = Projection::ALL.map(Projection::name).into();
            let is_all = names.iter().map(String::as_str).collect::<BTreeSet<_>>() == all;
            if is_all { TargetModules::AllLinear } else { TargetModules::List(names) }
        }
    };
    restrict(keys, targets, model)
}

/// Applies `exclude_modules` and `layers_to_transform` (`check_target_module_exists` in PEFT).
fn restrict(keys: &Keys<'_>, targets: TargetModules, model: &ModelConfig) -> Result<TargetModules> {
    let excluded = match keys.get("exclude_modules") {
        None => TargetModules::List(Vec::new()),
        Some(Value::String(text)) => TargetModules::Regex(text.clone()),
        Some(_) => TargetModules::List(keys.typed("exclude_modules")?.unwrap_or_default()),
    };
    let layers: Option<Vec<usize>> = match keys.get("layers_to_transform") {
        None => None,
        Some(Value::Number(_)) => keys.typed("layers_to_transform")?.map(|layer| vec![layer]),
        Some(_) => keys.typed("layers_to_transform")?,
    };
    match keys.get("layers_pattern") {
        Some(value) if value != &json!("layers") && value != &json!(["layers"]) => {
            return Err(keys.unsupported("layers_pattern", value, "layers"));
        }
        _ => {}
    }
    if layers.is_some() && matches!(targets, TargetModules::Regex(_)) {
        return Err(keys.corrupt("layers_to_transform cannot stand beside an expression in target_modules"));
    }
    if layers.is_none() && excluded == TargetModules::List(Vec::new()) {
        return Ok(targets);
    }
    let (wanted, unwanted) = (targets.matcher()?, excluded.matcher()?);
    // The two outside the blocks stay listed, so that `LoraConfig::targets` refuses them.
    let outside = ["lm_head", "model.embed_tokens"].map(|name| (None, name.to_string()));
    let inside = model.modules().map(|(layer, _, name)| (Some(layer), name));
    let mut names = Vec::new();
    for (layer, name) in outside.into_iter().chain(inside) {
        // A name given in full counts in every layer.
        let named = matches!(&targets, TargetModules::List(list) if list.contains(&name));
        let in_layer =
            layers.as_ref().is_none_or(|layers| layer.is_some_and(|layer| layers.contains(&layer)));
        if (named || in_layer) && wanted(&name)? && !unwanted(&name)? {
            names.push(name);
        }
    }
    Ok(TargetModules::List(names))
}

/// `rank_pattern` or `alpha_pattern`. PEFT takes the first key in the file that matches, we the first in
/// sorted order. PEFT writes its files sorted; for one that is not, each module gets its own key.
fn pattern<T>(keys: &Keys<'_>, key: &str, model: &ModelConfig) -> Result<BTreeMap<String, T>>
where
    T: serde::de::DeserializeOwned + Copy,
{
    let values: BTreeMap<String, T> = keys.typed(key)?.unwrap_or_default();
    let in_file: Vec<&String> =
        keys.keys.get(key).and_then(Value::as_object).map(|m| m.keys().collect()).unwrap_or_default();
    if in_file.is_sorted() {
        return Ok(values);
    }
    let mut by_module = BTreeMap::new();
    for name in model.module_names() {
        for expression in &in_file {
            if lora::pattern_matches(key, expression, &name)? {
                by_module.insert(name.replace('.', r"\."), values[*expression]);
                break;
            }
        }
    }
    Ok(by_module)
}
