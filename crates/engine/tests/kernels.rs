//! Every kernel, on every instruction set and as a candle composite, against the formula in f64; every backward
//! pass against central differences of that formula.

mod dense;
mod loss;
mod reference;

use std::sync::LazyLock;

use candle_core::{Device, Tensor};
use reference::Matrix;
use seald_engine::batch::{Batch, Segment};
use seald_engine::kernels::norm::{self, Heads};
use seald_engine::kernels::rope::{self, Angles, Direction};
use seald_engine::kernels::{Compute, attention, attention_backward, rows, swiglu};

/// Largest error relative to the largest magnitude of the result.
const TOLERANCE: f64 = 1e-5;

static COMPUTES: LazyLock<Vec<(String, Compute)>> = LazyLock::new(crate::golden_models::f32_computes);

/// Values in ±`size` that depend on `seed` alone (SplitMix64's finaliser over a counter).
fn random(seed: u64, rows: usize, columns: usize, size: f64) -> Tensor {
    let value = |i: u64| {
        let mut x = (seed << 32 ^ i).wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((x ^ (x >> 31)) >> 40) as f64 / (1u64 << 23) as f64 - 1.0) * size
    };
    let data: Vec<f32> = (0..(rows * columns) as u64).map(|i| value(i) as f32).collect();
    Tensor::from_vec(data, (rows, columns), &Device::Cpu).unwrap()
}

/// A random vector around 1, as the weights of a norm are.
fn random_scale(seed: u64, width: usize) -> Tensor {
    (random(seed, 1, width, 0.5).flatten_all().unwrap() + 1.0).unwrap()
}

fn values(t: &Tensor) -> Vec<f64> {
    crate::golden_models::flat(t).into_iter().map(f64::from).collect()
}

fn exact(t: &Tensor) -> Matrix {
    let (rows, columns) = t.dims2().unwrap();
    Matrix { data: values(t), rows, columns }
}

/// Some elements of a tensor, all if there are few.
fn some(len: usize) -> Vec<usize> {
    let wanted = len.min(40);
    (0..wanted).map(|i| i * len / wanted + (i * 7) % (len / wanted)).collect()
}

/// `run` on every backend gives `expected`.
fn check_values(what: &str, expected: &Matrix, run: impl Fn(&Compute) -> Tensor + Sync) {
    let size = expected.data.iter().fold(0f64, |m, v| m.max(v.abs()));
    for (name, compute) in COMPUTES.iter() {
        let found = compute.run(|| run(compute));
        assert_eq!(found.dims(), [expected.rows, expected.columns], "{what}, {name}");
        for (i, (found, expected)) in values(&found).iter().zip(&expected.data).enumerate() {
            let error = (found - expected).abs() / size;
            assert!(error <= TOLERANCE, "{what}, {name}, element {i}: {found} for {expected}");
        }
    }
}

/// `run` on the composite has the slopes that were measured; on every other backend it gives what the
/// composite gives, everywhere.
fn check_gradient(what: &str, slopes: &[(usize, f64)], run: impl Fn(&Compute) -> Tensor + Sync) {
    let (name, composite) = &COMPUTES[0];
    assert_eq!(name, "composite");
    let gradient = composite.run(|| run(composite));
    let data = values(&gradient);
    let size = data.iter().fold(0f64, |m, v| m.max(v.abs()));
    for &(i, slope) in slopes {
        let error = (data[i] - slope).abs() / size;
        assert!(error <= TOLERANCE, "{what}, element {i}: {} for the slope {slope}", data[i]);
    }
    check_values(&format!("{what} backward"), &exact(&gradient), run);
}

/// Memory of its own.
fn copy(t: &Tensor) -> Tensor {
    // The fused kernels write into memory they are given, which here is shared with the next backend's.
    t.copy().unwrap()
}

fn segments(lengths: &[usize]) -> Vec<Segment> {
    let mut batch = Batch::new();
    lengths.iter().for_each(|&n| batch.push(&vec![0; n], 0, None).unwrap());
    batch.segments
}

const fn heads(queries: usize, keys: usize, width: usize) -> Heads {
    Heads { queries, keys, width }
}

const HEADS: [Heads; 6] =
    [heads(1, 1, 6), heads(4, 2, 12), heads(6, 1, 10), heads(3, 3, 20), heads(8, 2, 16), heads(2, 1, 34)];

