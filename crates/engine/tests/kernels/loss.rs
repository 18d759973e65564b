//! Losses, log-probabilities and the most probable tokens, from hidden states through the output head.

use std::collections::HashMap;

use candle_core::Tensor;
use seald_engine::kernels::Compute;
use seald_engine::kernels::linear::{FrozenLinear, Source};
use seald_engine::loss::{self, SoftLabel, Target};
use seald_engine::weights::Weights;

use super::reference::{self, Matrix};
use super::{COMPUTES, check_gradient, exact, random, some};

/// An output head of its own size, in a checkpoint.
struct Head {
    dir: tempfile::TempDir,
    weight: Tensor,
}

impl Head {
    fn new(vocabulary: usize, width: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let weight = random(1, vocabulary, width, 1.5);
        let tensors = HashMap::from([("lm_head.weight".to_string(), weight.clone())]);
        candle_core::safetensors::save(&tensors, dir.path().join("model.safetensors")).unwrap();
        Self { dir, weight }
    }

    fn load(&self, compute: &Compute) -> FrozenLinear {
        let (outputs, inputs) = self.weight.dims2().unwrap();
        let source = Source { projection: None, name: "lm_head".into(), outputs, bias: false };
        FrozenLinear::load(compute, &Weights::open(self.dir.path()).unwrap(), inputs, &[source]).unwrap()
    }

    fn log_probs(&self, hidden: &Matrix) -> Vec<Vec<f64>> {
        let logits = hidden.times_transposed(&exact(&self.weight));
        (0..logits.rows).map(|i| reference::log_softmax(logits.row(i))).collect()
    }
}

/// (rows, vocabulary, width): one row, odd vocabularies, and more rows than one chunk of logits has (1024).
const SHAPES: [(usize, usize, usize); 4] = [(1, 5, 3), (5, 37, 8), (7, 1003, 20), (1100, 19, 5)];

/// A teacher that names four tokens, of which one is very probable.
struct Teacher(Vec<(Vec<u32>, Vec<f32>)>);

impl Teacher {
    fn new(rows: usize, vocabulary: usize) -> Self {
        let count = 4.min(vocabulary - 1) as u32;
        let row = |i: usize| {
            let ids =
                (0..count).map(|j| (i as u32 * 5 + j * 3 + j * j) % vocabulary as u32).collect::<Vec<_>>();
            let distinct: Vec<u32> =
                ids.iter().enumerate().filter(|(j, id)| !ids[..*j].contains(id)).map(|(_, id)| *id).collect();
            let log_probs = (0..distinct.len()).map(|j| [0.6f32, 0.2, 0.1, 0.01][j].ln()).collect();
            (distinct, log_probs)
        };
        Self((0..rows).map(row).collect())
    }
}

