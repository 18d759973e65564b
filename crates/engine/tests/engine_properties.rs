//! What holds for any rows, adapters and order: packing changes nothing, rows do not see one another, the same
//! input gives the same bytes, and what cannot be computed is refused.

mod cached;
mod dropout;
mod refusals;
mod tiny;

use std::sync::LazyLock;

use crate::golden_models::{bf16_compute, f32_computes, flat, fused_f32, norm_error, relative_error};
use candle_core::{Device, Tensor};
use proptest::prelude::*;
use seald_engine::backward::Gradients;
use seald_engine::batch::Batch;
use seald_engine::decoder::Decoder;
use seald_engine::kernels::adapted::PairGradient;
use seald_engine::kernels::cpu::Isa;
use seald_engine::kernels::{Compute, Precision};
use seald_engine::lora::{Adapter, LoraConfig, Projection, TargetModules};
use tiny::{MODELS, Outcome, Row, Tiny, VOCABULARY, add, outcome, target_count};

/// Of f32 results that are computed in another order: largest error relative to the largest magnitude.
const TOLERANCE: f64 = 1e-5;

/// A decoder of each tiny model on one backend of f32, in turn.
struct Setup {
    decoder: Decoder,
    adapters: Vec<Adapter>,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}, {:?}", self.decoder.config().architecture, self.decoder.compute().backend)
    }
}

static FUSED: LazyLock<Vec<Setup>> = LazyLock::new(|| setups(&fused_f32()));
static COMPOSITE: LazyLock<Vec<Setup>> = LazyLock::new(|| setups(&f32_computes()[0].1));

fn setups(compute: &Compute) -> Vec<Setup> {
    let setup = |model| {
        let tiny = Tiny::new(model);
        let adapters = (0..2).map(|seed| tiny.plain_adapter(seed)).collect();
        Setup { decoder: tiny.decoder(compute), adapters }
    };
    (0..MODELS).map(setup).collect()
}

/// The fused loops more often than the composite, which has less that can go wrong.
fn any_setup() -> impl Strategy<Value = &'static Setup> {
    (0..MODELS, prop::sample::select(vec![true, true, true, false]))
        .prop_map(|(model, fused)| if fused { &FUSED[model] } else { &COMPOSITE[model] })
}

fn row() -> impl Strategy<Value = Row> {
    // One token, a few, and more than attention's block of 64.
    let length = prop_oneof![1usize..2, 2usize..20, 60usize..100];
    let tokens = length.prop_flat_map(|n| prop::collection::vec(0..VOCABULARY, n));
    (tokens, prop::sample::select(vec![None, Some(0), Some(1)]))
        .prop_map(|(tokens, adapter)| Row { tokens, adapter })
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec(row(), 1..5)
}

/// At least one target, so that gradients exist.
fn rows_with_targets() -> impl Strategy<Value = Vec<Row>> {
    rows().prop_filter("something to learn", |rows| target_count(rows) > 0)
}

fn near(what: &str, found: &Tensor, expected: &Tensor) {
    let error = relative_error(found, expected);
    assert!(error <= TOLERANCE, "{what}: {error:e}");
}

fn near_losses(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-5 * expected.max(1.0), "loss {found} for {expected}");
    }
}

/// Each matrix's gradients are near, on the scale of the adapter's largest; one that is absent counts as zero.
fn near_gradients(what: &str, found: &Gradients, expected: &Gradients) {
    let all = expected.layers.iter().flatten().flatten().flat_map(|p| [flat(&p.a), flat(&p.b)]).flatten();
    let size = all.fold(0f32, |m, v| m.max(v.abs()));
    let pairs = found.layers.iter().flatten().zip(expected.layers.iter().flatten());
    for (i, (found, expected)) in pairs.enumerate() {
        let what = format!("{what}, layer {} {}", i / 7, Projection::ALL[i % 7].name());
        let sides = |pair: &Option<PairGradient>| pair.as_ref().map(|p| [flat(&p.a), flat(&p.b)].concat());
        let Some(other) = sides(expected).or(sides(found)) else { continue };
        let zero = vec![0.0; other.len()];
        let (found, expected) = (sides(found).unwrap_or(zero.clone()), sides(expected).unwrap_or(zero));
        assert_eq!(found.len(), expected.len(), "{what}");
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() <= 1e-5 * size, "{what}: {found} for {expected}");
        }
    }
}