/// (rows, width): one row, widths around and beside the 16 lanes, enough to run in parallel.
const SHAPES: [(usize, usize); 7] = [(1, 1), (1, 16), (3, 5), (2, 33), (7, 48), (5, 895), (130, 200)];

#[test]
fn rms_norm_and_its_gradient() {
    for (seed, (t, h)) in SHAPES.into_iter().enumerate() {
        let what = format!("norm ({t}, {h})");
        let (x, w, dy, residual) = (
            random(seed as u64, t, h, 3.0),
            random_scale(50, h),
            random(60, t, h, 1.0),
            random(70, t, h, 1.0),
        );
        let (wide_w, eps) = (values(&w), 1e-3); // large enough to be seen
        let f = |x: &Matrix| reference::rms_norm(x, &wide_w, eps);
        check_values(&what, &f(&exact(&x)), |c| norm::forward(c, &x, &w, eps).unwrap());
        let mut slopes = reference::slopes(&exact(&x), &some(t * h), &exact(&dy), f);
        let skip = values(&residual);
        slopes.iter_mut().for_each(|(i, slope)| *slope += skip[*i]);
        check_gradient(&what, &slopes, |c| norm::backward(c, &x, &w, eps, &dy, copy(&residual)).unwrap());
    }
}

#[test]
fn head_norms_and_their_gradient() {
    for (heads, t) in HEADS.into_iter().zip([1, 3, 5, 170, 2, 4]) {
        let what = format!("{heads:?}, {t} tokens");
        let (x, dy) = (random(1, t, heads.row(), 2.0), random(2, t, heads.row(), 1.0));
        let (wq, wk) = (random_scale(3, heads.width), random_scale(4, heads.width));
        let (wide_q, wide_k) = (values(&wq), values(&wk));
        let f = |x: &Matrix| reference::head_norms(heads, x, (&wide_q, &wide_k), 1e-3);
        check_values(&what, &f(&exact(&x)), |c| norm::heads_forward(c, heads, &x, (&wq, &wk), 1e-3).unwrap());
        let slopes = reference::slopes(&exact(&x), &some(t * heads.row()), &exact(&dy), f);
        check_gradient(&what, &slopes, |c| {
            norm::heads_backward(c, heads, &x, (&wq, &wk), 1e-3, copy(&dy)).unwrap()
        });
    }
}

#[test]
fn rotation_and_its_gradient() {
    for (heads, t) in HEADS.into_iter().zip([1, 3, 250, 7, 2, 4]) {
        let what = format!("{heads:?}, {t} tokens");
        let frequencies: Vec<f32> = (0..heads.width / 2).map(|j| 0.7f32.powi(j as i32)).collect();
        let positions: Vec<u32> = (0..t as u32).map(|i| (i * 37) % 101).collect();
        let (x, dy) = (random(1, t, heads.row(), 2.0), random(2, t, heads.row(), 1.0));
        let f = |x: &Matrix| reference::rotate(heads, x, &frequencies, &positions);
        let run = |c: &Compute, direction, x: &Tensor| {
            let angles = Angles::new(c, &frequencies, &positions).unwrap();
            rope::rotate(c, heads, &angles, direction, copy(x)).unwrap()
        };
        check_values(&what, &f(&exact(&x)), |c| run(c, Direction::Forward, &x));
        let slopes = reference::slopes(&exact(&x), &some(t * heads.row()), &exact(&dy), f);
        check_gradient(&what, &slopes, |c| run(c, Direction::Backward, &dy));
    }
}

#[test]
fn swiglu_and_its_gradient() {
    for (t, f) in SHAPES {
        let what = format!("swiglu ({t}, {f})");
        // Wide enough that some gates saturate.
        let (x, dy) = (random(1, t, 2 * f, 12.0), random(2, t, f, 1.0));
        let forward = reference::swiglu(&exact(&x));
        check_values(&what, &forward, |c| swiglu::forward(c, &x).unwrap());
        let slopes = reference::slopes(&exact(&x), &some(2 * t * f), &exact(&dy), reference::swiglu);
        let run = |c: &Compute| swiglu::backward(c, copy(&x), copy(&dy)).unwrap();
        check_gradient(&what, &slopes, |c| run(c).0);
        check_values(&format!("{what}, made again"), &forward, |c| run(c).1);
    }
}