fn check_losses(what: &str, head: &Head, hidden: &Tensor, targets: &[Target<'_>]) {
    let each = |hidden: &Matrix| -> Vec<f64> {
        let of = |(log_q, target): (Vec<f64>, &Target<'_>)| match target.soft {
            None => -log_q[target.token as usize],
            Some(soft) => reference::soft_loss(&log_q, soft.ids, soft.log_probs),
        };
        head.log_probs(hidden).into_iter().zip(targets).map(of).collect()
    };
    let expected = each(&exact(hidden));
    for (name, c) in COMPUTES.iter() {
        let found = c.run(|| loss::loss_and_gradient(c, &head.load(c), hidden, targets).unwrap()).losses;
        for (i, (&found, expected)) in found.iter().zip(&expected).enumerate() {
            let error = (f64::from(found) - expected).abs() / expected.max(1.0);
            assert!(error <= 1e-5, "{what}, {name}, row {i}: {found} for {expected}");
        }
        assert_eq!(found.len(), expected.len());
    }
    // The gradient of a row's loss concerns that row alone, so every row's slope is taken by itself.
    let slopes: Vec<(usize, f64)> = some(hidden.elem_count())
        .into_iter()
        .map(|at| {
            let (i, column) = (at / hidden.dim(1).unwrap(), at % hidden.dim(1).unwrap());
            let row =
                Matrix { data: exact(hidden).row(i).to_vec(), rows: 1, columns: hidden.dim(1).unwrap() };
            let f = |row: &Matrix| {
                let log_q = head.log_probs(row).remove(0);
                let loss = match targets[i].soft {
                    None => -log_q[targets[i].token as usize],
                    Some(soft) => reference::soft_loss(&log_q, soft.ids, soft.log_probs),
                };
                Matrix { data: vec![loss], rows: 1, columns: 1 }
            };
            let weight = Matrix { data: vec![f64::from(targets[i].weight)], rows: 1, columns: 1 };
            (at, reference::slopes(&row, &[column], &weight, f)[0].1)
        })
        .collect();
    check_gradient(what, &slopes, |c| {
        loss::loss_and_gradient(c, &head.load(c), hidden, targets).unwrap().gradient
    });
}

/// One target for each row, of different weights.
fn targets<'a>(
    rows: usize,
    vocabulary: usize,
    soft: impl Fn(usize) -> Option<SoftLabel<'a>>,
) -> Vec<Target<'a>> {
    let target = |i: usize| Target {
        row: i as u32,
        token: (i * 17 % vocabulary) as u32,
        weight: 0.5 + (i % 3) as f32,
        soft: soft(i),
    };
    (0..rows).map(target).collect()
}

#[test]
fn cross_entropy_and_its_gradient() {
    for (rows, vocabulary, width) in SHAPES {
        let (head, hidden) = (Head::new(vocabulary, width), random(2, rows, width, 1.5));
        let targets = targets(rows, vocabulary, |_| None);
        check_losses(&format!("({rows}, {vocabulary})"), &head, &hidden, &targets);
    }
}

#[test]
fn soft_labels_and_their_gradient() {
    for (rows, vocabulary, width) in SHAPES {
        let (head, hidden) = (Head::new(vocabulary, width), random(2, rows, width, 1.5));
        let teacher = Teacher::new(rows, vocabulary);
        // Every third position has a hard label: the two kinds share a batch.
        let label = |i: usize| SoftLabel { ids: &teacher.0[i].0, log_probs: &teacher.0[i].1 };
        let targets = targets(rows, vocabulary, |i| (i % 3 != 1).then(|| label(i)));
        check_losses(&format!("soft ({rows}, {vocabulary})"), &head, &hidden, &targets);
    }
}

#[test]
fn log_probabilities_and_the_most_probable_tokens() {
    for (rows, vocabulary, width) in SHAPES {
        let (head, hidden) = (Head::new(vocabulary, width), random(2, rows, width, 1.5));
        let expected = head.log_probs(&exact(&hidden));
        let tokens: Vec<u32> = (0..rows).map(|i| (i * 31 % vocabulary) as u32).collect();
        let k = 5.min(vocabulary);
        for (name, c) in COMPUTES.iter() {
            let loaded = head.load(c);
            let near = |found: f32, expected: f64| {
                (f64::from(found) - expected).abs() <= 2e-5 * expected.abs().max(1.0)
            };
            let found = c.run(|| loss::log_probs(c, &loaded, &hidden, &tokens).unwrap());
            assert_eq!(found.len(), rows);
            for (i, found) in found.into_iter().enumerate() {
                assert!(near(found, expected[i][tokens[i] as usize]), "{name}, row {i}");
            }
            let top = c.run(|| loss::top_log_probs(c, &loaded, &hidden, k).unwrap());
            assert_eq!(top.len(), rows);
            for (i, (ids, log_probs)) in top.into_iter().enumerate() {
                let mut sorted = expected[i].clone();
                sorted.sort_by(|a, b| b.total_cmp(a));
                assert_eq!(ids.len(), k);
                for j in 0..k {
                    assert!(near(log_probs[j], sorted[j]), "{name}, row {i}, place {j}");
                    assert!(near(log_probs[j], expected[i][ids[j] as usize]), "{name}, row {i}, place {j}");
                }
            }
        }
    }
}
