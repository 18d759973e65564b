//! Rows that join and leave between two passes.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use candle_core::Device;
use seald_engine::decoder::ActiveAdapter;
use seald_engine::generate::{GenerateOptions, Generated, Generator};
use seald_engine::running::{Bounds, Member, Running};

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
    Member { row, options: Arc::new(options.clone()), draw: 0 }
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
        let bounds = Bounds { prefill_tokens: 5, batch_rows: 3 };
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
    let mut running = Running::new(&decoder, None, Bounds { prefill_tokens: 64, batch_rows: 4 });
    // More than have room at a time; the first of each group ends at once, so that its place in the cache goes to the next.
    let members = (0..6).map(|draw| {
        let options = GenerateOptions { max_tokens: if draw % 4 == 0 { 1 } else { 9 }, ..sampled(9, 5) };
        Member { row: 10 + draw, options: Arc::new(options), draw }
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
