//! Model tensors: one file or several, hashes, and what damage looks like to a person.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use seald_core::{Error, Kind};
use seald_engine::model_config::ModelConfig;
use seald_engine::weights::Weights;

type Tensors = BTreeMap<String, Tensor>;

fn config(tied: bool) -> ModelConfig {
    let text = serde_json::json!({
        "model_type": "qwen2", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": tied,
    });
    ModelConfig::from_json(&text.to_string(), "config.json").unwrap()
}

fn model(config: &ModelConfig) -> Tensors {
    let value = |(index, (name, shape)): (usize, (String, Vec<usize>))| {
        let count = shape.iter().product::<usize>();
        let start = index as f32 * 7.0;
        let tensor = Tensor::arange(start, start + count as f32, &Device::Cpu).unwrap().sin().unwrap();
        (name, tensor.reshape(shape).unwrap())
    };
    config.weight_shapes().enumerate().map(value).collect()
}

fn save(tensors: &Tensors, path: &Path) {
    candle_core::safetensors::save(&tensors.clone().into_iter().collect(), path).unwrap();
}

fn save_single(tensors: &Tensors) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    save(tensors, &dir.path().join("model.safetensors"));
    dir
}

/// Alternating tensors go to two shards.
fn save_sharded(tensors: &Tensors) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut map = serde_json::Map::new();
    let mut shards = [Tensors::new(), Tensors::new()];
    for (i, (name, tensor)) in tensors.iter().enumerate() {
        shards[i % 2].insert(name.clone(), tensor.clone());
        map.insert(name.clone(), format!("model-{}.safetensors", i % 2).into());
    }
    for (i, shard) in shards.iter().enumerate() {
        save(shard, &dir.path().join(format!("model-{i}.safetensors")));
    }
    let index = serde_json::json!({"metadata": {}, "weight_map": map});
    fs::write(dir.path().join("model.safetensors.index.json"), index.to_string()).unwrap();
    dir
}

#[track_caller]
fn expect(error: Error, kind: Kind, words: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "`{word}` is not in: {error}");
    }
}

#[test]
fn one_file_and_shards_are_the_same_model() {
    let config = config(false);
    let tensors = model(&config);
    let (single, sharded) = (save_single(&tensors), save_sharded(&tensors));
    let (single, sharded) = (Weights::open(single.path()).unwrap(), Weights::open(sharded.path()).unwrap());
    for weights in [&single, &sharded] {
        weights.check(&config).unwrap();
        for (name, tensor) in &tensors {
            let loaded = weights.load(name, tensor.dims(), DType::F32, &Device::Cpu).unwrap();
            let all = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(all(&loaded), all(tensor), "{name}");
            assert_eq!(weights.view(name, tensor.dims()).unwrap().bytes.len(), 4 * tensor.elem_count());
        }
    }
    assert_eq!(single.base_hash(), sharded.base_hash());
    assert_eq!(single.quick_fingerprint(), sharded.quick_fingerprint());
    assert_ne!(single.base_hash(), single.quick_fingerprint());
}

#[test]
fn hashes_notice_values_names_and_types() {
    let config = config(false);
    let original = model(&config);
    let dir = save_single(&original);
    let original_hashes = Weights::open(dir.path()).map(|w| (w.base_hash(), w.quick_fingerprint())).unwrap();
    let name = "model.layers.1.mlp.up_proj.weight";
    let changed = |tensor: Option<Tensor>, new_name: &str| {
        let mut tensors = original.clone();
        tensors.remove(name);
        tensors.insert(new_name.to_string(), tensor.unwrap_or_else(|| original[name].clone()));
        let dir = save_single(&tensors);
        Weights::open(dir.path()).map(|w| (w.base_hash(), w.quick_fingerprint())).unwrap()
    };
    assert_eq!(changed(None, name), original_hashes);
    for other in [
        changed(Some((&original[name] * 1.001).unwrap()), name),
        changed(Some(original[name].to_dtype(DType::BF16).unwrap()), name),
        changed(Some(original[name].reshape((32, 48)).unwrap()), name),
        changed(None, "model.layers.1.mlp.up_proj.weighu"),
    ] {
        assert_ne!(other.0, original_hashes.0);
        assert_ne!(other.1, original_hashes.1);
    }
}

#[test]
fn the_quick_fingerprint_reads_both_ends_of_a_tensor_and_the_hash_all_of_it() {
    let hashes = |changed: Option<usize>| {
        let mut values = vec![0f32; 5000]; // 20,000 bytes; the ends are 1024 values each
        if let Some(index) = changed {
            values[index] = 1.0;
        }
        let tensor = Tensor::from_vec(values, 5000, &Device::Cpu).unwrap();
        let dir = save_single(&Tensors::from([("t".to_string(), tensor)]));
        let weights = Weights::open(dir.path()).unwrap();
        (weights.quick_fingerprint(), weights.base_hash())
    };
    let original = hashes(None);
    for (index, in_an_end) in [(0, true), (1023, true), (2500, false), (4999 - 1023, true), (4999, true)] {
        let changed = hashes(Some(index));
        assert_eq!(changed.0 != original.0, in_an_end, "value {index}");
        assert_ne!(changed.1, original.1, "value {index}");
    }
}

