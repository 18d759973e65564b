//! The decoder against PyTorch + transformers + PEFT: logits, losses and every LoRA gradient.

use crate::golden_models::{
    Golden, MODELS, Row, bf16_compute, f32_computes, flat, norm_error, on_every_golden, pack_rows, peft_name,
    relative_error,
};
use candle_core::{Device, Tensor};
use seald_engine::backward::Gradients;
use seald_engine::batch::Batch;
use seald_engine::decoder::{ActiveAdapter, Decoder};
use seald_engine::lora::{Adapter, LoraConfig};
use seald_engine::loss::{SoftLabel, Target};

/// A bound and the error it bounds.
type Tolerance = (f64, fn(&Tensor, &Tensor) -> f64);

const F32: Tolerance = (1e-5, relative_error);
const BF16: Tolerance = (2e-2, norm_error);

fn check_logits(
    name: &str,
    golden: &Golden,
    decoder: &Decoder,
    adapter: &Adapter,
    (tolerance, error_of): Tolerance,
) {
    for (i, row) in golden.rows().iter().enumerate() {
        let active = [ActiveAdapter::inference(adapter)];
        for (which, used) in [("base", None), ("lora", Some(0))] {
            let batch = Batch::of(&[&row.ids], used).unwrap();
            let logits = decoder.all_logits(&batch, &active).unwrap();
            let error = error_of(&logits, golden.array(&format!("row{i}.{which}_logits")));
            assert!(error <= tolerance, "{name} row {i} {which}: {error:e}");
        }
    }
}

#[test]
fn logits_equal_those_of_transformers_and_peft() {
    on_every_golden(|name, golden, decoder, adapter| {
        check_logits(name, golden, decoder, adapter, F32);
    });
}

#[test]
fn bf16_logits_stay_within_their_tolerance() {
    let Some(compute) = bf16_compute() else { return eprintln!("no AVX512-BF16 here: skipped") };
    for model in MODELS {
        let golden = Golden::open(model);
        let decoder = golden.decoder(&compute);
        check_logits(model, &golden, &decoder, &golden.adapter(&Device::Cpu), BF16);
    }
}

fn check_gradients(
    name: &str,
    golden: &Golden,
    prefix: &str,
    found: &Gradients,
    (tolerance, error_of): Tolerance,
) {
    for (layer, projection, _) in golden.config.modules() {
        let pair = found.layers[layer][projection as usize].as_ref().unwrap();
        for (which, gradient) in [("A", &pair.a), ("B", &pair.b)] {
            let key = peft_name(layer, projection, which);
            let error = error_of(gradient, golden.array(&format!("{prefix}.{key}")));
            assert!(error <= tolerance, "{name} {key}: {error:e}");
        }
    }
}

fn loss_and_gradients(
    golden: &Golden,
    decoder: &Decoder,
    adapter: &Adapter,
    rows: &[Row],
    tolerance: Tolerance,
    name: &str,
) -> Gradients {
    let count: usize = rows.iter().map(|r| r.mask.iter().filter(|&&m| m).count()).sum();
    let (batch, targets) = pack_rows(rows, |_| 1.0 / count as f32);
    let pass = decoder.train_pass(&batch, &[ActiveAdapter::inference(adapter)], &targets).unwrap();
    let loss = pass.losses.iter().map(|&l| f64::from(l)).sum::<f64>() / count as f64;
    let expected = golden.number("loss");
    assert!((loss - expected).abs() <= tolerance.0 * expected, "{name}: {loss} {expected}");
    let gradients = pass.gradients.into_iter().next().unwrap();
    check_gradients(name, golden, "grad", &gradients, tolerance);
    gradients
}

#[test]
fn loss_and_every_gradient_equal_those_of_pytorch() {
    on_every_golden(|name, golden, decoder, adapter| {
        loss_and_gradients(golden, decoder, adapter, &golden.rows(), F32, name);
    });
}

#[test]
fn bf16_gradients_stay_within_their_tolerance() {
    let Some(compute) = bf16_compute() else { return eprintln!("no AVX512-BF16 here: skipped") };
    for model in MODELS {
        let golden = Golden::open(model);
        let (decoder, adapter) = (golden.decoder(&compute), golden.adapter(&Device::Cpu));
        let gradients =
            loss_and_gradients(&golden, &decoder, &adapter, &golden.rows(), (0.06, norm_error), model);
        let (mut found, mut expected) = (Vec::new(), Vec::new());
        for (layer, projection, _) in golden.config.modules() {
            let pair = gradients.layers[layer][projection as usize].as_ref().unwrap();
            for (which, gradient) in [("A", &pair.a), ("B", &pair.b)] {
                let name = peft_name(layer, projection, which);
                let exact = golden.array(&format!("grad.{name}"));
                let theirs = golden.json["bf16_train"]["grad_errors"][&name].as_f64().unwrap();
                let ours = norm_error(gradient, exact);
                assert!(ours <= theirs * 1.2, "{model} {name}: {ours:e}, PyTorch's autocast {theirs:e}");
                found.extend(flat(gradient));
                expected.extend(flat(exact));
            }
        }
        let vector = |v: Vec<f32>| Tensor::from_vec(v, found.len(), &Device::Cpu).unwrap();
        let error = norm_error(&vector(found.clone()), &vector(expected));
        assert!(error <= BF16.0, "{model}: {error:e}");
    }
}

