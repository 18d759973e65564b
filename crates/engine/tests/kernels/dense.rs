//! Frozen linear layers with LoRA: forward, input gradient and weight gradients, in f32 and bf16.

use std::collections::HashMap;
use std::ops::Range;

use candle_core::Tensor;
use seald_engine::kernels::Compute;
use seald_engine::kernels::adapted::LoraRows;
use seald_engine::kernels::dropout::Dropout;
use seald_engine::kernels::linear::{FrozenLinear, Source};
use seald_engine::lora::{LoraMatrices, Projection};
use seald_engine::weights::Weights;

use super::reference::{self, Matrix, Pair, Placed};
use super::{COMPUTES, check_gradient, check_values, exact, random, some, values};
use crate::golden_models::{bf16_compute, norm_error};

/// (range of rows, projection, what the reference wants)
type Owned = (usize, usize, Placed);
/// (range of rows, projection, dA, dB)
type Found = (usize, usize, Tensor, Tensor);

/// A layer in a checkpoint, as a test wants it.
struct Layer {
    dir: tempfile::TempDir,
    sources: Vec<Source>,
    inputs: usize,
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Layer {
    /// `outputs` of each projection, side by side.
    fn new(inputs: usize, outputs: &[usize], bias: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (mut tensors, mut sources) = (HashMap::new(), Vec::new());
        for (i, &n) in outputs.iter().enumerate() {
            let (projection, name) = (Projection::ALL[i], format!("layer.{i}"));
            tensors.insert(format!("{name}.weight"), random(100 + i as u64, n, inputs, 0.5));
            if bias {
                tensors
                    .insert(format!("{name}.bias"), random(200 + i as u64, 1, n, 2.0).flatten_all().unwrap());
            }
            sources.push(Source { projection: Some(projection), name, outputs: n, bias });
        }
        candle_core::safetensors::save(&tensors, dir.path().join("model.safetensors")).unwrap();
        let all = |what: &str| {
            let named: Vec<_> = sources.iter().map(|s| &tensors[&format!("{}.{what}", s.name)]).collect();
            Tensor::cat(&named, 0).unwrap()
        };
        let (weight, bias) = (all("weight"), bias.then(|| all("bias")));
        Self { dir, sources, inputs, weight, bias }
    }

    fn load(&self, compute: &Compute) -> FrozenLinear {
        let weights = Weights::open(self.dir.path()).unwrap();
        FrozenLinear::load(compute, &weights, self.inputs, &self.sources).unwrap()
    }

    fn columns(&self, projection: usize) -> Range<usize> {
        let before = self.sources[..projection].iter().map(|s| s.outputs).sum();
        before..before + self.sources[projection].outputs
    }

    /// An adapter with a rank for each projection; 0 for none.
    fn adapter(&self, seed: u64, ranks: &[usize]) -> [Option<LoraMatrices>; 7] {
        let mut matrices = [const { None }; 7];
        for (i, &rank) in ranks.iter().enumerate().filter(|(_, rank)| **rank > 0) {
            let seed = seed * 1000 + i as u64;
            matrices[i] = Some(LoraMatrices {
                a: random(seed, rank, self.inputs, 0.5),
                b: random(seed + 500, self.sources[i].outputs, rank, 0.5),
                scale: 0.75 + i as f32,
            });
        }
        matrices
    }
}

/// A layer, the rows of its input and the adapters of ranges of them.
struct Case {
    layer: Layer,
    x: Tensor,
    dy: Tensor,
    /// (rows, adapter matrices)
    adapters: Vec<(Range<usize>, [Option<LoraMatrices>; 7])>,
}

impl Case {
    fn new(t: usize, layer: Layer, adapters: &[(Range<usize>, &[usize])]) -> Self {
        let n = layer.sources.iter().map(|s| s.outputs).sum();
        let (x, dy) = (random(1, t, layer.inputs, 1.0), random(2, t, n, 1.0));
        let adapters = adapters.iter().enumerate();
        let adapters =
            adapters.map(|(i, (rows, ranks))| (rows.clone(), layer.adapter(i as u64 + 1, ranks))).collect();
        Self { layer, x, dy, adapters }
    }

    fn lora(&self) -> Vec<LoraRows<'_>> {
        let rows = self.adapters.iter();
        rows.map(|(rows, matrices)| LoraRows { rows: rows.clone(), matrices, dropout: None }).collect()
    }

