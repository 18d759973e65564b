//! `merged`: the same logits as base and adapter, weights rounded once, everything else untouched.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use half::bf16;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use seald_core::domain::export::ExportFormat;
use seald_engine::decoder::{ActiveAdapter, Decoder};
use seald_engine::embedded::NANO;
use seald_engine::kernels::Compute;
use seald_engine::lora::{Adapter, LoraConfig, TargetModules};
use seald_engine::model::Model;
use seald_engine::model_config::ModelConfig;
use seald_engine::weights::Weights;

use super::Generation;
use crate::golden_models::{Golden, MODELS, flat, fused_f32, pack_rows, relative_error};

/// Scales of every kind: by rank, by its root, and one of its own for some layers.
pub(super) fn configs() -> Vec<LoraConfig> {
    let plain = LoraConfig { rank: 4, alpha: 8.0, ..LoraConfig::default() };
    let pattern =
        BTreeMap::from([("down_proj".to_string(), 3.0), ("layers.1.self_attn.q_proj".to_string(), -5.0)]);
    vec![
        plain.clone(),
        LoraConfig { use_rslora: true, ..plain.clone() },
        LoraConfig { alpha_pattern: pattern, ..plain },
    ]
}

/// The golden matrices with the scales that `config` gives them.
pub(super) fn adapter(golden: &Golden, config: &LoraConfig) -> Adapter {
    let mut adapter = golden.adapter_with(config.clone(), &Device::Cpu);
    for target in config.targets(&golden.config).unwrap() {
        adapter.layers[target.layer][target.projection as usize].as_mut().unwrap().scale = target.scale;
    }
    adapter
}

#[test]
fn a_merged_model_computes_what_base_and_adapter_do() {
    let compute = fused_f32();
    for name in MODELS {
        let golden = Golden::open(name);
        let base = golden.decoder(&compute);
        let (batch, _) = pack_rows(&golden.rows(), |_| 1.0);
        for config in configs() {
            let adapter = adapter(&golden, &config);
            let exported = Generation::of(&adapter, &golden.dir).export(ExportFormat::Merged);
            let folder = exported.folder();
            let merged = open(folder.path(), &compute);
            let expected = base.all_logits(&batch, &[ActiveAdapter::inference(&adapter)]).unwrap();
            let (mut plain, _) = pack_rows(&golden.rows(), |_| 1.0);
            plain.segments.iter_mut().for_each(|segment| segment.adapter = None);
            let error = relative_error(&merged.all_logits(&plain, &[]).unwrap(), &expected);
            assert!(error < 2e-5, "{name} {config:?}: {error}");
            let without = relative_error(&base.all_logits(&plain, &[]).unwrap(), &expected);
            assert!(without > 1e-2, "{name}: the adapter does too little to tell: {without}");
            assert_eq!(exported.0["config.json"], std::fs::read(golden.dir.join("config.json")).unwrap());
        }
    }
}

fn open(folder: &Path, compute: &Compute) -> Decoder {
    let config = ModelConfig::from_dir(folder).unwrap();
    Decoder::load(&config, &Weights::open(folder).unwrap(), compute).unwrap()
}

/// An adapter of nano on some of its layers, whose updates are of the size of training's.
pub(super) fn of_nano() -> (Adapter, ModelConfig) {
    let model = ModelConfig::from_json(NANO.config, "config.json").unwrap();
    let names = ["q_proj", "down_proj"].map(String::from).to_vec();
    let config = LoraConfig {
        rank: 3,
        alpha: 6.0,
        target_modules: TargetModules::List(names),
        ..LoraConfig::default()
    };
    let mut adapter = Adapter::init(&config, &model, 1, &Device::Cpu).unwrap();
    for matrices in adapter.layers.iter_mut().flatten().flatten() {
        let (rows, rank) = matrices.b.dims2().unwrap();
        let waves = Tensor::arange(0f32, (rows * rank) as f32, &Device::Cpu).unwrap().sin().unwrap();
        matrices.b = (waves * 0.02).unwrap().reshape((rows, rank)).unwrap();
    }
    (adapter, model)
}