/// Every row's logits and loss by itself, and the sum of their gradients.
fn one_by_one(setup: &Setup, rows: &[Row], divisor: usize) -> Outcome {
    let mut all = Outcome { logits: Vec::new(), losses: Vec::new(), gradients: Vec::new() };
    for row in rows {
        let alone = outcome(&setup.decoder, &setup.adapters, std::slice::from_ref(row), divisor);
        all.logits.extend(alone.logits);
        all.losses.extend(alone.losses);
        add(&mut all.gradients, alone.gradients);
    }
    all
}

/// Whether two outcomes have the same bytes.
fn same_bytes(a: &Outcome, b: &Outcome) -> bool {
    let bits = |o: &Outcome| -> Vec<u32> {
        let pairs = o.gradients.iter().flat_map(|g| g.layers.iter().flatten().flatten());
        let tensors = o.logits.iter().chain(pairs.flat_map(|p| [&p.a, &p.b]));
        tensors.flat_map(flat).chain(o.losses.iter().copied()).map(f32::to_bits).collect()
    };
    bits(a) == bits(b)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn packed_equals_one_by_one(setup in any_setup(), rows in rows_with_targets()) {
        let divisor = target_count(&rows);
        let packed = outcome(&setup.decoder, &setup.adapters, &rows, divisor);
        let single = one_by_one(setup, &rows, divisor);
        for (i, (packed, single)) in packed.logits.iter().zip(&single.logits).enumerate() {
            near(&format!("row {i}"), packed, single);
        }
        near_losses(&packed.losses, &single.losses);
        for (i, (packed, single)) in packed.gradients.iter().zip(&single.gradients).enumerate() {
            near_gradients(&format!("adapter {i}"), packed, single);
        }
    }

    #[test]
    fn the_order_of_rows_does_not_matter(setup in any_setup(), rows in rows_with_targets(), by in 1usize..4) {
        let divisor = target_count(&rows);
        let mut turned = rows.clone();
        turned.reverse();
        turned.rotate_left(by % rows.len());
        let (one, other) = (
            outcome(&setup.decoder, &setup.adapters, &rows, divisor),
            outcome(&setup.decoder, &setup.adapters, &turned, divisor),
        );
        for (i, logits) in other.logits.iter().enumerate() {
            let was = rows.len() - 1 - (i + by % rows.len()) % rows.len();
            near(&format!("row {was}"), logits, &one.logits[was]);
        }
        for (i, (found, expected)) in other.gradients.iter().zip(&one.gradients).enumerate() {
            near_gradients(&format!("adapter {i}"), found, expected);
        }
    }

    #[test]
    fn micro_batches_add_up_to_the_batch(setup in any_setup(), rows in rows_with_targets(), size in 1usize..4) {
        let divisor = target_count(&rows);
        let whole = outcome(&setup.decoder, &setup.adapters, &rows, divisor);
        let (mut losses, mut gradients) = (Vec::new(), Vec::new());
        for micro in rows.chunks(size) {
            let part = outcome(&setup.decoder, &setup.adapters, micro, divisor);
            losses.extend(part.losses);
            add(&mut gradients, part.gradients);
        }
        near_losses(&losses, &whole.losses);
        for (i, (found, expected)) in gradients.iter().zip(&whole.gradients).enumerate() {
            near_gradients(&format!("adapter {i}"), found, expected);
        }
    }

    #[test]
    fn an_adapter_beside_others_is_as_if_alone(setup in any_setup(), rows in rows_with_targets()) {
        let divisor = target_count(&rows);
        let together = outcome(&setup.decoder, &setup.adapters, &rows, divisor);
        for adapter in [None, Some(0), Some(1)] {
            let own = |row: &&Row| row.adapter == adapter;
            let renamed = |row: &Row| Row { adapter: adapter.map(|_| 0), tokens: row.tokens.clone() };
            let mine: Vec<Row> = rows.iter().filter(own).map(renamed).collect();
            if mine.is_empty() {
                continue;
            }
            // Base rows are computed without any adapter in sight.
            let adapters: Vec<Adapter> = adapter.map(|a| setup.adapters[a].clone()).into_iter().collect();
            if adapters.is_empty() {
                let batch = Batch::of(&mine.iter().map(|r| &r.tokens).collect::<Vec<_>>(), None).unwrap();
                let logits = setup.decoder.all_logits(&batch, &[]).unwrap();
                let theirs: Vec<_> = rows.iter().zip(&together.logits).filter(|(r, _)| own(r)).map(|(_, l)| l).collect();
                near("base rows", &Tensor::cat(&theirs, 0).unwrap(), &logits);
                continue;
            }
            let alone = outcome(&setup.decoder, &adapters, &mine, divisor);
            for ((_, found), expected) in rows.iter().zip(&together.logits).filter(|(r, _)| own(r)).zip(&alone.logits) {
                near(&format!("adapter {adapter:?}"), found, expected);
            }
            near_gradients(&format!("adapter {adapter:?}"), &together.gradients[adapter.unwrap()], &alone.gradients[0]);
        }
    }
}