    /// All matrices, in the order in which gradients come.
    fn pairs(&self) -> Vec<Owned> {
        let mut pairs = Vec::new();
        for (range, (rows, matrices)) in self.adapters.iter().enumerate() {
            for (i, m) in matrices.iter().enumerate() {
                let Some(m) = m else { continue };
                let pair = Pair { a: exact(&m.a), b: exact(&m.b), scale: f64::from(m.scale) };
                pairs.push((range, i, (rows.clone(), self.layer.columns(i), pair)));
            }
        }
        pairs
    }

    fn reference(&self, x: &Matrix, pairs: &[Owned]) -> Matrix {
        let pairs: Vec<_> = pairs.iter().map(|p| p.2.clone()).collect();
        let bias = self.layer.bias.as_ref().map(values);
        reference::linear(x, &exact(&self.layer.weight), bias.as_deref(), &pairs)
    }

    /// y, the input's gradient if wanted, and the matrices' gradients.
    fn run(&self, c: &Compute, wanted: bool) -> (Tensor, Option<Tensor>, Vec<Found>) {
        let (layer, lora) = (self.layer.load(c), self.lora());
        let (y, h) = layer.forward(c, &self.x, &lora).unwrap();
        let (dx, dh) = layer.input_gradient(c, &self.dy, &lora, wanted).unwrap();
        let pairs = layer.weight_gradients(c, &self.x, &self.dy, &h, &dh, &lora).unwrap();
        (y, dx, pairs.into_iter().map(|(range, p, g)| (range, p as usize, g.a, g.b)).collect())
    }
}

fn cases() -> Vec<(&'static str, Case)> {
    let qkv = || Layer::new(20, &[18, 7, 7], true);
    vec![
        ("one token, no adapter", Case::new(1, Layer::new(5, &[3], false), &[])),
        ("one token", Case::new(1, qkv(), &[(0..1, &[3, 2, 1])])),
        ("whole batch", Case::new(9, qkv(), &[(0..9, &[4, 4, 4])])),
        ("some projections", Case::new(70, qkv(), &[(0..70, &[0, 5, 0])])),
        ("base rows around", Case::new(11, qkv(), &[(3..8, &[1, 0, 33])])),
        ("two adapters", Case::new(140, qkv(), &[(0..66, &[4, 4, 4]), (70..140, &[0, 2, 9])])),
        ("an adapter elsewhere", Case::new(10, qkv(), &[(0..4, &[]), (4..10, &[2])])),
        ("wide", Case::new(65, Layer::new(130, &[257, 99], false), &[(0..65, &[16, 8])])),
        ("empty range between", Case::new(8, Layer::new(33, &[17], true), &[(0..2, &[2]), (2..7, &[3])])),
    ]
}

#[test]
fn linear_layers_with_lora_and_their_gradients() {
    for (what, case) in cases() {
        let (x, dy, pairs) = (exact(&case.x), exact(&case.dy), case.pairs());
        check_values(what, &case.reference(&x, &pairs), |c| case.run(c, true).0);
        let slopes = reference::slopes(&x, &some(x.data.len()), &dy, |x| case.reference(x, &pairs));
        check_gradient(&format!("{what}: x"), &slopes, |c| case.run(c, true).1.unwrap());
        for (i, (range, projection, (_, _, pair))) in pairs.iter().enumerate() {
            let with = |a: &Matrix, b: &Matrix| {
                let mut pairs = pairs.clone();
                pairs[i].2.2 = Pair { a: a.clone(), b: b.clone(), scale: pair.scale };
                case.reference(&x, &pairs)
            };
            let found = |c: &Compute, wanted| {
                let found = case.run(c, wanted).2.into_iter();
                found.map(|f| ((f.0, f.1), (f.2, f.3))).collect::<HashMap<_, _>>()[&(*range, *projection)]
                    .clone()
            };
            let what = format!("{what}: range {range}, projection {projection}");
            let at = some(pair.a.data.len());
            let slopes = reference::slopes(&pair.a, &at, &dy, |a| with(a, &pair.b));
            check_gradient(&format!("{what}: A"), &slopes, |c| found(c, true).0);
            check_gradient(&format!("{what}: A, no input gradient"), &slopes, |c| found(c, false).0);
            let at = some(pair.b.data.len());
            let slopes = reference::slopes(&pair.b, &at, &dy, |b| with(&pair.a, b));
            check_gradient(&format!("{what}: B"), &slopes, |c| found(c, true).1);
        }
        for (name, compute) in COMPUTES.iter() {
            let (_, dx, found) = case.run(compute, false);
            assert!(dx.is_none() && found.len() == pairs.len(), "{what}, {name}");
        }
    }
}

