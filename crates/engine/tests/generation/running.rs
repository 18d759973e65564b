//! Rows that join and leave between two passes.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use candle_core::Device;
use seald_engine::decoder::ActiveAdapter;
use seald_engine::generate::{GenerateOptions, Generated, Generator, TokenEvent};
use seald_engine::running::{Bounds, Member, Running};
use seald_engine::score::{ScoreRow, Scorer};

use super::{assert_same, generate, greedy, other_adapter, prompts, row, sampled};
use crate::golden_models::{Golden, f32_computes, fused_f32};

/// Steps until nothing is under way; each row's tokens, with what was told of it last.
fn run_out(running: &mut Running<'_>, adapters: &[ActiveAdapter<'_>]) -> BTreeMap<usize, Generated> {
    let mut done = BTreeMap::new();
    while !running.is_empty() {
        let ended = running.step(adapters, &mut |_| ControlFlow::Continue(())).unwrap();
        done.extend(ended.into_iter().map(|(row, result)| (row, result.unwrap())));
    }
    done
}

fn member(row: usize, options: &GenerateOptions) -> Member {
    Member { row, request: row, options: Arc::new(options.clone()), draw: 0 }
}

#[test]
fn rows_join_and_leave_between_passes_and_do_not_notice_each_other() {
    for (name, compute) in f32_computes() {
        let golden = Golden::open("qwen3");
        let decoder = golden.decoder(&compute);
        let (first, second) = (golden.adapter(&Device::Cpu), other_adapter(&golden));
        let adapters = [ActiveAdapter::inference(&first), ActiveAdapter::inference(&second)];
        let prompts = prompts();
        let alone = |prompt: usize, adapter| {
            let rows = [row(&prompts[prompt], adapter)];
            generate(&Generator::new(&decoder, None, &adapters), &rows, &greedy(12)).remove(0)
        };
        let bounds = Bounds { prefill_tokens: 5, pass_time: None, batch_rows: 3 };
        let mut running = Running::new(&decoder, None, bounds);
        let add = |running: &mut Running<'_>, number: usize, prompt: usize, adapter| {
            running.add(prompts[prompt].clone(), adapter, vec![member(number, &greedy(12))]).unwrap();
        };
        let step = |running: &mut Running<'_>| {
            let ended = running.step(&adapters, &mut |_| ControlFlow::Continue(())).unwrap();
            assert!(ended.is_empty());
        };
        add(&mut running, 0, 1, None);
        add(&mut running, 1, 2, Some(1));
        (0..4).for_each(|_| step(&mut running));
        // A long prompt is read in parts beside them; a fourth row waits; one leaves while it is read, another while it waits.
        add(&mut running, 2, 7, Some(0));
        add(&mut running, 3, 4, Some(1));
        add(&mut running, 4, 5, None);
        step(&mut running);
        assert!(running.uses(0) && running.rows() == 5);
        running.remove(0);
        running.remove(4);
        assert_eq!(running.rows(), 3);
        let done = run_out(&mut running, &adapters);
        assert_eq!(done.keys().copied().collect::<Vec<_>>(), [1, 2, 3], "{name}");
        assert_same(&format!("{name} 1"), &done[&1], &alone(2, Some(1)));
        assert_same(&format!("{name} 2"), &done[&2], &alone(7, Some(0)));
        assert_same(&format!("{name} 3"), &done[&3], &alone(4, Some(1)));
        // Places that were given back are used again.
        add(&mut running, 5, 1, None);
        assert_same(&format!("{name} 5"), &run_out(&mut running, &adapters)[&5], &alone(1, None));
    }
}

#[test]
fn one_prompt_has_several_answers() {
    let golden = Golden::open("qwen2");
    let decoder = golden.decoder(&fused_f32());
    let mut running =
        Running::new(&decoder, None, Bounds { prefill_tokens: 64, pass_time: None, batch_rows: 4 });
    // More than have room at a time; the first of each group ends at once, so that its place in the cache goes to the next.
    let members = (0..6).map(|draw| {
        let options = GenerateOptions { max_tokens: if draw % 4 == 0 { 1 } else { 9 }, ..sampled(9, 5) };
        Member { row: 10 + draw, request: 0, options: Arc::new(options), draw }
    });
    running.add(vec![1, 2, 3], None, members.collect()).unwrap();
    let done = run_out(&mut running, &[]);
    let rows = vec![row(&[1, 2, 3], None); 6];
    let expected = generate(&Generator::new(&decoder, None, &[]), &rows, &sampled(9, 5));
    for (draw, expected) in expected.iter().enumerate() {
        let found = &done[&(10 + draw)].token_ids;
        assert_eq!(found[..], expected.token_ids[..found.len()], "answer {draw}");
        assert_eq!(found.len(), if draw % 4 == 0 { 1 } else { 9 });
    }
}