fn fixed_rows() -> Vec<Row> {
    let row = |i: usize, n: usize, adapter| Row {
        tokens: (0..n).map(|t| (t * t * 7 + i * 11 + t * 3) as u32 % VOCABULARY).collect(),
        adapter,
    };
    vec![
        row(0, 9, Some(0)),
        row(1, 70, None),
        row(2, 5, Some(1)),
        row(3, 130, Some(0)),
        row(4, 1, Some(1)),
        row(5, 30, Some(1)),
    ]
}

#[test]
fn the_same_input_gives_the_same_bytes_on_any_number_of_threads() {
    let rows = fixed_rows();
    for precision in [Precision::F32, Precision::Bf16] {
        if precision == Precision::Bf16 && bf16_compute().is_none() {
            continue;
        }
        for model in 0..MODELS {
            let tiny = Tiny::new(model);
            let adapters = [tiny.plain_adapter(0), tiny.plain_adapter(1)];
            let run = |threads| {
                let compute = Compute::cpu(precision, Isa::supported(), threads).unwrap();
                outcome(&tiny.decoder(&compute), &adapters, &rows, 100)
            };
            let two = run(2);
            assert!(same_bytes(&two, &run(2)), "{precision:?}, model {model}: twice");
            for threads in [1, 3] {
                assert!(same_bytes(&two, &run(threads)), "{precision:?}, model {model}: {threads} threads");
            }
        }
    }
}

#[test]
fn a_row_does_not_see_its_neighbours() {
    let rows = fixed_rows();
    let mut others = rows.clone();
    for row in others.iter_mut().enumerate().filter(|(i, _)| i % 2 == 0).map(|(_, row)| row) {
        row.tokens.iter_mut().for_each(|t| *t = (*t + 1) % VOCABULARY);
    }
    let mut computes = f32_computes();
    computes.extend(bf16_compute().map(|c| ("bf16".to_string(), c)));
    for (name, compute) in computes {
        for setup in setups(&compute) {
            let (one, other) = (
                outcome(&setup.decoder, &setup.adapters, &rows, 1),
                outcome(&setup.decoder, &setup.adapters, &others, 1),
            );
            for i in 0..rows.len() {
                let same = flat(&one.logits[i]) == flat(&other.logits[i]);
                assert_eq!(same, i % 2 == 1, "{name}, row {i}");
            }
        }
    }
}

#[test]
fn a_token_does_not_see_what_follows_it() {
    let mut row = fixed_rows().remove(3);
    for setup in FUSED.iter().chain(COMPOSITE.iter()) {
        let before = outcome(&setup.decoder, &setup.adapters, std::slice::from_ref(&row), 1).logits.remove(0);
        let at = 66;
        row.tokens[at] = (row.tokens[at] + 1) % VOCABULARY;
        let after = outcome(&setup.decoder, &setup.adapters, std::slice::from_ref(&row), 1).logits.remove(0);
        let part = |t: &Tensor, from: usize, n: usize| flat(&t.narrow(0, from, n).unwrap());
        assert_eq!(part(&before, 0, at), part(&after, 0, at));
        for later in at..row.tokens.len() {
            assert_ne!(part(&before, later, 1), part(&after, later, 1), "row {later}");
        }
    }
}

