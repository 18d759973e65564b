//! Which layers an adapter covers, with what rank and scale, and how it starts.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use proptest::prelude::*;
use seald_core::{Error, Kind};
use seald_engine::lora::{Adapter, LoraConfig, Projection, TargetModules};
use seald_engine::model_config::ModelConfig;

fn model() -> ModelConfig {
    let text = r#"{"model_type": "qwen2", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48,
        "num_hidden_layers": 12, "num_attention_heads": 4, "num_key_value_heads": 2}"#;
    ModelConfig::from_json(text, "config.json").unwrap()
}

fn list(names: &[&str]) -> TargetModules {
    TargetModules::List(names.iter().map(|n| n.to_string()).collect())
}

fn config(target_modules: TargetModules) -> LoraConfig {
    LoraConfig { target_modules, ..LoraConfig::default() }
}

fn names(target_modules: TargetModules) -> Result<Vec<String>, Error> {
    Ok(config(target_modules).targets(&model())?.into_iter().map(|t| t.name).collect())
}

#[test]
fn targets_match_as_in_peft() {
    assert_eq!(names(TargetModules::AllLinear).unwrap(), model().module_names().collect::<Vec<_>>());
    assert_eq!(names(list(&["q_proj", "self_attn.v_proj"])).unwrap().len(), 24);
    // A suffix begins at a dot: layer 1, not layer 11.
    let one = ["model.layers.1.mlp.up_proj"];
    assert_eq!(names(list(&["1.mlp.up_proj"])).unwrap(), one);
    assert_eq!(names(list(&["model.layers.1.mlp.up_proj"])).unwrap(), one);
    assert_eq!(names(list(&["q_proj", "no_such"])).unwrap().len(), 12, "PEFT ignores the unknown one");

    let regex = |text: &str| names(TargetModules::Regex(text.into()));
    assert_eq!(regex(r".*\.1\.mlp\.(up|down)_proj").unwrap().len(), 2);
    assert_eq!(regex(r"model\.layers\.\d\.self_attn\.q_proj|.*11\.mlp\.up_proj").unwrap().len(), 11);
    assert_eq!(regex(r"(?!.*mlp)model\.layers\..*_proj").unwrap().len(), 48, "look-around is read");
    assert_eq!(regex("q_proj").unwrap_err().kind(), Kind::Invalid, "an expression matches whole names");
}

#[test]
fn targets_that_cannot_be_adapted_are_errors() {
    let error = names(list(&["query"])).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    for word in ["query", "q_proj", "down_proj", "all-linear"] {
        assert!(error.to_string().contains(word), "{error}");
    }
    for outside in ["lm_head", "embed_tokens"] {
        let error = names(list(&["q_proj", outside])).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsupported);
        assert!(error.to_string().contains(outside), "{error}");
    }
    assert_eq!(names(TargetModules::Regex(".*".into())).unwrap_err().kind(), Kind::Unsupported);
    let error = names(TargetModules::Regex("(q_proj".into())).unwrap_err();
    assert!(error.to_string().contains("(q_proj"), "{error}");
}

#[test]
fn patterns_give_rank_alpha_and_scale() {
    let mut config = config(list(&["q_proj", "v_proj"]));
    (config.rank, config.alpha) = (16, 32.0);
    config.rank_pattern = BTreeMap::from([
        ("1.self_attn.q_proj".into(), 4), // from a dot on: not layer 11
        (r"layers\.(2|3)\.self_attn\.[qv]_proj".into(), 8),
        ("^q_proj".into(), 2), // anchored at the start: no module
        ("proj".into(), 2),    // not after a dot: no module
    ]);
    config.alpha_pattern = BTreeMap::from([("v_proj".into(), 10.0)]);
    let find = |config: &LoraConfig, name: &str| {
        let target = config.targets(&model()).unwrap().into_iter().find(|t| t.name.ends_with(name)).unwrap();
        (target.rank, target.alpha, target.scale)
    };
    assert_eq!(find(&config, ".0.self_attn.q_proj"), (16, 32.0, 2.0));
    assert_eq!(find(&config, ".1.self_attn.q_proj"), (4, 32.0, 8.0));
    assert_eq!(find(&config, ".11.self_attn.q_proj"), (16, 32.0, 2.0));
    assert_eq!(find(&config, ".3.self_attn.v_proj"), (8, 10.0, 1.25));
    config.use_rslora = true;
    assert_eq!(find(&config, ".1.self_attn.q_proj"), (4, 32.0, 16.0));
    // Two patterns that both match: the first in the order of the keys, as in the files PEFT writes.
    config.rank_pattern = BTreeMap::from([("q_proj".into(), 3), (".*q_proj".into(), 5)]);
    assert_eq!(find(&config, ".0.self_attn.q_proj").0, 5);
}

