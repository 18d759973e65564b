//! Adapters that are not loaded: damaged, made for another model, or more than plain LoRA.

use std::fs;

use candle_core::Device;
use seald_core::Kind;
use seald_engine::adapter_files::{LoadOptions, load, save};
use seald_engine::lora::TargetModules;
use seald_engine::model_config::ModelConfig;
use serde_json::json;

use super::{copy, expect, fixture, fresh, json_file, meta, model, read};

#[test]
fn an_adapter_with_a_value_that_is_not_finite_is_neither_saved_nor_loaded() {
    let out = tempfile::tempdir().unwrap();
    let mut adapter = fresh(TargetModules::AllLinear);
    let b = &mut adapter.layers[1][0].as_mut().unwrap().b;
    *b = b.affine(f64::INFINITY, 0.0).unwrap();
    let error = save(&adapter, &out.path().join("a"), &meta()).unwrap_err();
    assert_eq!(error.kind(), Kind::Diverged);
    assert!(error.to_string().contains("layers.1.self_attn.q_proj.lora_B"), "{error}");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);

    let dir = copy("plain", json!({}));
    let path = dir.path().join("adapter_model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    expect(read(dir.path()), Kind::Corrupt, &["not finite", "v_proj.lora_B"]);
}

#[test]
fn another_base_model_is_a_conflict_unless_allowed() {
    let out = tempfile::tempdir().unwrap();
    let dir = out.path().join("a");
    save(&fresh(TargetModules::AllLinear), &dir, &meta()).unwrap();
    let with = |fingerprint, allow_other_base| {
        let options = LoadOptions { base_fingerprint: Some(fingerprint), allow_other_base };
        load(&dir, &model(), options, &Device::Cpu)
    };
    with("abc", false).unwrap();
    expect(with("xyz", false), Kind::Conflict, &["abc", "xyz", "base model"]);
    with("xyz", true).unwrap();
}

#[test]
fn damage_is_found_and_named() {
    let out = tempfile::tempdir().unwrap();
    let dir = out.path().join("a");
    save(&fresh(TargetModules::AllLinear), &dir, &meta()).unwrap();
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        let whole = fs::read(dir.join(file)).unwrap();
        let mut damaged = whole.clone();
        let last = damaged.len() - 3;
        damaged[last] ^= 1;
        fs::write(dir.join(file), damaged).unwrap();
        expect(read(&dir), Kind::Corrupt, &["seald.json", "content_hash", "copy the adapter again"]);
        fs::write(dir.join(file), whole).unwrap();
    }
    let manifest = json_file(&dir.join("seald.json"));
    let mut later = manifest.clone();
    later["format_version"] = json!(2);
    fs::write(dir.join("seald.json"), later.to_string()).unwrap();
    expect(read(&dir), Kind::Unsupported, &["seald.json", "format_version", "2"]);
    fs::write(dir.join("seald.json"), &manifest.to_string()[..30]).unwrap();
    expect(read(&dir), Kind::Corrupt, &["seald.json"]);

    let dir = copy("plain", json!({}));
    let path = dir.path().join("adapter_model.safetensors");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 10]).unwrap();
    expect(read(dir.path()), Kind::Corrupt, &["adapter_model.safetensors", "truncated"]);
    fs::remove_file(&path).unwrap();
    expect(read(dir.path()), Kind::NotFound, &["adapter_model.safetensors"]);
    fs::write(dir.path().join("adapter_model.bin"), b"").unwrap();
    expect(read(dir.path()), Kind::Unsupported, &["adapter_model.bin", "save_pretrained"]);
    fs::write(dir.path().join("adapter_config.json"), b"{").unwrap();
    fs::write(&path, &whole).unwrap();
    expect(read(dir.path()), Kind::Corrupt, &["adapter_config.json"]);
    fs::remove_file(dir.path().join("adapter_config.json")).unwrap();
    expect(read(dir.path()), Kind::NotFound, &["adapter_config.json"]);
}

#[test]
fn tensors_that_do_not_fit_the_model_or_the_configuration_are_named() {
    let q = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
    let rank = copy("plain", json!({"r": 5}));
    expect(read(rank.path()), Kind::Corrupt, &[q, "[4, 32]", "[5, 32]"]);
    let more = copy("plain", json!({"target_modules": ["q_proj", "v_proj", "o_proj"]}));
    expect(read(more.path()), Kind::Corrupt, &["o_proj.lora_A", "missing", "target_modules"]);
    let fewer = copy("plain", json!({"target_modules": ["q_proj"]}));
    expect(read(fewer.path()), Kind::Unsupported, &["v_proj.lora_A", "target_modules"]);
    let wider = ModelConfig { hidden_size: 40, ..model() };
    expect(
        load(&fixture("plain"), &wider, LoadOptions::default(), &Device::Cpu),
        Kind::Corrupt,
        &[q, "[4, 40]"],
    );
    let deeper = ModelConfig { num_hidden_layers: 3, ..model() };
    let deeper = load(&fixture("plain"), &deeper, LoadOptions::default(), &Device::Cpu);
    expect(deeper, Kind::Corrupt, &["layers.2", "missing"]);
}

#[test]
fn everything_but_plain_lora_is_refused_by_name() {
    expect(read(&fixture("dora")), Kind::Unsupported, &["use_dora", "true"]);
    expect(read(&fixture("modules_to_save")), Kind::Unsupported, &["modules_to_save", "lm_head"]);
    // Even where the configuration hides it, the tensors show it.
    expect(
        read(copy("dora", json!({"use_dora": false})).path()),
        Kind::Unsupported,
        &["magnitude_vector", "DoRA"],
    );
    expect(
        read(copy("modules_to_save", json!({"modules_to_save": []})).path()),
        Kind::Unsupported,
        &["lm_head"],
    );
    for (key, value) in [
        ("peft_type", json!("LOHA")),
        ("task_type", json!("SEQ_CLS")),
        ("bias", json!("lora_only")),
        ("fan_in_fan_out", json!(true)),
        ("lora_bias", json!(true)),
        ("use_qalora", json!(true)),
        ("use_bdlora", json!({"nblocks": 2})),
        ("megatron_config", json!({"a": 1})),
        ("alora_invocation_tokens", json!([1, 2])),
        ("trainable_token_indices", json!([1])),
        ("layer_replication", json!([[0, 1]])),
        ("target_parameters", json!(["mlp.experts"])),
        ("arrow_config", json!({"top_k": 3})),
        ("kasa_config", json!({"beta": 1e-4})),
        ("velora_config", json!({"scale": 1.0})),
        ("monteclora_config", json!({"n": 1})),
        ("a_key_of_tomorrow", json!(0.5)),
        ("layers_pattern", json!("blocks")),
        ("init_lora_weights", json!("pissa_niter_16")),
        ("init_lora_weights", json!("olora")),
        ("init_lora_weights", json!("loftq")),
        ("init_lora_weights", json!("corda")),
        ("init_lora_weights", json!("lora_ga")),
    ] {
        let word = value.to_string();
        expect(
            read(copy("plain", json!({key: value})).path()),
            Kind::Unsupported,
            &[key, &word, "adapter_config.json"],
        );
    }
    for (key, value) in [
        ("target_modules", json!(null)),
        ("r", json!(null)),
        ("lora_alpha", json!("8")),
        ("peft_type", json!(null)),
    ] {
        expect(read(copy("plain", json!({key: value})).path()), Kind::Corrupt, &[key, "adapter_config.json"]);
    }
    expect(read(copy("plain", json!({"r": 0})).path()), Kind::Invalid, &["rank is 0", "adapter_config.json"]);
}
