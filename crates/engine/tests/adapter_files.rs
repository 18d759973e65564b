//! Adapters on disk: what PEFT saved is read to the value, what we save is what PEFT would have saved, and
//! everything else is refused by name.
//!
//! The fixtures in `tests/golden/peft` come from `tools/golden/peft_roundtrip.py fixtures`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::repository::repository;
use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;
use seald_core::files::StagedDir;
use seald_core::{Error, Kind};
use seald_engine::adapter_files::{AdapterMeta, LoadOptions, LoadedAdapter, load, save, write};
use seald_engine::lora::{Adapter, LoraConfig, TargetModules};
use seald_engine::model_config::{ModelConfig, module_name};
use serde_json::{Value, json};

mod refusals;

/// The shape of `tiny_model` in the script.
fn model() -> ModelConfig {
    let text = r#"{"model_type": "qwen2", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}"#;
    ModelConfig::from_json(text, "config.json").unwrap()
}

const READABLE: [&str; 6] = ["plain", "rslora", "patterns", "regex", "half", "layers"];

fn fixture(name: &str) -> PathBuf {
    repository().join("tests/golden/peft").join(name)
}

fn read(dir: &Path) -> Result<LoadedAdapter, Error> {
    load(dir, &model(), LoadOptions::default(), &Device::Cpu)
}

fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A writable copy of a fixture, its configuration changed (a null in `changes` is written as null).
fn copy(name: &str, changes: Value) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        fs::copy(fixture(name).join(file), dir.path().join(file)).unwrap();
    }
    change(dir.path(), changes);
    dir
}

fn change(dir: &Path, changes: Value) {
    let path = dir.join("adapter_config.json");
    let mut config = json_file(&path);
    for (key, value) in changes.as_object().unwrap() {
        config[key] = value.clone();
    }
    fs::write(path, config.to_string()).unwrap();
}

#[track_caller]
fn expect(result: Result<LoadedAdapter, Error>, kind: Kind, words: &[&str]) {
    let error = result.expect_err("must be refused");
    assert_eq!(error.kind(), kind, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "`{word}` is not in: {error}");
    }
}

/// `scale B (A x)` in f64 with the script's probe x.
fn update(a: &Tensor, b: &Tensor, scale: f32) -> Vec<f64> {
    let rows = |t: &Tensor| t.to_dtype(DType::F64).unwrap().to_vec2::<f64>().unwrap();
    let dot = |row: &Vec<f64>, x: &[f64]| row.iter().zip(x).map(|(a, b)| a * b).sum::<f64>();
    let x: Vec<f64> = (0..a.dims()[1]).map(|i| ((i % 7) as f64 - 3.0) / 4.0).collect();
    let hidden: Vec<f64> = rows(a).iter().map(|row| dot(row, &x)).collect();
    rows(b).iter().map(|row| f64::from(scale) * dot(row, &hidden)).collect()
}

#[test]
fn what_peft_saved_computes_what_peft_computed() {
    for name in READABLE {
        let adapter = read(&fixture(name)).unwrap().adapter;
        let expected = json_file(&fixture(name).join("expected.json"));
        let updates: BTreeMap<String, Vec<f64>> =
            serde_json::from_value(expected["updates"].clone()).unwrap();
        let found: BTreeMap<String, Vec<f64>> = adapter
            .matrices()
            .map(|(layer, projection, m)| (module_name(layer, projection), update(&m.a, &m.b, m.scale)))
            .collect();
        assert_eq!(found.keys().collect::<Vec<_>>(), updates.keys().collect::<Vec<_>>(), "{name}");
        for (module, expected) in &updates {
            let largest = expected.iter().fold(0f64, |m, x| m.max(x.abs()));
            assert!(largest > 1e-3, "{name}: the fixture of {module} shows nothing");
            for (found, expected) in found[module].iter().zip(expected) {
                // The scale is f32 with us, f64 in Python.
                assert!((found - expected).abs() <= 1e-6 * largest, "{name} {module}: {found} {expected}");
            }
        }
    }
}

#[test]
fn fixture_configurations_are_read_field_by_field() {
    let config = |name: &str| read(&fixture(name)).unwrap().adapter.config;
    let plain = config("plain");
    assert_eq!((plain.rank, plain.alpha, plain.dropout, plain.use_rslora), (4, 8.0, 0.05, false));
    assert!(config("rslora").use_rslora);
    assert!(matches!(config("regex").target_modules, TargetModules::Regex(_)));
    let patterns = config("patterns");
    assert_eq!(patterns.rank_pattern["q_proj"], 2);
    assert_eq!(patterns.alpha_pattern["down_proj"], 1.5);
    let only = TargetModules::List(vec!["model.layers.1.self_attn.q_proj".into()]);
    assert_eq!(config("layers").target_modules, only);
}

