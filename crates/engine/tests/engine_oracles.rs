//! The decoder against three independent ones: candle's tape over differentiable operations in f64, central
//! differences of the loss, and candle-transformers' own Qwen2, Qwen3 and Llama.

mod tape;
mod theirs;

use crate::golden_models::{Golden, MODELS, Row, f32_computes, flat, pack_rows, relative_error};
use candle_core::{DType, Device, Tensor, Var};
use seald_engine::backward::Gradients;
use seald_engine::batch::Batch;
use seald_engine::decoder::ActiveAdapter;
use seald_engine::lora::{Adapter, LoraConfig, TargetModules};
use seald_engine::model_config::module_name;
use tape::Tape;

const TOLERANCE: f64 = 1e-5;

fn narrow(t: &Tensor) -> Tensor {
    t.to_dtype(DType::F32).unwrap()
}

/// Gradients of the mean loss over all targets of the rows.
fn gradients(
    golden: &Golden,
    compute: &seald_engine::kernels::Compute,
    adapter: &Adapter,
    rows: &[Row],
) -> Gradients {
    let count: usize = rows.iter().map(|r| r.mask[1..].iter().filter(|&&m| m).count()).sum();
    let (batch, targets) = pack_rows(rows, |_| 1.0 / count as f32);
    let decoder = golden.decoder(compute);
    decoder.train_pass(&batch, &[ActiveAdapter::inference(adapter)], &targets).unwrap().gradients.remove(0)
}

#[test]
fn logits_equal_those_of_the_tape() {
    for model in MODELS {
        let golden = Golden::open(model);
        let adapter = golden.adapter(&Device::Cpu);
        let tape = Tape::new(&golden, &adapter);
        for (name, compute) in f32_computes() {
            let decoder = golden.decoder(&compute);
            for (i, row) in golden.rows().iter().enumerate() {
                let batch = Batch::of(&[&row.ids], Some(0)).unwrap();
                let found = decoder.all_logits(&batch, &[ActiveAdapter::inference(&adapter)]).unwrap();
                let error = relative_error(&found, &narrow(&tape.logits(&row.ids)));
                assert!(error <= TOLERANCE, "{name} {model} row {i}: {error:e}");
            }
        }
    }
}

fn check_against_tape(what: &str, golden: &Golden, adapter: &Adapter) {
    let (tape, rows) = (Tape::new(golden, adapter), golden.rows());
    let expected = tape.gradients(&rows);
    for (name, compute) in f32_computes() {
        let found = gradients(golden, &compute, adapter, &rows);
        for (layer, projection, _) in golden.config.modules() {
            let name = format!("{what}, {name}, {}", module_name(layer, projection));
            let found = &found.layers[layer][projection as usize];
            let Some((a, b, _)) = tape.pairs.get(&module_name(layer, projection)) else {
                assert!(found.is_none(), "{name}: a gradient without an adapter");
                continue;
            };
            let found = found.as_ref().unwrap();
            for (which, found, var) in [("A", &found.a, a), ("B", &found.b, b)] {
                let expected =
                    narrow(expected.get(var).unwrap_or_else(|| panic!("{name}: the tape lost {which}")));
                let error = relative_error(found, &expected);
                assert!(error <= TOLERANCE, "{name} {which}: {error:e}");
            }
        }
    }
}

#[test]
fn gradients_equal_those_of_candles_tape() {
    for model in MODELS {
        let golden = Golden::open(model);
        check_against_tape(model, &golden, &golden.adapter(&Device::Cpu));
    }
}

#[test]
fn gradients_of_partly_adapted_models_equal_those_of_candles_tape() {
    for (model, expression) in [
        ("qwen2", r".*\.1\.(self_attn\.k|mlp\.down)_proj"),
        ("qwen3", r".*\.(0\.mlp\.up|2\.self_attn\.q)_proj"),
        ("llama_bias", r".*\.2\.self_attn\.o_proj"),
    ] {
        let golden = Golden::open(model);
        let target_modules = TargetModules::Regex(expression.into());
        let config = LoraConfig { rank: 4, alpha: 8.0, target_modules, ..LoraConfig::default() };
        let mut adapter = golden.adapter(&Device::Cpu);
        let chosen = Adapter::init(&config, &golden.config, 0, &Device::Cpu).unwrap();
        for (pair, chosen) in adapter.layers.iter_mut().flatten().zip(chosen.layers.iter().flatten()) {
            pair.take_if(|_| chosen.is_none());
        }
        check_against_tape(expression, &golden, &adapter);
    }
}