#[test]
fn bf16_linear_layers_stay_close_to_f32() {
    let Some(bf16) = bf16_compute() else { return eprintln!("no AVX512-BF16 here: skipped") };
    let wide = || Layer::new(130, &[96, 33, 40], true);
    let cases = [
        ("split: few rows", Case::new(63, wide(), &[(0..63, &[16, 8, 4])])),
        ("tail: enough rows", Case::new(64, wide(), &[(0..64, &[16, 8, 4])])),
        ("tail: many rows, a projection without", Case::new(150, wide(), &[(0..150, &[16, 0, 3])])),
        ("split: two adapters", Case::new(150, wide(), &[(0..70, &[16, 8, 4]), (75..150, &[2, 2, 2])])),
        ("split: base rows behind", Case::new(100, wide(), &[(0..99, &[8, 8, 8])])),
        ("one token", Case::new(1, wide(), &[(0..1, &[16, 8, 4])])),
        ("no adapter", Case::new(70, wide(), &[])),
    ];
    let (_, f32_compute) = COMPUTES.last().unwrap();
    for (what, case) in cases {
        for wanted in [true, false] {
            let (y, dx, pairs) = bf16.run(|| case.run(&bf16, wanted));
            let (exact_y, exact_dx, exact_pairs) = case.run(f32_compute, wanted);
            let check = |which: &str, found: &Tensor, expected: &Tensor| {
                let error = norm_error(found, expected);
                assert!(error <= 2e-2, "{what}, {which}: {error:e}");
            };
            check("y", &y, &exact_y);
            assert_eq!(dx.is_some(), wanted);
            dx.iter().zip(&exact_dx).for_each(|(found, expected)| check("dx", found, expected));
            assert_eq!(pairs.len(), exact_pairs.len());
            for (found, expected) in pairs.iter().zip(&exact_pairs) {
                assert_eq!((found.0, found.1), (expected.0, expected.1));
                check("dA", &found.2, &expected.2);
                check("dB", &found.3, &expected.3);
            }
        }
    }
}

#[test]
fn embedding_rows_are_the_weights_rows() {
    let layer = Layer::new(33, &[50], false);
    let (ids, weight) = ([49u32, 0, 7, 7], exact(&layer.weight));
    let mut expected = Matrix::zeros(4, 33);
    ids.iter().enumerate().for_each(|(i, &id)| expected.row_mut(i).copy_from_slice(weight.row(id as usize)));
    check_values("lookup", &expected, |c| layer.load(c).lookup(c, &ids).unwrap());
}

/// Rows of which half belong to an adapter with dropout.
fn with_dropout(case: &Case, key: u64) -> Vec<LoraRows<'_>> {
    let dropout = Some(Dropout { probability: 0.4, key });
    case.lora().into_iter().map(|rows| LoraRows { dropout, ..rows }).collect()
}

#[test]
fn the_mean_over_dropouts_masks_is_no_dropout() {
    let case = Case::new(6, Layer::new(20, &[9, 7], false), &[(2..5, &[3, 4])]);
    let (_, c) = &COMPUTES[1];
    let layer = case.layer.load(c);
    let without = layer.forward(c, &case.x, &case.lora()).unwrap().0;
    const DRAWS: u64 = 3000;
    let (mut sum, mut squares) = (vec![0f64; 6 * 16], vec![0f64; 6 * 16]);
    for key in 0..DRAWS {
        let y = layer.forward(c, &case.x, &with_dropout(&case, key)).unwrap().0;
        for (i, v) in values(&y).into_iter().enumerate() {
            sum[i] += v;
            squares[i] += v * v;
        }
    }
    let n = DRAWS as f64;
    for (i, expected) in values(&without).into_iter().enumerate() {
        let (row, mean) = (i / 16, sum[i] / n);
        let variance = (squares[i] / n - mean * mean).max(0.0);
        assert_eq!(variance > 1e-6, (2..5).contains(&row), "row {row}: dropout is the adapter's alone");
        // Five standard errors: false alarms are one in a million.
        let error = (mean - expected).abs();
        assert!(error <= 5.0 * (variance / n).sqrt() + 1e-5, "{i}: {mean} for {expected}");
    }
}