fn tensors(dir: &Path) -> BTreeMap<String, (Vec<usize>, Vec<u8>)> {
    let bytes = fs::read(dir.join("adapter_model.safetensors")).unwrap();
    let stored = SafeTensors::deserialize(&bytes).unwrap();
    stored.iter().map(|(name, t)| (name.to_string(), (t.shape().to_vec(), t.data().to_vec()))).collect()
}

#[test]
fn what_we_save_is_what_peft_saved() {
    let out = tempfile::tempdir().unwrap();
    for name in READABLE {
        let ours = out.path().join(name);
        let adapter = read(&fixture(name)).unwrap().adapter;
        save(&adapter, &ours, &AdapterMeta::default()).unwrap();
        let (mine, theirs) = (tensors(&ours), tensors(&fixture(name)));
        let shapes = |t: &BTreeMap<String, (Vec<usize>, Vec<u8>)>| {
            t.iter().map(|(name, (shape, _))| (name.clone(), shape.clone())).collect::<Vec<_>>()
        };
        assert_eq!(shapes(&mine), shapes(&theirs), "{name}");
        if !["regex", "half"].contains(&name) {
            assert_eq!(mine, theirs, "{name}: f32 values to the bit");
        }
        let (mine, theirs) = (ours.join("adapter_config.json"), fixture(name).join("adapter_config.json"));
        let (mine, theirs) = (json_file(&mine), json_file(&theirs));
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&mine), keys(&theirs), "{name}: PEFT's keys in PEFT's order");
        for (key, value) in mine.as_object().unwrap() {
            // Sets in PEFT, or expressed as a list of the modules that remain.
            if !["target_modules", "exclude_modules", "layers_to_transform"].contains(&key.as_str()) {
                assert_eq!(value, &theirs[key], "{name}: {key}");
            }
        }
    }
}

fn fresh(targets: TargetModules) -> Adapter {
    let config = LoraConfig { target_modules: targets, dropout: 0.1, ..LoraConfig::default() };
    let mut adapter = Adapter::init(&config, &model(), 3, &Device::Cpu).unwrap();
    for matrices in adapter.layers.iter_mut().flatten().flatten() {
        matrices.b = Tensor::ones_like(&matrices.b).unwrap().affine(0.5, 0.25).unwrap();
    }
    adapter
}

fn meta() -> AdapterMeta {
    AdapterMeta {
        base_model: Some("models/tiny".into()),
        base_fingerprint: Some("abc".into()),
        chat_template_hash: Some("def".into()),
    }
}

#[test]
fn saving_and_loading_keeps_everything_and_the_bytes_are_the_same() {
    let out = tempfile::tempdir().unwrap();
    let adapter = fresh(TargetModules::AllLinear);
    let hash = save(&adapter, &out.path().join("a"), &meta()).unwrap();
    assert_eq!(save(&adapter, &out.path().join("b"), &meta()).unwrap(), hash);
    for file in ["adapter_config.json", "adapter_model.safetensors", "seald.json"] {
        let bytes = |name: &str| fs::read(out.path().join(name).join(file)).unwrap();
        assert_eq!(bytes("a"), bytes("b"), "{file}");
    }
    let loaded = read(&out.path().join("a")).unwrap();
    assert_eq!(loaded.adapter.config, adapter.config);
    assert_eq!(loaded.adapter.matrices().count(), 14);
    for ((_, _, mine), (_, _, theirs)) in adapter.matrices().zip(loaded.adapter.matrices()) {
        assert_eq!(mine.scale, theirs.scale);
        for (x, y) in [(&mine.a, &theirs.a), (&mine.b, &theirs.b)] {
            assert_eq!(x.to_vec2::<f32>().unwrap(), y.to_vec2::<f32>().unwrap());
        }
    }
    let manifest = loaded.manifest.unwrap();
    assert_eq!(manifest.content_hash, hash);
    assert_eq!(manifest.base_fingerprint, meta().base_fingerprint);
    assert_eq!(manifest.chat_template_hash, meta().chat_template_hash);
    let config = json_file(&out.path().join("a/adapter_config.json"));
    assert_eq!(config["base_model_name_or_path"], "models/tiny");
    assert_eq!(config["target_modules"].as_array().unwrap().len(), 7);
    assert_eq!(config["lora_alpha"].to_string(), "32");
    assert_eq!(config["lora_dropout"].to_string(), "0.1");
}