#[test]
fn gradients_are_the_slopes_of_the_loss() {
    for model in MODELS {
        let golden = Golden::open(model);
        let adapter = golden.adapter(&Device::Cpu);
        let tape = Tape::new(&golden, &adapter);
        // The shortest two rows: a slope costs two passes of every one.
        let mut rows = golden.rows();
        rows.sort_by_key(|r| r.ids.len());
        rows.retain(|r| r.mask[1..].contains(&true));
        rows.truncate(2);
        let each: Vec<_> =
            f32_computes().iter().map(|(n, c)| (n.clone(), gradients(&golden, c, &adapter, &rows))).collect();
        for (k, (layer, projection, name)) in golden.config.modules().enumerate() {
            let (a, b, _) = &tape.pairs[&name];
            for (which, var) in [("A", a), ("B", b)] {
                // Three elements of each matrix at once, signs mixed.
                let count = var.elem_count();
                let mut direction = vec![0f64; count];
                for (i, sign) in [1.0, -1.0, 1.0].into_iter().enumerate() {
                    direction[(k * 31 + i * (count / 3) + 5) % count] = sign;
                }
                let direction = Tensor::from_vec(direction, var.shape(), &Device::Cpu).unwrap();
                let slope = tape.slope(&rows, var, &direction);
                for (backend, found) in &each {
                    let pair = found.layers[layer][projection as usize].as_ref().unwrap();
                    let gradient = if which == "A" { &pair.a } else { &pair.b };
                    let size = flat(gradient).iter().fold(0f32, |m, v| m.max(v.abs()));
                    let along = (gradient * narrow(&direction))
                        .unwrap()
                        .sum_all()
                        .unwrap()
                        .to_scalar::<f32>()
                        .unwrap();
                    let error = (f64::from(along) - slope).abs() / f64::from(size);
                    assert!(
                        error <= TOLERANCE * 3.0,
                        "{model} {backend} {name} {which}: {along} for {slope}"
                    );
                }
            }
        }
    }
}

/// Why the tape stays away from them, and one reason why the engine has no tape. If this fails, candle has
/// learnt to differentiate them: reconsider both.
#[test]
fn candles_fused_operations_still_drop_gradients_silently() {
    let x = Var::new(&[[0.3f32, -1.0, 2.0, 0.5]], &Device::Cpu).unwrap();
    let w = Tensor::new(&[1f32, 2.0, 3.0, 4.0], &Device::Cpu).unwrap();
    let has_gradient = |y: &Tensor| y.sqr().unwrap().sum_all().unwrap().backward().unwrap().get(&x).is_some();
    assert!(!has_gradient(&candle_nn::ops::rms_norm(&x, &w, 1e-6).unwrap()), "rms_norm");
    assert!(!has_gradient(&candle_nn::ops::softmax_last_dim(&x).unwrap()), "softmax_last_dim");
    let x4 = x.reshape((1, 1, 1, 4)).unwrap();
    let angle = Tensor::new(&[[0.5f32, 0.25]], &Device::Cpu).unwrap();
    let turned = candle_nn::rotary_emb::rope(&x4, &angle.cos().unwrap(), &angle.sin().unwrap()).unwrap();
    assert!(!has_gradient(&turned), "rope");
    assert!(has_gradient(&candle_nn::ops::softmax(&x, 1).unwrap()), "the composite softmax has one");
    assert!(
        has_gradient(&candle_nn::ops::rms_norm_slow(&x, &w, 1e-6).unwrap()),
        "the composite norm has one"
    );
}
