//! Reading with a cache, in pieces and side by side, gives what one pass over the whole gives.

use candle_core::Tensor;
use proptest::prelude::*;
use seald_engine::batch::Batch;
use seald_engine::decoder::ActiveAdapter;
use seald_engine::loss;

use super::{COMPOSITE, FUSED, Row, Setup, any_setup, near, rows};

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_cache_changes_nothing(setup in any_setup(), rows in rows(), cuts in prop::collection::vec(1usize..30, 8)) {
        cached_equals_whole(setup, &rows, &cuts);
    }
}

/// Feeds each row in pieces (of the lengths in `cuts`, in turn), all rows side by side, and compares the logits.
fn cached_equals_whole(setup: &Setup, rows: &[Row], cuts: &[usize]) {
    let Setup { decoder, adapters } = setup;
    let active: Vec<_> = adapters.iter().map(ActiveAdapter::inference).collect();
    let mut cache = decoder.new_cache();
    let slots: Vec<usize> = rows.iter().map(|_| cache.add_slot()).collect();
    let mut logits: Vec<Vec<Tensor>> = vec![Vec::new(); rows.len()];
    for step in 0.. {
        let (mut batch, mut used) = (Batch::new(), Vec::new());
        for (i, row) in rows.iter().enumerate() {
            let done = cache.len(slots[i]);
            // Every third piece is one token, as in decoding.
            let piece = if (step + i) % 3 == 2 { 1 } else { cuts[(step + i) % cuts.len()] };
            let rest = &row.tokens[done..];
            if !rest.is_empty() {
                batch.push(&rest[..piece.min(rest.len())], done, row.adapter).unwrap();
                used.push(i);
            }
        }
        if used.is_empty() {
            break;
        }
        let own: Vec<usize> = used.iter().map(|&i| slots[i]).collect();
        let states = decoder.forward(&batch, &active, Some((&mut cache, &own))).unwrap();
        let all: Vec<u32> = (0..batch.len() as u32).collect();
        let input = decoder.head_input(&states, &all).unwrap();
        let found = loss::logits(decoder.compute(), decoder.head(), &input).unwrap();
        for (segment, &i) in batch.segments.iter().zip(&used) {
            logits[i].push(found.narrow(0, segment.start, segment.len).unwrap());
        }
    }
    for (i, row) in rows.iter().enumerate() {
        let whole = decoder.all_logits(&Batch::of(&[&row.tokens], row.adapter).unwrap(), &active).unwrap();
        near(&format!("row {i}"), &Tensor::cat(&logits[i], 0).unwrap(), &whole);
    }
}

#[test]
fn a_forked_cache_continues_both_ways() {
    for setup in FUSED.iter().chain(COMPOSITE.iter()) {
        let Setup { decoder, adapters } = setup;
        let active: Vec<_> = adapters.iter().map(ActiveAdapter::inference).collect();
        let mut cache = decoder.new_cache();
        let first = cache.add_slot();
        let prompt = [3u32, 1, 4, 1, 5];
        decoder
            .forward(&Batch::of(&[prompt], Some(0)).unwrap(), &active, Some((&mut cache, &[first])))
            .unwrap();
        let second = cache.fork(first);
        let mut batch = Batch::new();
        batch.push(&[9, 2], prompt.len(), Some(0)).unwrap();
        batch.push(&[6], prompt.len(), Some(0)).unwrap();
        let states = decoder.forward(&batch, &active, Some((&mut cache, &[second, first]))).unwrap();
        let whole = Batch::of(&[vec![3u32, 1, 4, 1, 5, 9, 2], vec![3, 1, 4, 1, 5, 6]], Some(0)).unwrap();
        let expected = decoder.forward(&whole, &active, None).unwrap();
        near("first branch", &states.narrow(0, 0, 2).unwrap(), &expected.narrow(0, 5, 2).unwrap());
        near("second branch", &states.narrow(0, 2, 1).unwrap(), &expected.narrow(0, 12, 1).unwrap());
        assert_eq!((cache.len(first), cache.len(second)), (6, 7));
    }
}
