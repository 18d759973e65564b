//! The packed matmul against f64 sums over the same rounded inputs.

use super::blocks::round;
use super::matmul::matmul_with;
use super::*;
use crate::kernels::cpu::Isa;
use half::bf16;
use proptest::prelude::*;

/// Values in (-1, 1), the same for the same seed.
fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn rounded(x: f32) -> f64 {
    bf16::from_f32(x).to_f64()
}

/// y += x Wᵀ in f64, and the sum of absolute products, which bounds the rounding of the sums.
fn reference(x: &[f32], w: &[f32], rows: usize, n: usize, k: usize, y: &mut [(f64, f64)], ldy: usize) {
    for i in 0..rows {
        for j in 0..n {
            for l in 0..k {
                let product = rounded(x[i * k + l]) * rounded(w[j * k + l]);
                let (sum, size) = &mut y[i * ldy + j];
                *sum += product;
                *size += product.abs();
            }
        }
    }
}

fn assert_close(y: &[f32], expected: &[(f64, f64)]) {
    for (i, (&y, &(sum, size))) in y.iter().zip(expected).enumerate() {
        assert!(
            (f64::from(y) - sum).abs() <= 1e-6 * size + 1e-30,
            "element {i}: {y}, expected {sum} (size {size})"
        );
    }
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

/// The instruction sets that differ here and that this processor has.
fn isas() -> Vec<Isa> {
    if !Isa::supported().has_bf16() {
        eprintln!("no AVX512-BF16 here: only the portable kernels are tested");
    }
    [Isa::Portable, Isa::Avx512Bf16].into_iter().filter(|&isa| isa <= Isa::supported()).collect()
}

fn packed(isa: Isa, n: usize, k: usize, w: &[f32]) -> PackedWeight {
    let mut out = PackedWeight::default();
    out.fill(isa, n, k, &|row, out| round(isa, &w[row * k..][..k], out));
    out
}

fn input(isa: Isa, rows: usize, k: usize, x: &[f32]) -> PackedInput {
    let mut out = PackedInput::default();
    out.repack_with(isa, x, rows, k, k);
    out
}

fn check_product(rows: usize, n: usize, k: usize, accumulate: bool) {
    let (x, w) = (values(rows * k, 1), values(n * k, 2));
    let old = values(rows * n, 3);
    let mut expected: Vec<_> = old
        .iter()
        .map(|&v| if accumulate { (f64::from(v), f64::from(v).abs()) } else { (0.0, 0.0) })
        .collect();
    reference(&x, &w, rows, n, k, &mut expected, n);
    for isa in isas() {
        let mut y = if accumulate { old.clone() } else { vec![f32::NAN; rows * n] };
        matmul_with(isa, &input(isa, rows, k, &x), &packed(isa, n, k, &w), &mut y, accumulate, &[]);
        assert_close(&y, &expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn products_of_odd_sizes(rows in 0usize..45, n in 0usize..100, k in 0usize..90, accumulate: bool) {
        check_product(rows, n, k, accumulate);
    }

    #[test]
    fn tails_reach_their_columns_only(
        rows in 1usize..30, n in 1usize..140, k in 1usize..40, r in 1usize..20, from in 0usize..140, length in 0usize..140,
    ) {
        let start = from.min(n);
        let ranges = [start..(start + length).min(n), 0..n.min(32), n.min(64)..n];
        check_tails(rows, n, k, r, &ranges);
    }

    #[test]
    fn rows_and_transposes_are_exact(n in 0usize..100, k in 0usize..100) {
        let w = values(n * k, 5);
        let mut flipped = vec![0.0; n * k];
        for i in 0..n {
            for j in 0..k {
                flipped[j * n + i] = w[i * k + j];
            }
        }
        for isa in isas() {
            let weight = packed(isa, n, k, &w);
            let transposed = weight.transposed_with(isa);
            prop_assert_eq!((transposed.n(), transposed.k()), (k, n));
            assert_holds(&weight, &w);
            assert_holds(&transposed, &flipped);
            assert_holds(&transposed.transposed_with(isa), &w);
        }
        assert_holds(&PackedWeight::from_f32(n, k, &w, k), &w);
        assert_holds(&PackedWeight::from_f32_transposed(n, k, &flipped, n), &w);
    }
}

/// Does every row of `weight` hold the rounded `w`, and is the padding zero?
fn assert_holds(weight: &PackedWeight, w: &[f32]) {
    let (n, k) = (weight.n(), weight.k());
    let mut row = vec![f32::NAN; k];
    for i in 0..n {
        weight.row(i, &mut row);
        for j in 0..k {
            assert_eq!(row[j], bf16::from_f32(w[i * k + j]).to_f32(), "({i}, {j}) of {weight:?}");
        }
    }
    let sum: u64 = (0..weight.panels())
        .flat_map(|p| weight.panel(p))
        .map(|w| u64::from(w & 0xffff) + u64::from(w >> 16))
        .sum();
    let expected: u64 = w.iter().map(|&v| u64::from(bf16::from_f32(v).to_bits())).sum();
    assert_eq!(sum, expected, "the padding of {weight:?} is not zero");
}

fn check_tails(rows: usize, n: usize, k: usize, r: usize, ranges: &[std::ops::Range<usize>]) {
    let (x, w) = (values(rows * k, 1), values(n * k, 2));
    let mut expected = vec![(0.0, 0.0); rows * n];
    reference(&x, &w, rows, n, k, &mut expected, n);
    let data: Vec<_> =
        (0..ranges.len() as u64).map(|i| (values(rows * r, 10 + i), values(n * r, 20 + i))).collect();
    for (range, (h, b)) in ranges.iter().zip(&data) {
        if !range.is_empty() {
            reference(h, b, rows, range.len(), r, &mut expected[range.start..], n);
        }
    }
    for isa in isas() {
        let parts: Vec<_> = ranges
            .iter()
            .zip(&data)
            .map(|(range, (h, b))| (input(isa, rows, r, h), packed(isa, range.len(), r, b), range.clone()))
            .collect();
        let tails: Vec<_> = parts
            .iter()
            .map(|(input, weight, columns)| Tail { input, weight, columns: columns.clone() })
            .collect();
        let mut y = vec![f32::NAN; rows * n];
        matmul_with(isa, &input(isa, rows, k, &x), &packed(isa, n, k, &w), &mut y, false, &tails);
        assert_close(&y, &expected);
    }
}

#[test]
fn long_sums_over_several_blocks() {
    // 5001 pairs: three blocks.
    check_product(45, 40, 10_001, false);
    check_product(31, 33, 5000, true);
}

#[test]
fn a_row_does_not_depend_on_its_batch() {
    let (rows, n, k) = (75, 130, 6001); // one block of k for few rows, two for many
    let (x, w) = (values(rows * k, 7), values(n * k, 8));
    let weight = PackedWeight::from_f32(n, k, &w, k);
    let all = matmul_new(&PackedInput::pack(&x, rows, k, k), &weight, &[]);
    for (first, count) in [(0, 1), (5, 3), (20, 14), (11, 40), (74, 1)] {
        let some = matmul_new(&PackedInput::pack(&x[first * k..], count, k, k), &weight, &[]);
        assert_eq!(some, all[first * n..(first + count) * n], "rows {first}..{}", first + count);
    }
}

#[test]
fn a_result_does_not_depend_on_the_threads() {
    let (rows, n, k, r) = (150, 700, 1111, 9);
    let (x, w) = (values(rows * k, 7), values(n * k, 8));
    let (h, b) = (values(rows * r, 9), values(n * r, 10));
    let run = || {
        let (tail_input, tail_weight) =
            (PackedInput::pack(&h, rows, r, r), PackedWeight::from_f32(n, r, &b, r));
        let tail = Tail { input: &tail_input, weight: &tail_weight, columns: 0..n };
        matmul_new(
            &PackedInput::pack(&x, rows, k, k),
            &PackedWeight::from_f32(n, k, &w, k).transposed().transposed(),
            &[tail],
        )
    };
    let one = pool(1).install(run);
    assert!(one == pool(2).install(run));
    assert!(one == pool(5).install(run));
}

#[test]
fn strided_inputs_and_parts_one_below_the_other() {
    let (rows, k, ldx) = (20, 37, 50);
    let x = values(rows * ldx, 1);
    let dense: Vec<f32> = x.chunks(ldx).flat_map(|row| &row[..k]).copied().collect();
    let (first, second) = (values(40 * k, 2), values(25 * k, 3));
    let read = |data: &[f32], row: usize, out: &mut [bf16]| round(Isa::detect(), &data[row * k..][..k], out);
    let weight = PackedWeight::from_parts(
        k,
        &[
            (40, &|row, out: &mut [bf16]| read(&first, row, out)),
            (25, &|row, out: &mut [bf16]| read(&second, row, out)),
        ],
    );
    let both = [first.clone(), second.clone()].concat();
    assert_holds(&weight, &both);
    let y = matmul_new(&PackedInput::pack(&x, rows, k, ldx), &weight, &[]);
    let mut expected = vec![(0.0, 0.0); rows * 65];
    reference(&dense, &both, rows, 65, k, &mut expected, 65);
    assert_close(&y, &expected);
}

#[test]
fn a_repacked_buffer_forgets_what_it_held() {
    let mut input = PackedInput::pack(&[f32::NAN; 3000], 30, 100, 100);
    let mut weight = PackedWeight::from_f32(70, 90, &[f32::NAN; 6300], 90);
    let (x, w) = (values(5 * 33, 1), values(41 * 33, 2));
    input.repack(&x, 5, 33, 33);
    weight.pack_f32(41, 33, &w, 33);
    assert_holds(&weight, &w);
    let mut expected = vec![(0.0, 0.0); 5 * 41];
    reference(&x, &w, 5, 41, 33, &mut expected, 41);
    assert_close(&matmul_new(&input, &weight, &[]), &expected);
}

#[test]
fn several_passes_over_k_change_no_bit() {
    // x takes 20 MiB packed: two passes on two threads.
    let (rows, n, k) = (60, 70, 180_003);
    let (x, w) = (values(rows * k, 1), values(n * k, 2));
    let (x, w) = (PackedInput::pack(&x, rows, k, k), PackedWeight::from_f32(n, k, &w, k));
    let one = pool(1).install(|| matmul_new(&x, &w, &[]));
    assert!(one == pool(2).install(|| matmul_new(&x, &w, &[])));
}

#[test]
fn a_result_written_past_the_caches_is_the_same() {
    let (rows, n, k) = (30, 290_000, 6);
    let (x, w) = (values(rows * k, 1), values(n * k, 2));
    let (x, w) = (PackedInput::pack(&x, rows, k, k), PackedWeight::from_f32(n, k, &w, k));
    let mut memory = vec![f32::NAN; rows * n + 16];
    let start = memory.as_ptr().align_offset(64);
    let streamed = &mut memory[start..][..rows * n];
    pool(2).install(|| matmul(&x, &w, streamed, false, &[]));
    let mut cached = vec![0.0; rows * n];
    matmul(&x, &w, &mut cached, true, &[]); // accumulation is never streamed
    assert!(streamed == cached);
}

#[test]
fn the_portable_shuffles_give_the_same_words() {
    let (n, k) = (77, 45);
    let w = values(n * k, 1);
    let words = |isa| {
        let weight = packed(isa, n, k, &w);
        let turned = weight.transposed_with(isa);
        let input = input(isa, n, k, &w);
        let panels =
            [&weight, &turned].map(|w| (0..w.panels()).flat_map(|p| w.panel(p)).copied().collect::<Vec<_>>());
        let rows: Vec<u32> =
            (0..input.panels()).flat_map(|p| input.panel(input.panel_rows(p))).copied().collect();
        (panels, rows)
    };
    for isa in isas() {
        assert_eq!(words(isa), words(Isa::Portable), "{isa}");
    }
}

#[test]
#[should_panic(expected = "does not fit")]
fn a_wrong_shape_is_refused() {
    let (x, w) = (PackedInput::pack(&[0.0; 12], 3, 4, 4), PackedWeight::from_f32(2, 5, &[0.0; 10], 5));
    matmul_new(&x, &w, &[]);
}