#[test]
fn half_precision_is_widened_and_other_types_are_refused() {
    let config = config(true);
    let name = "model.norm.weight";
    for dtype in [DType::BF16, DType::F16] {
        let mut tensors = model(&config);
        let half = tensors[name].to_dtype(dtype).unwrap();
        tensors.insert(name.to_string(), half.clone());
        let dir = save_single(&tensors);
        let weights = Weights::open(dir.path()).unwrap();
        assert_eq!(weights.view(name, &[32]).unwrap().dtype, dtype);
        let loaded = weights.load(name, &[32], DType::F32, &Device::Cpu).unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(loaded, half.to_dtype(DType::F32).unwrap().to_vec1::<f32>().unwrap());
    }
    let mut tensors = model(&config);
    tensors.insert(name.to_string(), tensors[name].to_dtype(DType::F64).unwrap());
    let dir = save_single(&tensors);
    let error = Weights::open(dir.path()).unwrap().check(&config).unwrap_err();
    expect(error, Kind::Unsupported, &[name, "F64", "BF16"]);
}

#[test]
fn extra_tensors_are_no_error() {
    let mut tensors = model(&config(false));
    tensors.insert("model.rotary_emb.inv_freq".into(), Tensor::zeros(4, DType::F32, &Device::Cpu).unwrap());
    let dir = save_single(&tensors);
    Weights::open(dir.path()).unwrap().check(&config(true)).unwrap();
}

#[test]
fn missing_tensors_and_wrong_shapes_are_named_before_loading() {
    let tied = config(true);
    let check = |tensors: &Tensors, config: &ModelConfig| {
        let dir = save_single(tensors);
        Weights::open(dir.path()).unwrap().check(config).unwrap_err()
    };
    let mut tensors = model(&tied);
    expect(check(&tensors, &config(false)), Kind::Corrupt, &["lm_head.weight", "tie_word_embeddings"]);
    let name = "model.layers.1.mlp.down_proj.weight";
    tensors.insert(name.to_string(), tensors[name].t().unwrap().contiguous().unwrap());
    expect(check(&tensors, &tied), Kind::Corrupt, &[name, "[48, 32]", "[32, 48]"]);
    tensors.remove(name);
    expect(check(&tensors, &tied), Kind::Corrupt, &[name, "incomplete"]);

    let renamed = |rename: &dyn Fn(&str) -> String| -> Tensors {
        model(&tied).into_iter().map(|(name, tensor)| (rename(&name), tensor)).collect()
    };
    let peft = renamed(&|name| format!("base_model.model.{name}"));
    expect(check(&peft, &tied), Kind::Corrupt, &["base_model.model.model.embed_tokens.weight", "merge"]);
    let bare = renamed(&|name| name.replacen("model.", "", 1));
    expect(check(&bare, &tied), Kind::Corrupt, &["there is embed_tokens.weight"]);
}

#[test]
fn damaged_and_missing_files_are_named() {
    let tensors = model(&config(false));
    let single = save_single(&tensors);
    let path = single.path().join("model.safetensors");
    let whole = fs::read(&path).unwrap();
    for length in [0, 4, 100, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = Weights::open(single.path()).unwrap_err();
        expect(error, Kind::Corrupt, &["model.safetensors", "truncated", "download it again"]);
    }

    let sharded = save_sharded(&tensors);
    let index = sharded.path().join("model.safetensors.index.json");
    let text = fs::read_to_string(&index).unwrap();
    fs::write(&index, text.replace("\"lm_head.weight\"", "\"lm_tail.weight\"")).unwrap();
    let error = Weights::open(sharded.path()).unwrap_err();
    expect(error, Kind::Corrupt, &["lm_tail.weight", "model-0.safetensors"]);
    fs::write(&index, text.replace("model-0.safetensors", "../model-0.safetensors")).unwrap();
    expect(Weights::open(sharded.path()).unwrap_err(), Kind::Corrupt, &["../model-0.safetensors"]);
    fs::write(&index, &text[..20]).unwrap();
    expect(Weights::open(sharded.path()).unwrap_err(), Kind::Corrupt, &["index.json"]);
    fs::write(&index, &text).unwrap();
    fs::remove_file(sharded.path().join("model-1.safetensors")).unwrap();
    expect(Weights::open(sharded.path()).unwrap_err(), Kind::NotFound, &["model-1.safetensors", "index"]);

    let empty = tempfile::tempdir().unwrap();
    expect(Weights::open(empty.path()).unwrap_err(), Kind::NotFound, &["model.safetensors"]);
    fs::write(empty.path().join("pytorch_model.bin"), b"").unwrap();
    expect(
        Weights::open(empty.path()).unwrap_err(),
        Kind::Unsupported,
        &["pytorch_model.bin", "safetensors"],
    );
}

#[test]
fn an_embedded_model_reads_like_a_file() {
    let config = config(true);
    let dir = save_single(&model(&config));
    let bytes: &'static [u8] = Vec::leak(fs::read(dir.path().join("model.safetensors")).unwrap());
    let embedded = Weights::from_static(bytes).unwrap();
    embedded.check(&config).unwrap();
    assert_eq!(embedded.base_hash(), Weights::open(dir.path()).unwrap().base_hash());
    expect(Weights::from_static(&bytes[..9]).unwrap_err(), Kind::Corrupt, &["embedded"]);
}

#[test]
fn a_named_pipe_in_place_of_a_file_is_refused_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = |name: &str| {
        let made = std::process::Command::new("mkfifo").arg(dir.path().join(name)).status().unwrap();
        assert!(made.success());
    };
    pipe("config.json");
    pipe("model.safetensors");
    pipe("tokenizer.json");
    for error in [
        ModelConfig::from_dir(dir.path()).unwrap_err(),
        Weights::open(dir.path()).unwrap_err(),
        seald_engine::tokenizer::Tokenizer::from_dir(dir.path()).unwrap_err(),
    ] {
        assert!(error.to_string().contains("is not a regular file"), "{error}");
    }
}
