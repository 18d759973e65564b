//! Training runs: against PyTorch's AdamW, side by side, cut into passes, stopped, resumed and diverging.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::golden_models::{
    Golden, MODELS, bf16_compute, f32_computes, flat, fused_f32, on_every_golden, peft_name, relative_error,
};
use candle_core::Device;
use seald_core::Kind;
use seald_engine::adapter_files::{AdapterMeta, LoadOptions};
use seald_engine::decoder::Decoder;
use seald_engine::examples::{BatchSize, Length, TrainRow};
use seald_engine::kernels::Compute;
use seald_engine::lora::{Adapter, LoraConfig};
use seald_engine::optimizer::AdamOptions;
use seald_engine::schedule::Schedule;
use seald_engine::step::StepReport;
use seald_engine::train::{Run, TrainOptions, train, train_together};
use seald_engine::{checkpoint, memory, selftest};

const PASS: usize = 1 << 16;

pub(crate) fn golden_rows(golden: &Golden) -> Arc<[TrainRow]> {
    let row = |r: crate::golden_models::Row| TrainRow {
        tokens: r.ids,
        targets: r.mask,
        weight: 1.0,
        ..TrainRow::default()
    };
    golden.rows().into_iter().map(row).collect()
}

/// The options of the golden files: all rows in every step.
pub(crate) fn golden_options(golden: &Golden) -> TrainOptions {
    let train = &golden.json["train"];
    let number = |name: &str| train[name].as_f64().unwrap();
    TrainOptions {
        learning_rate: number("learning_rate"),
        schedule: Schedule::Linear,
        warmup_steps: number("warmup_steps") as usize,
        length: Length::Steps(number("steps") as usize),
        batch: BatchSize { tokens: 1000, rows: None },
        adam: AdamOptions {
            weight_decay: number("weight_decay"),
            max_grad_norm: Some(number("max_grad_norm")),
            ..AdamOptions::default()
        },
        seed: 1,
        anchor_target: None,
    }
}

/// The golden rows, the first of them an anchor.
pub(crate) fn anchored_rows(golden: &Golden) -> Arc<[TrainRow]> {
    let mut rows = golden_rows(golden).to_vec();
    rows[0].anchor = true;
    rows.into()
}

fn never() -> AtomicBool {
    AtomicBool::new(false)
}

pub(crate) fn finish(decoder: &Decoder, run: &mut Run, pass_tokens: usize) -> Vec<StepReport> {
    let mut reports = Vec::new();
    let mut keep = |_: &Run, report: &StepReport| {
        reports.push(report.clone());
        ControlFlow::Continue(())
    };
    train(decoder, run, pass_tokens, &mut keep, &never()).unwrap();
    reports
}

fn golden_run(golden: &Golden, decoder: &Decoder) -> Run {
    Run::new(decoder, golden.adapter(&Device::Cpu), golden_rows(golden), golden_options(golden)).unwrap()
}

pub(crate) fn bytes(adapter: &Adapter) -> Vec<u32> {
    adapter.matrices().flat_map(|(_, _, m)| [flat(&m.a), flat(&m.b)].concat()).map(f32::to_bits).collect()
}

fn assert_close(a: &Adapter, b: &Adapter, tolerance: f64) {
    for ((layer, projection, a), (_, _, b)) in a.matrices().zip(b.matrices()) {
        for (x, y) in [(&a.a, &b.a), (&a.b, &b.b)] {
            let error = relative_error(x, y);
            assert!(error <= tolerance, "block {layer} {projection:?}: {error:e}");
        }
    }
}

#[test]
fn ten_steps_equal_those_of_pytorch() {
    on_every_golden(|name, golden, decoder, _| {
        let mut run = golden_run(golden, decoder);
        let reports = finish(decoder, &mut run, PASS);
        let (losses, norms) = (golden.numbers("train_losses"), golden.numbers("train_grad_norms"));
        let rates: Vec<f64> = golden.json["train"]["learning_rates"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_f64().unwrap())
            .collect();
        assert_eq!(reports.len(), losses.len());
        for (i, report) in reports.iter().enumerate() {
            let at = format!("{name} step {i}");
            assert!(
                (report.loss - losses[i]).abs() <= 1e-5 * losses[i],
                "{at}: {} {}",
                report.loss,
                losses[i]
            );
            assert!((report.grad_norm - norms[i]).abs() <= 1e-4 * norms[i], "{at}: {}", report.grad_norm);
            assert!((report.learning_rate - rates[i]).abs() <= 1e-12, "{at}: {}", report.learning_rate);
        }
        for (layer, projection, m) in run.adapter().matrices() {
            for (which, found) in [("A", &m.a), ("B", &m.b)] {
                let expected = golden.array(&format!("final.{}", peft_name(layer, projection, which)));
                let error = relative_error(found, expected);
                assert!(error <= 1e-4, "{name} block {layer} {projection:?} {which}: {error:e}");
            }
        }
    });
}

