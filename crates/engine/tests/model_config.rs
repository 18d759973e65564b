//! `config.json`: what is honoured, and that everything else is refused by name.

use crate::repository::repository;
use seald_core::{Error, Kind};
use seald_engine::model_config::{Architecture, Llama3Scaling, ModelConfig};
use serde_json::{Value, json};

/// A small Llama with `changes` laid over it (`null` in `changes` stays null).
fn parse(changes: Value) -> Result<ModelConfig, Error> {
    let mut config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 64, "hidden_size": 32,
        "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "max_position_embeddings": 128, "hidden_act": "silu",
    });
    for (name, value) in changes.as_object().unwrap() {
        config[name] = value.clone();
    }
    ModelConfig::from_json(&config.to_string(), "config.json")
}

fn family(class: &str, model_type: &str, mut changes: Value) -> Result<ModelConfig, Error> {
    changes["architectures"] = json!([class]);
    changes["model_type"] = json!(model_type);
    parse(changes)
}

#[track_caller]
fn refused(changes: Value, kind: Kind, words: &[&str]) {
    let error = parse(changes).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "`{word}` is not in: {error}");
    }
}

#[test]
fn llama_is_read_whole() {
    let config = parse(json!({"num_key_value_heads": null})).unwrap();
    assert_eq!(config.architecture, Architecture::Llama);
    assert_eq!((config.head_dim, config.num_key_value_heads), (8, 4));
    assert_eq!((config.q_width(), config.kv_width()), (32, 32));
    assert_eq!((config.rope_theta, config.rms_norm_eps), (500000.0, 1e-5));
    assert!(!config.qkv_bias && !config.o_bias && !config.mlp_bias && !config.qk_norm);
    assert!(!config.tie_word_embeddings, "the default of all three families");

    let config = parse(json!({"attention_bias": true, "mlp_bias": true, "head_dim": 16})).unwrap();
    assert!(config.qkv_bias && config.o_bias && config.mlp_bias);
    assert_eq!((config.q_width(), config.kv_width()), (64, 32));
}

#[test]
fn qwen_families_differ_in_bias_norms_and_head_width() {
    let changes = json!({"attention_bias": true, "mlp_bias": true, "sliding_window": 4096, "tie_word_embeddings": true});
    let qwen2 = family("Qwen2ForCausalLM", "qwen2", changes).unwrap();
    assert!(
        qwen2.qkv_bias && !qwen2.o_bias && !qwen2.mlp_bias && !qwen2.qk_norm && qwen2.tie_word_embeddings
    );
    assert_eq!(qwen2.head_dim, 8);

    let qwen3 = family("Qwen3ForCausalLM", "qwen3", json!({"use_sliding_window": false})).unwrap();
    assert!(!qwen3.qkv_bias && !qwen3.o_bias && qwen3.qk_norm);
    assert_eq!(qwen3.head_dim, 128, "transformers does not derive it in this family");
    let qwen3 = family("Qwen3ForCausalLM", "qwen3", json!({"attention_bias": true, "head_dim": 16})).unwrap();
    assert!(qwen3.qkv_bias && qwen3.o_bias);
    assert_eq!(qwen3.head_dim, 16);
}

#[test]
fn one_of_architectures_and_model_type_suffices() {
    assert_eq!(parse(json!({"architectures": null})).unwrap().architecture, Architecture::Llama);
    assert_eq!(parse(json!({"model_type": null})).unwrap().architecture, Architecture::Llama);
    refused(json!({"architectures": null, "model_type": null}), Kind::Corrupt, &["architectures"]);
    refused(json!({"model_type": "qwen2"}), Kind::Unsupported, &["model_type", "qwen2", "Llama"]);
}