#[test]
fn nano_is_rounded_once_and_otherwise_untouched() {
    let (adapter, model) = of_nano();
    let fingerprint = Weights::from_static(NANO.weights).unwrap().quick_fingerprint();
    let exported = Generation::new(&adapter, Path::new("nano"), fingerprint).export(ExportFormat::Merged);
    for (name, bytes) in NANO.files().filter(|(name, _)| *name != "model.safetensors") {
        assert!(exported.0[name] == bytes, "{name}");
    }
    assert_eq!(exported.0.len(), NANO.files().count());
    let (base, merged) = (SafeTensors::deserialize(NANO.weights).unwrap(), &exported.0["model.safetensors"]);
    let merged = SafeTensors::deserialize(merged).unwrap();
    let sorted = |tensors: &SafeTensors<'_>| {
        let mut names: Vec<_> = tensors.names().into_iter().map(str::to_string).collect();
        names.sort();
        names
    };
    assert_eq!(sorted(&base), sorted(&merged));
    let updates: BTreeMap<_, _> = model
        .modules()
        .filter_map(|(layer, projection, name)| {
            let matrices = adapter.layers[layer][projection as usize].as_ref()?;
            let product =
                matrices.b.to_dtype(DType::F64).unwrap().matmul(&matrices.a.to_dtype(DType::F64).unwrap());
            let delta = (product.unwrap() * f64::from(matrices.scale)).unwrap();
            Some((format!("{name}.weight"), delta.flatten_all().unwrap().to_vec1::<f64>().unwrap()))
        })
        .collect();
    assert_eq!(updates.len(), 2 * model.num_hidden_layers);
    for (name, before) in base.tensors() {
        let after = merged.tensor(&name).unwrap();
        assert_eq!((before.dtype(), before.shape()), (after.dtype(), after.shape()), "{name}");
        match updates.get(&name) {
            None => assert!(before.data() == after.data(), "{name} is not adapted and changed"),
            Some(delta) => assert_rounded_once(&name, &before, &after, delta),
        }
    }
    // Our own engine takes it for a model, and it answers.
    let folder = exported.folder();
    Model::open(folder.path(), &fused_f32()).unwrap();
}

/// Every value is the bf16 nearest to W + delta: off by half a unit in the last place at most, which is 2^-8 of it.
fn assert_rounded_once(name: &str, before: &TensorView<'_>, after: &TensorView<'_>, delta: &[f64]) {
    let values = |view: &TensorView<'_>| -> Vec<f64> {
        view.data().as_chunks().0.iter().map(|&bits| bf16::from_le_bytes(bits).to_f64()).collect()
    };
    let mut changed = 0;
    for ((w, merged), delta) in values(before).into_iter().zip(values(after)).zip(delta) {
        let exact = w + delta;
        // The first term is the rounding to bf16, the second that of the sums in f32.
        assert!(
            (merged - exact).abs() <= exact.abs() / 256.0 + 1e-7,
            "{name}: {w} + {delta} became {merged}"
        );
        changed += usize::from(merged != w);
    }
    assert!(changed * 2 > delta.len(), "{name}: only {changed} of {} changed", delta.len());
}

#[test]
fn a_split_model_becomes_one_file_and_strange_tensors_stay() {
    let golden = Golden::open("qwen2");
    let split = tempfile::tempdir().unwrap();
    let tensors = candle_core::safetensors::load(golden.dir.join("model.safetensors"), &Device::Cpu).unwrap();
    let mut names: Vec<_> = tensors.keys().cloned().collect();
    names.sort();
    let table = Tensor::arange(0i64, 5, &Device::Cpu).unwrap();
    let mut shards = [HashMap::new(), HashMap::from([("model.rotary_table".to_string(), table)])];
    names
        .iter()
        .enumerate()
        .for_each(|(i, name)| drop(shards[i % 2].insert(name.clone(), tensors[name].clone())));
    let mut places = serde_json::Map::new();
    for (i, shard) in shards.iter().enumerate() {
        let file = format!("model-0000{}-of-00002.safetensors", i + 1);
        candle_core::safetensors::save(shard, split.path().join(&file)).unwrap();
        shard.keys().for_each(|name| drop(places.insert(name.clone(), file.clone().into())));
    }
    let index = serde_json::json!({"weight_map": places}).to_string();
    std::fs::write(split.path().join("model.safetensors.index.json"), index).unwrap();
    std::fs::copy(golden.dir.join("config.json"), split.path().join("config.json")).unwrap();

    let adapter = adapter(&golden, &configs()[0]);
    let of_split = Generation::of(&adapter, split.path()).export(ExportFormat::Merged);
    let of_one = Generation::of(&adapter, &golden.dir).export(ExportFormat::Merged);
    assert_eq!(of_split.names(), ["config.json", "model.safetensors"]);
    let read = |bytes: &[u8]| candle_core::safetensors::load_buffer(bytes, &Device::Cpu).unwrap();
    let (mut found, expected) =
        (read(&of_split.0["model.safetensors"]), read(&of_one.0["model.safetensors"]));
    let table = found.remove("model.rotary_table").unwrap();
    assert_eq!(table.to_vec1::<i64>().unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(found.len(), expected.len());
    found.iter().for_each(|(name, tensor)| assert_eq!(flat(tensor), flat(&expected[name]), "{name}"));
}