#[test]
fn dropouts_backward_pass_uses_the_masks_of_its_forward_pass() {
    let case = Case::new(80, Layer::new(20, &[9, 7], false), &[(2..70, &[3, 4]), (71..80, &[2])]);
    // The layer is linear in x, in A and in B, so the slope along a direction is an exact difference.
    for (name, c) in COMPUTES.iter() {
        let layer = case.layer.load(c);
        let lora = with_dropout(&case, 7);
        let loss = |x: &Tensor, lora: &[LoraRows<'_>]| {
            let y = layer.forward(c, x, lora).unwrap().0;
            reference::dot(&values(&y), &values(&case.dy))
        };
        let (_, h) = layer.forward(c, &case.x, &lora).unwrap();
        let (dx, dh) = layer.input_gradient(c, &case.dy, &lora, true).unwrap();
        let gradients = layer.weight_gradients(c, &case.x, &case.dy, &h, &dh, &lora).unwrap();
        let base = loss(&case.x, &lora);
        let check = |which: &str, moved: f64, gradient: &Tensor, direction: &Tensor| {
            let expected = reference::dot(&values(gradient), &values(direction));
            let size = values(gradient).iter().map(|v| v * v).sum::<f64>().sqrt();
            assert!(
                (moved - base - expected).abs() <= 1e-4 * size,
                "{name}, {which}: {} {expected}",
                moved - base
            );
        };
        let direction = random(9, 80, 20, 1.0);
        check("x", loss(&(&case.x + &direction).unwrap(), &lora), &dx.unwrap(), &direction);
        assert_eq!(gradients.len(), 3);
        for (range, projection, gradient) in gradients {
            for (which, g) in [("A", &gradient.a), ("B", &gradient.b)] {
                let (rows, columns) = g.dims2().unwrap();
                let direction = random(11, rows, columns, 1.0);
                let mut matrices = case.adapters[range].1.clone();
                let pair = matrices[projection as usize].as_mut().unwrap();
                let matrix = if which == "A" { &mut pair.a } else { &mut pair.b };
                *matrix = (&*matrix + &direction).unwrap();
                let mut moved = lora.clone();
                moved[range].matrices = &matrices;
                check(which, loss(&case.x, &moved), g, &direction);
            }
        }
    }
}

#[test]
fn ranges_of_one_adapter_drop_different_elements() {
    // The same input in two ranges that share an adapter and a key.
    let mut case = Case::new(4, Layer::new(200, &[5], false), &[(0..2, &[3]), (2..4, &[3])]);
    case.x = Tensor::cat(&[&case.x.narrow(0, 0, 2).unwrap(), &case.x.narrow(0, 0, 2).unwrap()], 0).unwrap();
    case.adapters[1].1 = case.adapters[0].1.clone();
    let (_, c) = &COMPUTES[1];
    let y = values(&case.layer.load(c).forward(c, &case.x, &with_dropout(&case, 7)).unwrap().0);
    assert_ne!(y[..10], y[10..], "both ranges used one mask");
}

#[test]
fn inputs_of_another_width_are_errors() {
    let case = Case::new(5, Layer::new(20, &[9, 7], true), &[(0..5, &[3, 4])]);
    for (name, c) in COMPUTES.iter() {
        let (layer, lora) = (case.layer.load(c), case.lora());
        for columns in [19, 21] {
            assert!(layer.forward(c, &random(1, 5, columns, 1.0), &lora).is_err(), "{name}");
        }
        for columns in [15, 17] {
            assert!(layer.input_gradient(c, &random(1, 5, columns, 1.0), &lora, true).is_err(), "{name}");
        }
        let mut matrices = case.adapters[0].1.clone();
        matrices[1].as_mut().unwrap().b = random(1, 7, 9, 1.0);
        let wrong = [LoraRows { matrices: &matrices, ..lora[0].clone() }];
        assert!(layer.forward(c, &case.x, &wrong).is_err(), "{name}: B of another rank");
    }
}