#[test]
fn attention_and_its_gradient() {
    // Blocks of 64 queries: shorter, exactly one, one more, several; and neighbours of very different length.
    let lengths: [&[usize]; 6] = [&[1], &[5, 1, 9], &[64, 65, 1, 128], &[200], &[3, 1, 70], &[70, 3, 129]];
    for (heads, lengths) in HEADS.into_iter().zip(lengths) {
        let what = format!("{heads:?}, segments {lengths:?}");
        let (segments, t) = (segments(lengths), lengths.iter().sum());
        let (qkv, dy) = (random(1, t, heads.row(), 2.0), random(2, t, heads.queries * heads.width, 1.0));
        let f = |x: &Matrix| reference::attention(heads, &segments, x);
        let forward = |c: &Compute| attention::forward(c, heads, &segments, &qkv).unwrap();
        check_values(&what, &f(&exact(&qkv)), |c| forward(c).output);
        let slopes = reference::slopes(&exact(&qkv), &some(t * heads.row()), &exact(&dy), f);
        check_gradient(&what, &slopes, |c| {
            attention_backward::backward(c, heads, &segments, &qkv, &forward(c), &dy).unwrap()
        });
    }
}

#[test]
fn attention_to_far_apart_scores_stays_finite() {
    let heads = heads(2, 1, 6);
    let (segments, qkv) = (segments(&[70]), random(1, 70, heads.row(), 60.0));
    let dy = random(2, 70, 12, 1.0);
    for (name, compute) in COMPUTES.iter() {
        let attended = attention::forward(compute, heads, &segments, &qkv).unwrap();
        let d = attention_backward::backward(compute, heads, &segments, &qkv, &attended, &dy).unwrap();
        for v in values(&attended.output).iter().chain(&values(&d)) {
            assert!(v.is_finite(), "{name}");
        }
    }
}

#[test]
fn rows_are_gathered_scattered_and_added() {
    for (t, h) in SHAPES {
        let what = format!("({t}, {h})");
        let (x, y) = (random(1, t, h, 1.0), random(2, t, h, 1.0));
        let mut sum = exact(&x);
        sum.data.iter_mut().zip(values(&y)).for_each(|(x, y)| *x += y);
        check_values(&what, &sum, |c| rows::add(c, copy(&x), &y).unwrap());

        let picked: Vec<u32> = (0..t as u32).rev().step_by(2).collect();
        let (all, mut few) = (exact(&x), Matrix::zeros(picked.len(), h));
        let mut back = Matrix::zeros(t, h);
        for (i, &at) in picked.iter().enumerate() {
            few.row_mut(i).copy_from_slice(all.row(at as usize));
            back.row_mut(at as usize).copy_from_slice(all.row(at as usize));
        }
        check_values(&what, &few, |c| rows::gather(c, &x, &picked).unwrap());
        check_values(&what, &back, |c| {
            rows::scatter(c, &rows::gather(c, &x, &picked).unwrap(), &picked, t).unwrap()
        });
    }
}

#[test]
fn shapes_that_do_not_fit_are_errors() {
    let (heads, segments, twice) = (heads(4, 2, 6), segments(&[3, 2]), segments(&[5, 5]));
    let (fits, short, narrow) = (random(1, 5, 48, 1.0), random(1, 4, 48, 1.0), random(1, 5, 42, 1.0));
    let dy = random(2, 5, 24, 1.0);
    for (name, c) in COMPUTES.iter() {
        let attended = attention::forward(c, heads, &segments, &fits).unwrap();
        for (qkv, segments) in [(&short, &segments), (&narrow, &segments), (&fits, &twice)] {
            assert!(attention::forward(c, heads, segments, qkv).is_err(), "{name}");
            let back = attention_backward::backward(c, heads, segments, qkv, &attended, &dy);
            assert!(back.is_err(), "{name}");
        }
        let uneven = Heads { queries: 5, ..heads };
        assert!(attention::forward(c, uneven, &segments, &random(1, 5, 54, 1.0)).is_err(), "{name}");
        let back = attention_backward::backward(c, heads, &segments, &fits, &attended, &narrow);
        assert!(back.is_err(), "{name}");
        let mut past = segments.clone();
        past[0].past = 1;
        assert!(attention::forward(c, heads, &past, &fits).is_err(), "{name}");
    }
}