#[test]
fn saving_does_not_overwrite_but_can_replace() {
    let out = tempfile::tempdir().unwrap();
    let dir = out.path().join("gen-000001");
    save(&fresh(TargetModules::AllLinear), &dir, &meta()).unwrap();
    let other = fresh(TargetModules::List(vec!["q_proj".into()]));
    assert_eq!(save(&other, &dir, &meta()).unwrap_err().kind(), Kind::Conflict);
    let staged = StagedDir::replacing(out.path(), "gen-000001").unwrap();
    write(&other, &staged, &meta()).unwrap();
    staged.publish().unwrap();
    assert_eq!(read(&dir).unwrap().adapter.matrices().count(), 2);
}

#[test]
fn keys_that_say_nothing_are_no_hindrance() {
    read(
        copy(
            "plain",
            json!({"a_key_of_tomorrow": null, "another": false, "list": [], "object": {}, "text": ""}),
        )
        .path(),
    )
    .unwrap();
    for init in [json!("gaussian"), json!("eva"), json!("mica"), json!("orthogonal"), json!(false)] {
        read(copy("plain", json!({"init_lora_weights": init, "eva_config": {"rho": 2.0}})).path()).unwrap();
    }
}

#[test]
fn other_notations_of_the_same_targets_are_the_same_adapter() {
    let names = |dir: &Path| {
        let adapter = read(dir).unwrap().adapter;
        adapter
            .matrices()
            .map(|(layer, projection, m)| (module_name(layer, projection), m.scale))
            .collect::<Vec<_>>()
    };
    let whole = names(&fixture("patterns"));
    assert_eq!(names(copy("patterns", json!({"target_modules": "All-Linear"})).path()), whole);
    let plain = names(&fixture("plain"));
    for changes in [
        json!({"target_modules": r".*\.(q|v)_proj"}),
        json!({"layers_to_transform": [0, 1]}),
        json!({"target_modules": "all-linear", "exclude_modules": r".*mlp.*|.*\.[ko]_proj"}),
        json!({"target_modules": ["q_proj", "v_proj", "lm_head"], "exclude_modules": ["lm_head"]}),
    ] {
        assert_eq!(names(copy("plain", changes).path()), plain);
    }
    assert_eq!(
        names(copy("layers", json!({"layers_to_transform": 1, "layers_pattern": ["layers"]})).path()).len(),
        1
    );
    expect(
        read(copy("plain", json!({"target_modules": ".*", "layers_to_transform": [0]})).path()),
        Kind::Corrupt,
        &["layers_to_transform"],
    );
    expect(
        read(
            copy("plain", json!({"target_modules": ["q_proj", "lm_head"], "layers_to_transform": [0]}))
                .path(),
        ),
        Kind::Unsupported,
        &["lm_head"],
    );
}

#[test]
fn in_a_file_that_is_not_sorted_the_first_pattern_wins_as_in_peft() {
    let dir = copy("plain", json!({}));
    let scale = |alphas: &str| {
        let path = dir.path().join("adapter_config.json");
        let mut config = json_file(&path);
        config["alpha_pattern"] = serde_json::from_str(alphas).unwrap();
        fs::write(path, config.to_string()).unwrap();
        read(dir.path()).unwrap().adapter.matrices().map(|(_, _, m)| m.scale).collect::<Vec<_>>()
    };
    assert_eq!(scale(r#"{"q_proj": 4, ".*_proj": 12}"#), [1.0, 3.0, 1.0, 3.0]);
    assert_eq!(scale(r#"{".*_proj": 12, "q_proj": 4}"#), [3.0, 3.0, 3.0, 3.0]);
}

/// Needs Python with peft (`SEALD_PYTHON`, else `python3`): run with `cargo test -- --ignored real_peft`.
#[test]
#[ignore = "needs Python with torch, transformers and peft"]
fn real_peft_computes_with_our_files_what_it_computes_with_its_own() {
    let out = tempfile::tempdir().unwrap();
    let python = std::env::var("SEALD_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = repository().join("tools/golden/peft_roundtrip.py");
    let run = |arguments: &[&Path]| {
        let output = Command::new(&python).arg(&script).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}");
    };
    let base = out.path().join("base");
    run(&["model".as_ref(), &base]);
    for name in READABLE {
        let ours = out.path().join(name);
        let adapter = read(&fixture(name)).unwrap().adapter;
        save(&adapter, &ours, &meta()).unwrap();
        run(&["same".as_ref(), &base, &ours, &fixture(name)]);
    }
    let fresh_dir = out.path().join("fresh");
    save(&fresh(TargetModules::AllLinear), &fresh_dir, &meta()).unwrap();
    let logits = out.path().join("logits.safetensors");
    run(&["logits".as_ref(), &base, &fresh_dir, "--out".as_ref(), &logits]);
    assert_eq!(
        SafeTensors::deserialize(&fs::read(logits).unwrap()).unwrap().tensor("logits").unwrap().shape(),
        [7, 64]
    );
}