#[test]
fn the_bf16_loss_curve_stays_within_two_percent() {
    let Some(compute) = bf16_compute() else { return eprintln!("no AVX512-BF16 here: skipped") };
    for model in MODELS {
        let golden = Golden::open(model);
        let decoder = golden.decoder(&compute);
        let reports = finish(&decoder, &mut golden_run(&golden, &decoder), PASS);
        for (report, expected) in reports.iter().zip(golden.numbers("train_losses")) {
            let error = (report.loss - expected).abs() / expected;
            assert!(error <= 0.02, "{model} step {}: {} {expected}", report.step, report.loss);
        }
    }
}

#[test]
fn a_step_cut_into_passes_equals_one_pass() {
    let golden = Golden::open("qwen3");
    let decoder = golden.decoder(&fused_f32());
    let (mut whole, mut cut) = (golden_run(&golden, &decoder), golden_run(&golden, &decoder));
    let one = finish(&decoder, &mut whole, PASS);
    let four = finish(&decoder, &mut cut, 1);
    for (a, b) in one.iter().zip(&four) {
        assert!((a.loss - b.loss).abs() < 1e-5 * a.loss, "step {}: {} {}", a.step, a.loss, b.loss);
    }
    assert_close(whole.adapter(), cut.adapter(), 1e-4);
}

fn two_runs(golden: &Golden, decoder: &Decoder) -> Vec<Run> {
    let rows = golden_rows(golden);
    let wide = LoraConfig { rank: 7, alpha: 3.0, ..LoraConfig::default() };
    let fresh = Adapter::init(&wide, &golden.config, 5, &Device::Cpu).unwrap();
    let shorter = TrainOptions {
        length: Length::Epochs(2),
        batch: BatchSize { tokens: 30, rows: Some(1) },
        schedule: Schedule::Cosine,
        seed: 9,
        ..golden_options(golden)
    };
    vec![golden_run(golden, decoder), Run::new(decoder, fresh, rows[1..].into(), shorter).unwrap()]
}