#[test]
fn bf16_is_as_close_to_f32_as_pytorchs_autocast() {
    let Some(compute) = bf16_compute() else { return eprintln!("no AVX512-BF16 here: skipped") };
    for model in MODELS {
        let golden = Golden::open(model);
        let batch = Batch::of(&[&golden.rows()[1].ids], None).unwrap();
        let logits = golden.decoder(&compute).all_logits(&batch, &[]).unwrap();
        let exact = golden.array("row1.base_logits");
        let (ours, theirs) =
            (norm_error(&logits, exact), norm_error(golden.array("row1.bf16_base_logits"), exact));
        assert!(ours <= theirs * 1.2, "{model}: {ours:e}, PyTorch {theirs:e}");
    }
}

#[test]
fn rank_stabilised_scale_equals_pefts() {
    let golden = Golden::open("qwen2");
    let config = LoraConfig { rank: 4, alpha: 8.0, use_rslora: true, ..LoraConfig::default() };
    for (name, compute) in f32_computes() {
        let (decoder, adapter) =
            (golden.decoder(&compute), golden.adapter_with(config.clone(), &Device::Cpu));
        for (i, row) in golden.rows().iter().enumerate() {
            let batch = Batch::of(&[&row.ids], Some(0)).unwrap();
            let logits = decoder.all_logits(&batch, &[ActiveAdapter::inference(&adapter)]).unwrap();
            let error = relative_error(&logits, golden.array(&format!("row{i}.rslora_logits")));
            assert!(error <= F32.0, "{name} row {i}: {error:e}");
        }
    }
}

#[test]
fn row_weights_scale_their_rows_gradients() {
    let golden = Golden::open("qwen2");
    let rows = golden.rows();
    let weights: Vec<f64> =
        golden.json["rows"].as_array().unwrap().iter().map(|r| r["weight"].as_f64().unwrap()).collect();
    let count: usize = rows.iter().map(|r| r.mask.iter().filter(|&&m| m).count()).sum();
    for (name, compute) in f32_computes() {
        let (batch, targets) = pack_rows(&rows, |i| weights[i] as f32 / count as f32);
        let adapter = golden.adapter(&Device::Cpu);
        let pass = golden
            .decoder(&compute)
            .train_pass(&batch, &[ActiveAdapter::inference(&adapter)], &targets)
            .unwrap();
        let loss: f64 =
            pass.losses.iter().zip(&targets).map(|(l, t)| f64::from(*l) * f64::from(t.weight)).sum();
        let expected = golden.number("weighted_loss");
        assert!((loss - expected).abs() <= F32.0 * expected, "{name}: {loss} {expected}");
        check_gradients(&name, &golden, "wgrad", &pass.gradients[0], F32);
    }
}

#[test]
fn soft_targets_equal_pytorch() {
    let golden = Golden::open("qwen2");
    let rows = golden.rows();
    let (batch, mut targets) = pack_rows(&rows, |_| 1.0);
    let labels: Vec<_> = (0..rows.len())
        .map(|i| {
            let ids = golden.array(&format!("soft.row{i}.ids")).to_dtype(candle_core::DType::U32).unwrap();
            let log_probs = golden.array(&format!("soft.row{i}.log_probs"));
            (ids.to_vec2::<u32>().unwrap(), log_probs.to_vec2::<f32>().unwrap())
        })
        .collect();
    let all: Vec<(&Vec<u32>, &Vec<f32>)> = labels.iter().flat_map(|(i, l)| i.iter().zip(l)).collect();
    assert_eq!(all.len(), targets.len());
    for (target, (ids, log_probs)) in targets.iter_mut().zip(&all) {
        *target =
            Target { weight: 1.0 / all.len() as f32, soft: Some(SoftLabel { ids, log_probs }), ..*target };
    }
    for (name, compute) in f32_computes() {
        let adapter = golden.adapter(&Device::Cpu);
        let active = [ActiveAdapter::inference(&adapter)];
        let pass = golden.decoder(&compute).train_pass(&batch, &active, &targets).unwrap();
        let loss = pass.losses.iter().map(|&l| f64::from(l)).sum::<f64>() / all.len() as f64;
        let expected = golden.number("soft_loss");
        assert!((loss - expected).abs() <= F32.0 * expected.max(1.0), "{name}: {loss} {expected}");
        check_gradients(&name, &golden, "sgrad", &pass.gradients[0], F32);
    }
}
