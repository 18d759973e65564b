//! Hand-worked matrices.

use super::*;

/// A matrix of counts of right answers among `asked` probes: row g is generation g (0 the base), column d is learned by
/// generation d + 1; the first `count` probes are right; `None` was not asked.
fn matrix(asked: i64, rows: &[&[Option<i64>]]) -> Matrix {
    let mut outcomes = Vec::new();
    for (row, cells) in rows.iter().enumerate() {
        for (document, count) in cells.iter().enumerate().filter_map(|(d, cell)| Some((d, (*cell)?))) {
            outcomes.extend((0..asked).map(|probe| Outcome {
                generation: GenerationId(row as i64),
                document: DocumentId(document as i64),
                probe: ProbeId(document as i64 * 100 + probe),
                right: probe < count,
            }));
        }
    }
    let documents = rows.iter().map(|cells| cells.len()).max().unwrap_or(0);
    let columns = (0..documents as i64)
        .map(|d| Column { document: DocumentId(d), learned: Some(GenerationId(d + 1)) })
        .collect();
    Matrix::new((0..rows.len() as i64).map(GenerationId).collect(), columns, &outcomes)
}

fn near(got: Option<MeanOver>, value: f64, documents: usize) {
    let got = got.expect("a figure");
    assert!((got.value - value).abs() < 1e-12 && got.documents == documents, "{got:?}, not {value}");
}

/// As SEAL's sequence: each edit teaches its own passage and wears down the earlier ones until the last row lies below the base.
#[test]
fn a_sequence_that_forgets() {
    // Ten probes each.      d0       d1       d2
    let got = matrix(
        10,
        &[
            &[Some(3), Some(3), Some(2)], // base
            &[Some(6), Some(4), Some(2)], // learns d0
            &[Some(3), Some(7), Some(1)], // learns d1
            &[Some(1), Some(4), Some(5)], // learns d2
        ],
    )
    .figures();
    // ACC = (.1 + .4 + .5) / 3
    near(got.accuracy, 1.0 / 3.0, 3);
    // BWT = ((.1 - .6) + (.4 - .7)) / 2 = -.4
    near(got.backward_transfer, -0.4, 2);
    // FWT: d1 before its row .4 - base .3 = .1; d2 .1 - .2 = -.1; mean 0
    near(got.forward_transfer, 0.0, 2);
    // F: d0 best before .6 - .1 = .5; d1 .7 - .4 = .3; mean .4
    near(got.forgetting, 0.4, 2);
    // d0: 6 right when learned, 1 kept: 5 lost, of 4 wrong none gained; d1: 7 right, 4 kept: 3 lost, 3 wrong
    assert_eq!(got.flips.lost, Share { count: 8, of: 13 });
    assert_eq!(got.flips.gained, Share { count: 0, of: 7 });
    // d0 .1 < .3; d1 .4 > .3; d2 .5 > .2
    assert_eq!(got.below_base, Share { count: 1, of: 3 });
}

#[test]
fn backward_transfer_and_forgetting_part_where_a_later_row_was_better() {
    // d0: .5 when learned, .9 after d1, .7 in the end: BWT +.2, forgetting .2.
    let rows: [&[Option<i64>]; 4] = [
        &[Some(1), Some(1), Some(1)],
        &[Some(5), Some(1), Some(1)],
        &[Some(9), Some(6), Some(1)],
        &[Some(7), Some(6), Some(8)],
    ];
    let got = matrix(10, &rows).figures();
    // ((.7 - .5) + (.6 - .6)) / 2; ((.9 - .7) + 0) / 2
    near(got.backward_transfer, 0.1, 2);
    near(got.forgetting, 0.1, 2);
    assert_eq!((got.flips.gained, got.flips.lost.count), (Share { count: 2, of: 9 }, 0));
    // A row earlier: ACC (.9 + .6) / 2, BWT .9 - .5.
    let earlier = matrix(10, &rows).figures_at(2);
    near(earlier.accuracy, 0.75, 2);
    near(earlier.backward_transfer, 0.4, 1);
}

#[test]
fn cells_that_were_not_asked_are_left_out() {
    let got = matrix(
        4,
        &[
            &[Some(0), None, Some(1)],
            &[Some(4), Some(1), None],
            &[None, None, Some(2)],
            &[Some(3), Some(2), Some(4)],
        ],
    )
    .figures();
    near(got.accuracy, (0.75 + 0.5 + 1.0) / 3.0, 3);
    // d1 was not asked when it was learned: only d0, .75 - 1.
    near(got.backward_transfer, -0.25, 1);
    // d1 lacks the base; d2: .5 - .25.
    near(got.forward_transfer, 0.25, 1);
    // d0: 1 - .75; d1: .25 - .5 = -.25 (its best before the last row is below the last row).
    near(got.forgetting, 0.0, 2);
    assert_eq!(got.below_base, Share { count: 0, of: 2 });
}

#[test]
fn documents_that_are_not_learned_yet_count_nowhere() {
    let outcome = |generation, document, right| Outcome {
        generation: GenerationId(generation),
        document: DocumentId(document),
        probe: ProbeId(1),
        right,
    };
    let column = |document, learned: Option<i64>| Column {
        document: DocumentId(document),
        learned: learned.map(GenerationId),
    };
    let outcomes = [outcome(0, 1, false), outcome(1, 1, true), outcome(1, 2, true), outcome(9, 1, false)];
    let generations = vec![GenerationId::BASE, GenerationId(1)];
    // Document 3 was learned by a generation that was rolled back and is no row.
    let columns = vec![column(1, Some(1)), column(2, None), column(3, Some(9))];
    let got = Matrix::new(generations, columns, &outcomes).figures();
    near(got.accuracy, 1.0, 1);
    assert_eq!((got.backward_transfer, got.forward_transfer, got.forgetting), (None, None, None));
    assert_eq!((got.flips.lost.rate(), got.flips.gained.rate()), (None, None));
}

#[test]
fn two_documents_of_one_generation_are_two_columns() {
    // Both learned at row 1; row 2 learned nothing of the matrix.
    let outcomes: Vec<Outcome> =
        [(0, 1, false), (0, 2, false), (1, 1, true), (1, 2, true), (2, 1, true), (2, 2, false)]
            .map(|(generation, document, right)| Outcome {
                generation: GenerationId(generation),
                document: DocumentId(document),
                probe: ProbeId(document),
                right,
            })
            .to_vec();
    let columns = [1, 2].map(|d| Column { document: DocumentId(d), learned: Some(GenerationId(1)) }).to_vec();
    let got = Matrix::new((0..3).map(GenerationId).collect(), columns, &outcomes).figures();
    near(got.backward_transfer, -0.5, 2);
    assert_eq!(got.forward_transfer, None, "nothing was learned before them");
    assert_eq!(got.flips.lost.rate(), Some(0.5));
}

#[test]
fn an_empty_matrix_has_no_figures() {
    let got = Matrix::new(vec![], vec![], &[]).figures();
    assert_eq!((got.accuracy, got.forgetting), (None, None));
    let beyond = matrix(1, &[&[Some(1)], &[Some(1)]]).figures_at(5);
    assert_eq!((beyond.accuracy, beyond.backward_transfer, beyond.flips), (None, None, Flips::default()));
}

#[test]
fn flips_are_counted_both_ways() {
    let flips = Flips::count([(true, true), (true, false), (false, true), (false, false), (false, true)]);
    assert_eq!(flips.lost, Share { count: 1, of: 2 });
    assert_eq!(flips.gained, Share { count: 2, of: 3 });
}