#[test]
fn runs_side_by_side_equal_each_alone() {
    let golden = Golden::open("llama");
    let decoder = golden.decoder(&fused_f32());
    let mut together = two_runs(&golden, &decoder);
    let mut seen = [0, 0];
    let mut count = |_: &Run, report: &StepReport| {
        seen[report.run] += 1;
        ControlFlow::Continue(())
    };
    let results = train_together(&decoder, &mut together, PASS, &mut count, &never()).unwrap();
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(seen, [10, 6]);
    for (mut alone, together) in two_runs(&golden, &decoder).into_iter().zip(&together) {
        finish(&decoder, &mut alone, PASS);
        assert_close(together.adapter(), alone.adapter(), 1e-4);
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let golden = Golden::open("qwen2");
    let run = |seed: u64, threads: usize| {
        let mut computes = vec![Compute::cpu(fused_f32().precision, fused_f32().isa(), threads).unwrap()];
        computes.extend(bf16_compute());
        let results = computes.iter().map(|compute| {
            let decoder = golden.decoder(compute);
            let config = LoraConfig { rank: 4, dropout: 0.2, ..LoraConfig::default() };
            let adapter = Adapter::init(&config, &golden.config, seed, &Device::Cpu).unwrap();
            let batch = BatchSize { tokens: 40, rows: None };
            let options = TrainOptions { seed, batch, length: Length::Epochs(3), ..golden_options(&golden) };
            let mut run = Run::new(&decoder, adapter, golden_rows(&golden), options).unwrap();
            finish(&decoder, &mut run, PASS);
            bytes(run.adapter())
        });
        results.collect::<Vec<_>>()
    };
    assert_eq!(run(3, 2), run(3, 2));
    assert_ne!(run(3, 2), run(4, 2));
}

fn resumed_equals_undisturbed(compute: &Compute, dropout: f32) {
    let golden = Golden::open("qwen2");
    let decoder = golden.decoder(compute);
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("checkpoint");
    let config = LoraConfig { rank: 4, dropout, ..LoraConfig::default() };
    let options = TrainOptions {
        batch: BatchSize { tokens: 40, rows: None },
        length: Length::Epochs(5),
        anchor_target: Some(1e-3),
        ..golden_options(&golden)
    };
    let rows = anchored_rows(&golden);
    let start = || {
        let adapter = Adapter::init(&config, &golden.config, 3, &Device::Cpu).unwrap();
        Run::new(&decoder, adapter, Arc::clone(&rows), options.clone()).unwrap()
    };
    let mut undisturbed = start();
    let all = finish(&decoder, &mut undisturbed, PASS);

    let mut stopped = start();
    let mut save_and_stop = |run: &Run, report: &StepReport| {
        checkpoint::save(run, &place, &AdapterMeta::default(), serde_json::Value::Null).unwrap();
        if report.step == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let error = train(&decoder, &mut stopped, PASS, &mut save_and_stop, &never()).unwrap_err();
    assert_eq!(error.kind(), Kind::Cancelled);
    let again = |options: TrainOptions, rows| {
        checkpoint::resume(&decoder, &place, rows, options, LoadOptions::default())
    };
    let mut resumed = again(options.clone(), Arc::clone(&rows)).unwrap();
    assert_eq!((resumed.step(), resumed.tokens()), (4, stopped.tokens()));
    assert!(stopped.anchors().1 > 1.0 && resumed.anchors() == stopped.anchors());
    let rest = finish(&decoder, &mut resumed, PASS);
    let losses = |reports: &[StepReport]| reports.iter().map(|r| r.loss.to_bits()).collect::<Vec<_>>();
    assert_eq!(losses(&rest), losses(&all[4..]));
    assert_eq!(bytes(resumed.adapter()), bytes(undisturbed.adapter()));

    let other = TrainOptions { seed: 77, ..options.clone() };
    assert_eq!(again(other, Arc::clone(&rows)).unwrap_err().kind(), Kind::Conflict);
    assert_eq!(again(options.clone(), rows[1..].into()).unwrap_err().kind(), Kind::Conflict);
    assert_eq!(again(options.clone(), golden_rows(&golden)).unwrap_err().kind(), Kind::Conflict);
    let (position, name) = (place.join("training.json"), compute.precision.name());
    let kept = std::fs::read_to_string(&position).unwrap();
    let another = if name == "f32" { "bf16" } else { "f32" };
    std::fs::write(&position, kept.replace(&format!("\"{name}\""), &format!("\"{another}\""))).unwrap();
    let error = again(options.clone(), Arc::clone(&rows)).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().contains(&format!("--dtype {another}"))),
        (Kind::Conflict, true)
    );
    std::fs::write(&position, kept).unwrap();
    std::fs::write(place.join("optimizer.safetensors"), b"short").unwrap();
    let error = again(options, rows).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(error.to_string().contains("optimizer.safetensors"), "{error}");
}

#[test]
fn a_resumed_run_ends_in_the_same_bytes() {
    resumed_equals_undisturbed(&fused_f32(), 0.1);
    if let Some(compute) = bf16_compute() {
        resumed_equals_undisturbed(&compute, 0.0);
    }
}

#[test]
fn a_loss_that_is_not_finite_stops_its_run_alone_and_keeps_the_adapter() {
    let golden = Golden::open("qwen2");
    let decoder = golden.decoder(&fused_f32());
    let mut poisoned: Vec<TrainRow> = golden_rows(&golden).to_vec();
    poisoned[2].weight = f32::MAX;
    let bad =
        Run::new(&decoder, golden.adapter(&Device::Cpu), poisoned.into(), golden_options(&golden)).unwrap();
    let before = bytes(bad.adapter());
    let mut runs = vec![bad, golden_run(&golden, &decoder)];
    let mut go_on = |_: &Run, _: &StepReport| ControlFlow::Continue(());
    let results = train_together(&decoder, &mut runs, PASS, &mut go_on, &never()).unwrap();
    let error = results[0].as_ref().unwrap_err();
    assert_eq!(error.kind(), Kind::Diverged);
    assert!(error.to_string().contains("step 1"), "{error}");
    assert_eq!(bytes(runs[0].adapter()), before);
    assert!(results[1].is_ok() && runs[1].is_done());
}