#[test]
fn rope_is_read_in_both_notations() {
    let theta = |changes| parse(changes).unwrap().rope_theta;
    assert_eq!(theta(json!({"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}})), 1e6);
    assert_eq!(theta(json!({"rope_scaling": {"type": "default"}})), 500000.0);
    assert_eq!(theta(json!({"rope_scaling": {}, "rope_parameters": {"rope_theta": 7.0}})), 7.0);
    assert_eq!(theta(json!({"rope_theta": null})), 10_000.0);

    let values = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64, "rope_theta": 9.0});
    let expected = Llama3Scaling {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 64,
    };
    for name in ["rope_scaling", "rope_parameters"] {
        let config = parse(json!({name: values})).unwrap();
        assert_eq!(config.rope_scaling, Some(expected));
        assert_eq!(config.rope_theta, 9.0);
    }
    let mut values = values.clone();
    values.as_object_mut().unwrap().remove("original_max_position_embeddings");
    let config = parse(json!({"rope_scaling": values})).unwrap();
    assert_eq!(config.rope_scaling.unwrap().original_max_position_embeddings, 128);
}

#[test]
fn everything_that_changes_the_forward_pass_is_refused_by_name() {
    let no = Kind::Unsupported;
    for rope_type in ["yarn", "linear", "dynamic", "longrope"] {
        refused(
            json!({"rope_scaling": {"type": rope_type, "factor": 2.0}}),
            no,
            &[rope_type, "rope_scaling", "llama3"],
        );
        refused(json!({"rope_parameters": {"rope_type": rope_type}}), no, &[rope_type, "rope_parameters"]);
    }
    refused(json!({"rope_parameters": {"full_attention": {"rope_theta": 1.0}}}), no, &["full_attention"]);
    refused(
        json!({"rope_parameters": {"partial_rotary_factor": 0.5}}),
        no,
        &["partial_rotary_factor", "0.5"],
    );
    refused(json!({"partial_rotary_factor": 0.5}), no, &["partial_rotary_factor", "0.5"]);
    refused(json!({"use_sliding_window": true}), no, &["use_sliding_window", "true"]);
    refused(json!({"sliding_window": 4096}), no, &["sliding_window", "4096"]);
    refused(
        json!({"layer_types": ["full_attention", "sliding_attention"]}),
        no,
        &["layer_types", "sliding_attention"],
    );
    refused(
        json!({"quantization_config": {"quant_method": "gptq"}}),
        no,
        &["quantization_config", "gptq", "bf16"],
    );
    for name in ["num_experts", "num_local_experts", "n_routed_experts"] {
        refused(json!({name: 8}), no, &[name, "8", "dense"]);
    }
    refused(json!({"hidden_act": "gelu"}), no, &["hidden_act", "gelu", "silu"]);
    refused(json!({"pretraining_tp": 2}), no, &["pretraining_tp", "2"]);
    for class in ["Qwen3MoeForCausalLM", "MistralForCausalLM", "Qwen2ForSequenceClassification"] {
        refused(json!({"architectures": [class]}), no, &[class, "Qwen2ForCausalLM", "LlamaForCausalLM"]);
    }
    refused(json!({"architectures": null, "model_type": "gemma3"}), no, &["gemma3", "qwen3"]);

    parse(
        json!({"sliding_window": null, "num_experts": 0, "pretraining_tp": 1, "partial_rotary_factor": 1.0,
        "layer_types": ["full_attention", "full_attention"], "quantization_config": null}),
    )
    .unwrap();
}

#[test]
fn contradictions_are_corrupt() {
    for (changes, word) in [
        (json!({"num_attention_heads": 5, "num_key_value_heads": 5}), "hidden_size 32"),
        (json!({"num_key_value_heads": 3}), "num_key_value_heads 3"),
        (json!({"head_dim": 7}), "head_dim 7"),
        (json!({"hidden_size": 0}), "hidden_size"),
        (json!({"vocab_size": -1}), "vocab_size"),
        (json!({"intermediate_size": 1.5}), "intermediate_size"),
        (json!({"num_hidden_layers": null}), "num_hidden_layers is missing"),
        (json!({"num_hidden_layers": 1u64 << 40}), "num_hidden_layers"),
        (json!({"rms_norm_eps": 0.0}), "rms_norm_eps"),
        (json!({"rope_theta": -1.0}), "rope_theta"),
        (json!({"attention_bias": "yes"}), "attention_bias"),
        (json!({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}), "low_freq_factor"),
        (
            json!({"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4.0, "high_freq_factor": 1.0}}),
            "low < high",
        ),
    ] {
        refused(changes, Kind::Corrupt, &[word, "config.json"]);
    }
    assert_eq!(ModelConfig::from_json("{\"vocab", "config.json").unwrap_err().kind(), Kind::Corrupt);
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(ModelConfig::from_dir(empty.path()).unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn shapes_and_counts_follow_the_checkpoint_layout() {
    let config = family("Qwen2ForCausalLM", "qwen2", json!({})).unwrap();
    let shapes: std::collections::BTreeMap<_, _> = config.weight_shapes().collect();
    assert_eq!(shapes["model.layers.1.self_attn.k_proj.weight"], [16, 32]);
    assert_eq!(shapes["model.layers.1.self_attn.k_proj.bias"], [16]);
    assert_eq!(shapes["model.layers.0.mlp.down_proj.weight"], [32, 48]);
    assert_eq!(shapes["lm_head.weight"], [64, 32]);
    // embedding, head, final norm; a block: 2 norms, 7 weights, 3 biases
    assert_eq!(shapes.len(), 3 + 2 * 12);
    let block = 2 * 32 + (32 * 32 + 32) + 2 * (16 * 32 + 16) + 32 * 32 + 3 * 32 * 48;
    assert_eq!(config.parameter_count(), 2 * 64 * 32 + 32 + 2 * block);
    let tied = family("Qwen2ForCausalLM", "qwen2", json!({"tie_word_embeddings": true})).unwrap();
    assert_eq!(tied.parameter_count(), config.parameter_count() - 64 * 32);

    let names: Vec<_> = config.module_names().collect();
    assert_eq!(names.len(), 14);
    assert_eq!(names[7], "model.layers.1.self_attn.q_proj");
}

/// `tests/golden/configs` comes from `tools/golden/model_configs.py`.
#[test]
fn configurations_written_by_transformers_lead_to_the_same_tensors() {
    let dir = repository().join("tests/golden/configs");
    let files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 6);
    for path in files {
        let golden: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let name = path.display().to_string();
        let config = ModelConfig::from_json(&golden["config"].to_string(), &name).unwrap();
        let shapes: std::collections::BTreeMap<_, _> = config.weight_shapes().collect();
        assert_eq!(serde_json::to_value(&shapes).unwrap(), golden["shapes"], "{name}");
        assert_eq!(json!(config.parameter_count()), golden["parameters"], "{name}");
        assert_eq!(json!(config.rope_theta), golden["rope_theta"], "{name}");
        assert_eq!(config.rope_scaling.is_some(), golden["rope_type"] == "llama3", "{name}");
        let names: std::collections::BTreeSet<_> = config.module_names().collect();
        let linear: std::collections::BTreeSet<String> =
            serde_json::from_value(golden["linear"].clone()).unwrap();
        assert_eq!(names, linear, "{name}");
    }
}