#[test]
fn values_out_of_range_are_named() {
    let check = |change: &dyn Fn(&mut LoraConfig), word: &str| {
        let mut config = LoraConfig::default();
        change(&mut config);
        let error = Adapter::init(&config, &model(), 0, &Device::Cpu).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.to_string().contains(word), "{error}");
    };
    check(&|c| c.rank = 0, "rank is 0");
    check(&|c| c.rank = 1 << 40, "rank is");
    check(&|c| c.rank_pattern = BTreeMap::from([("q_proj".into(), 0)]), "rank_pattern[q_proj] is 0");
    check(&|c| c.rank_pattern = BTreeMap::from([("q_(proj".into(), 1)]), "q_(proj");
    check(&|c| c.alpha = 0.0, "alpha is 0");
    check(&|c| c.alpha_pattern = BTreeMap::from([("q_proj".into(), f64::NAN)]), "alpha_pattern[q_proj]");
    check(&|c| c.dropout = 1.0, "dropout is 1");
    check(&|c| c.dropout = -0.1, "dropout is -0.1");
    check(&|c| c.dropout = f32::NAN, "dropout is NaN");
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn a_fresh_adapter_is_bounded_zero_in_effect_and_seeded_per_matrix() {
    let init =
        |targets: TargetModules, seed| Adapter::init(&config(targets), &model(), seed, &Device::Cpu).unwrap();
    let all = init(TargetModules::AllLinear, 7);
    assert_eq!(all.matrices().count(), 84);
    assert_eq!(all.max_rank(), 16);
    let widths: usize = [32 + 32, 32 + 16, 32 + 16, 32 + 32, 32 + 48, 32 + 48, 48 + 32].iter().sum();
    assert_eq!(all.parameters(), 12 * 16 * widths);
    let mut seen = std::collections::BTreeSet::new();
    for (layer, projection, m) in all.matrices() {
        let (out_features, in_features) = model().projection_shape(projection);
        assert_eq!((m.a.dims(), m.b.dims()), (&[16, in_features][..], &[out_features, 16][..]));
        let (a, bound) = (values(&m.a), 1.0 / (in_features as f32).sqrt());
        assert!(a.iter().all(|x| x.abs() <= bound), "layer {layer} {projection:?}");
        // Uniform: mean 0, variance bound²/3; 512 values or more.
        let mean = a.iter().sum::<f32>() / a.len() as f32;
        let variance = a.iter().map(|x| x * x).sum::<f32>() / a.len() as f32;
        assert!(mean.abs() < 0.15 * bound, "{mean}");
        assert!((variance / (bound * bound / 3.0) - 1.0).abs() < 0.25, "{variance}");
        assert!(values(&m.b).iter().all(|x| *x == 0.0));
        assert!(seen.insert(a[0].to_bits()), "two matrices begin alike");
    }
    let only_v = init(list(&["v_proj"]), 7);
    let v = |adapter: &Adapter| values(&adapter.layers[5][Projection::V as usize].as_ref().unwrap().a);
    assert_eq!(v(&only_v), v(&all), "a matrix must not depend on which others there are");
    assert_ne!(v(&init(TargetModules::AllLinear, 8)), v(&all));
}

proptest! {
    /// PEFT's rule for lists, said another way.
    #[test]
    fn list_entries_match_whole_trailing_parts(name in "[a-c]{1,2}(\\.[a-c]{1,2}){0,4}", entry in "[a-c]{1,2}(\\.[a-c]{1,2}){0,2}") {
        let parts: Vec<&str> = name.split('.').collect();
        let wanted: Vec<&str> = entry.split('.').collect();
        let targets = list(&[&entry]);
        prop_assert_eq!(targets.matcher().unwrap()(&name).unwrap(), parts.ends_with(&wanted));
    }
}