#[test]
fn a_cancelled_run_keeps_its_last_step() {
    let golden = Golden::open("qwen2");
    let decoder = golden.decoder(&fused_f32());
    let mut run = golden_run(&golden, &decoder);
    let cancel = never();
    let mut stop_after_three = |_: &Run, report: &StepReport| {
        cancel.store(report.step == 3, Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    let error = train(&decoder, &mut run, PASS, &mut stop_after_three, &cancel).unwrap_err();
    assert_eq!((error.kind(), run.step()), (Kind::Cancelled, 3));
}

#[test]
fn training_continues_an_adapter_and_leaves_copies_alone() {
    let golden = Golden::open("qwen2");
    let decoder = golden.decoder(&fused_f32());
    let first = golden.adapter(&Device::Cpu);
    let before = bytes(&first);
    let mut run = Run::new(&decoder, first.clone(), golden_rows(&golden), golden_options(&golden)).unwrap();
    let reports = finish(&decoder, &mut run, PASS);
    assert_eq!(bytes(&first), before);
    let options = golden_options(&golden);
    let mut next = Run::new(&decoder, run.adapter().clone(), golden_rows(&golden), options).unwrap();
    let more = finish(&decoder, &mut next, PASS);
    assert!(more[0].loss <= reports.last().unwrap().loss && more.last().unwrap().loss < more[0].loss);
}

#[test]
fn options_out_of_range_and_bad_rows_are_refused_before_anything_runs() {
    let golden = Golden::open("qwen2");
    let decoder = golden.decoder(&fused_f32());
    let refused = |options: TrainOptions, words: &str| {
        let error =
            Run::new(&decoder, golden.adapter(&Device::Cpu), golden_rows(&golden), options).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.to_string().contains(words), "{error}");
    };
    let good = golden_options(&golden);
    refused(TrainOptions { anchor_target: Some(0.0), ..good.clone() }, "anchor_target");
    refused(TrainOptions { learning_rate: f64::NAN, ..good.clone() }, "learning_rate");
    refused(TrainOptions { length: Length::Steps(0), ..good.clone() }, "steps");
    refused(TrainOptions { batch: BatchSize { tokens: 0, rows: None }, ..good.clone() }, "batch");
    let rows: Vec<TrainRow> = vec![TrainRow::whole(vec![1, 2, 3]), TrainRow::whole(vec![1; 100_000])];
    let error = Run::new(&decoder, golden.adapter(&Device::Cpu), rows.into(), good).unwrap_err();
    assert!(error.to_string().contains("row 1 has 100000 tokens"), "{error}");
}

#[test]
fn memory_is_estimated_halved_and_refused() {
    let golden = Golden::open("qwen2");
    let decoder = golden.decoder(&fused_f32());
    let run = golden_run(&golden, &decoder);
    let needs = |tokens| memory::estimate(&decoder, &[&run], tokens).total();
    assert!(needs(512) > needs(64));
    let limit = Some(needs(300));
    assert_eq!(memory::fit(&decoder, &[&run], 1024, limit).unwrap(), 256);
    assert_eq!(memory::fit(&decoder, &[&run], 200, limit).unwrap(), 200);
    let error = memory::fit(&decoder, &[&run], 1024, Some(needs(20))).unwrap_err();
    assert_eq!(error.kind(), Kind::Memory);
    assert!(error.to_string().contains("row of 33 tokens"), "{error}");
}

#[test]
fn the_self_test_passes_on_whole_models_and_fails_on_a_dead_one() {
    let scratch = tempfile::tempdir().unwrap();
    let mut computes = f32_computes();
    computes.extend(bf16_compute().map(|c| ("bf16".to_string(), c)));
    for (name, compute) in computes {
        let golden = Golden::open("qwen3");
        let report = selftest::run(&golden.decoder(&compute), scratch.path()).unwrap();
        assert_eq!(report.matrices, 42, "{name}");
    }
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);

    // A final norm of zeros lets no gradient through.
    let golden = Golden::open("qwen3");
    let mut tensors =
        candle_core::safetensors::load(golden.dir.join("model.safetensors"), &Device::Cpu).unwrap();
    let norm = tensors.get_mut("model.norm.weight").unwrap();
    *norm = norm.zeros_like().unwrap();
    candle_core::safetensors::save(&tensors, scratch.path().join("model.safetensors")).unwrap();
    let weights = seald_engine::weights::Weights::open(scratch.path()).unwrap();
    let dead = Decoder::load(&golden.config, &weights, &fused_f32()).unwrap();
    let error = selftest::run(&dead, scratch.path()).unwrap_err();
    assert!(error.to_string().contains("q_proj.lora_A"), "{error}");
}