#[test]
fn a_short_prompt_waits_for_no_long_one_where_a_pass_has_a_time() {
    let golden = Golden::open("qwen2");
    let decoder = golden.decoder(&fused_f32());
    let (long, short): (Vec<u32>, Vec<u32>) = ((1..60).collect(), vec![5, 6, 7]);
    let passes_until_the_short_one_begins = |pass_time| {
        let bounds = Bounds { prefill_tokens: 8, pass_time, batch_rows: 4 };
        let mut running = Running::new(&decoder, None, bounds);
        running.add(long.clone(), None, vec![member(0, &greedy(4))]).unwrap();
        running.add(short.clone(), None, vec![member(1, &greedy(4))]).unwrap();
        let (mut passes, mut begun, mut done) = (0, None, BTreeMap::new());
        while !running.is_empty() {
            passes += 1;
            let mut tell = |event: TokenEvent<'_>| {
                if event.row == 1 {
                    begun.get_or_insert(passes);
                }
                ControlFlow::Continue(())
            };
            done.extend(
                running.step(&[], &mut tell).unwrap().into_iter().map(|(row, out)| (row, out.unwrap())),
            );
        }
        for (number, prompt) in [(0, &long), (1, &short)] {
            let alone = generate(&Generator::new(&decoder, None, &[]), &[row(prompt, None)], &greedy(4));
            assert_same(&format!("row {number}"), &done[&number], &alone[0]);
        }
        begun
    };
    assert_eq!(passes_until_the_short_one_begins(Some(Duration::from_secs(3600))), Some(1));
    assert_eq!(passes_until_the_short_one_begins(None), Some(8), "59 tokens and 3, eight at a time");
}

#[test]
fn rows_are_weighed_beside_those_that_are_written() {
    for (name, compute) in f32_computes() {
        let golden = Golden::open("qwen3");
        let decoder = golden.decoder(&compute);
        let adapter = golden.adapter(&Device::Cpu);
        let adapters = [ActiveAdapter::inference(&adapter)];
        let prompts = prompts();
        let (long, never) = (prompts[7].clone(), AtomicBool::new(false));
        // Parts of three tokens beside one that is written, whole, and from the second token on.
        for (prefill_tokens, first) in [(3, long.len() - 2), (64, 4), (2, 1)] {
            let mut running =
                Running::new(&decoder, None, Bounds { prefill_tokens, pass_time: None, batch_rows: 4 });
            running.add(prompts[2].clone(), None, vec![member(0, &greedy(12))]).unwrap();
            running.weigh(1, long.clone(), first, Some(0)).unwrap();
            running.weigh(2, long.clone(), first, None).unwrap();
            running.weigh(3, long.clone(), first, None).unwrap();
            assert_eq!(running.rows(), 4);
            running.remove(3);
            let done = run_out(&mut running, &adapters);
            assert_eq!(done.keys().copied().collect::<Vec<_>>(), [0, 1, 2], "{name}");
            let alone = [row(&prompts[2], None)];
            let alone = generate(&Generator::new(&decoder, None, &adapters), &alone, &greedy(12)).remove(0);
            assert_same(&format!("{name} beside"), &done[&0], &alone);
            for (number, adapter) in [(1, Some(0)), (2, None)] {
                let rows = [ScoreRow { tokens: long.clone(), first, adapter }];
                let expected = Scorer::new(&decoder, &adapters).score(&rows, &mut |_| {}, &never).unwrap();
                let found = &done[&number];
                assert_eq!(found.token_ids, long[first..], "{name} {number}");
                let pairs = found.log_probs.iter().zip(&expected[0].token_log_probs);
                assert!(
                    pairs.clone().count() == long.len() - first
                        && pairs.clone().all(|(a, b)| (a - b).abs() < 2e-5),
                    "{name} {number}: {:?} {:?}",
                    found.log_probs,
                    expected[0].token_log_probs
                );
            }
        }
        let mut running =
            Running::new(&decoder, None, Bounds { prefill_tokens: 8, pass_time: None, batch_rows: 1 });
        for first in [0, long.len()] {
            let error = running.weigh(0, long.clone(), first, None).unwrap_err();
            assert!(error.to_string().contains("cannot be weighed"), "{error}");
        }
    }
}

#[test]
fn a_request_of_many_rows_lets_another_begin_beside_it() {
    let golden = Golden::open("qwen2");
    let decoder = golden.decoder(&fused_f32());
    let bounds = Bounds { prefill_tokens: 64, pass_time: None, batch_rows: 2 };
    let mut running = Running::new(&decoder, None, bounds);
    for number in 0..8 {
        let large = Member { request: 0, ..member(number, &greedy(6)) };
        running.add(vec![1, 2, 3], None, vec![large]).unwrap();
    }
    let mut begun = Vec::new();
    let mut step = |running: &mut Running<'_>| {
        let mut tell = |event: TokenEvent<'_>| {
            if !begun.contains(&event.row) {
                begun.push(event.row);
            }
            ControlFlow::Continue(())
        };
        running.step(&[], &mut tell).unwrap();
        begun.clone()
    };
    assert_eq!(step(&mut running), [0, 1], "both places");
    running.add(vec![5, 6], None, vec![Member { request: 8, ..member(8, &greedy(6)) }]).unwrap();
    assert_eq!(step(&mut running), [0, 1, 8], "before the other six, and before either has ended");
}