/// Rounding of weights and activations alone, as candle does it, sets the measure; ours rounds the adapter's
/// matrices too where one adapter serves the whole batch (the fused tail), as PyTorch's autocast does.
#[test]
fn packed_bf16_is_as_close_to_f32_as_candles_bf16() {
    let Some(compute) = bf16_compute() else { return eprintln!("no AVX512-BF16 here: skipped") };
    let composite = setups(&Compute::composite(Device::Cpu, Precision::Bf16).unwrap());
    // One adapter over the whole batch takes the tail, and so do long rows by themselves; mixtures do not.
    let whole: Vec<Row> = fixed_rows().into_iter().map(|r| Row { adapter: Some(0), ..r }).collect();
    let vector = |g: &Gradients| {
        let pairs = g.layers.iter().flatten().flatten();
        Tensor::new(pairs.flat_map(|p| [flat(&p.a), flat(&p.b)]).flatten().collect::<Vec<_>>(), &Device::Cpu)
            .unwrap()
    };
    for ((setup, exact), composite) in setups(&compute).iter().zip(FUSED.iter()).zip(&composite) {
        for rows in [&whole, &fixed_rows()] {
            let run = |setup: &Setup| outcome(&setup.decoder, &setup.adapters, rows, 100);
            let (expected, theirs) = (run(exact), run(composite));
            for found in [run(setup), one_by_one(setup, rows, 100)] {
                for (found, expected) in found.logits.iter().zip(&expected.logits) {
                    let error = norm_error(found, expected);
                    assert!(error <= 2e-2, "{setup:?}: logits {error:e}");
                }
                let error =
                    |o: &Outcome| norm_error(&vector(&o.gradients[0]), &vector(&expected.gradients[0]));
                let (found, theirs) = (error(&found), error(&theirs));
                assert!(found <= 2.0 * theirs, "{setup:?}: gradient {found:e}, composite {theirs:e}");
            }
        }
    }
}

#[test]
fn a_restricted_adapter_has_exactly_its_gradients_and_the_same_values() {
    let list = |names: &[&str]| TargetModules::List(names.iter().map(|n| n.to_string()).collect());
    let choices = [
        list(&["q_proj"]),
        list(&["v_proj", "down_proj"]),
        list(&["1.mlp.up_proj", "k_proj"]),
        TargetModules::Regex(r"model\.layers\.1\.(self_attn\.[ko]|mlp\.gate)_proj".into()),
        TargetModules::Regex(r".*\.0\..*".into()),
    ];
    for (model, setup) in FUSED.iter().enumerate().chain(COMPOSITE.iter().enumerate()) {
        let tiny = Tiny::new(model);
        let rows: Vec<Row> =
            fixed_rows().into_iter().map(|r| Row { adapter: r.adapter.map(|_| 0), ..r }).collect();
        for target_modules in choices.clone() {
            let config = LoraConfig { rank: 3, target_modules, ..LoraConfig::default() };
            let small = tiny.adapter(5, &config);
            // Elsewhere a B of zero: an update of nothing, though it has gradients.
            let mut full = tiny.adapter(6, &LoraConfig { rank: 3, ..LoraConfig::default() });
            for (full, small) in full.layers.iter_mut().flatten().zip(small.layers.iter().flatten()) {
                match small {
                    Some(small) => *full = Some(small.clone()),
                    None => full.as_mut().unwrap().b = full.as_ref().unwrap().b.zeros_like().unwrap(),
                }
            }
            let found = outcome(&setup.decoder, std::slice::from_ref(&small), &rows, 100);
            let mut expected = outcome(&setup.decoder, &[full], &rows, 100);
            near("logits", &found.logits[3], &expected.logits[3]);
            near_losses(&found.losses, &expected.losses);
            let gradients = expected.gradients[0].layers.iter_mut().flatten();
            for (gradient, small) in gradients.zip(small.layers.iter().flatten()) {
                gradient.take_if(|_| small.is_none());
            }
            for (found, small) in
                found.gradients[0].layers.iter().flatten().zip(small.layers.iter().flatten())
            {
                assert_eq!(found.is_some(), small.is_some(), "{:?}", config.target_modules);
            }
            near_gradients(
                &format!("{:?}", config.target_modules),
                &found.gradients[0],
                &expected.gradients[0],
            );
        }
    }
}
