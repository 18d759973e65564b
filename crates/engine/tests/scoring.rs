//! Scores and teacher's labels against PyTorch, and against themselves one row at a time.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::golden_models::{Golden, f32_computes, flat, fused_f32, on_every_golden};
use candle_core::{DType, Device};
use seald_core::Kind;
use seald_engine::decoder::ActiveAdapter;
use seald_engine::score::{Progress, Score, ScoreRow, Scorer};

static GO_ON: AtomicBool = AtomicBool::new(false);

fn score(scorer: &Scorer<'_>, rows: &[ScoreRow]) -> Vec<Score> {
    scorer.score(rows, &mut |_| {}, &GO_ON).unwrap()
}

/// The golden rows from the first token that counts on.
fn golden_rows(golden: &Golden, adapter: Option<usize>) -> Vec<ScoreRow> {
    let of = |row: crate::golden_models::Row| {
        let first = row.mask.iter().position(|&m| m).unwrap();
        ScoreRow { tokens: row.ids, first, adapter }
    };
    golden.rows().into_iter().map(of).collect()
}

fn assert_close(name: &str, found: &[Score], expected: &[Score]) {
    assert_eq!(found.len(), expected.len());
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert_eq!(f.tokens, e.tokens, "{name} row {i}");
        for (a, b) in f.token_log_probs.iter().zip(&e.token_log_probs) {
            assert!((a - b).abs() < 2e-5, "{name} row {i}: {a} {b}");
        }
        assert!((f.log_prob - e.log_prob).abs() < 1e-4, "{name} row {i}: {} {}", f.log_prob, e.log_prob);
    }
}

#[test]
fn scores_equal_those_of_transformers_and_peft() {
    on_every_golden(|name, golden, decoder, adapter| {
        let adapters = [ActiveAdapter::inference(adapter)];
        // All rows with and without the adapter in one call.
        let mut rows = golden_rows(golden, Some(0));
        rows.extend(golden_rows(golden, None));
        let found = score(&Scorer::new(decoder, &adapters), &rows);
        let expected = [golden.numbers("lora_log_prob"), golden.numbers("base_log_prob")].concat();
        let masks: Vec<Vec<bool>> = golden.rows().into_iter().map(|r| r.mask).collect();
        for (i, (score, expected)) in found.iter().zip(&expected).enumerate() {
            let mask = &masks[i % 4][rows[i].first..];
            assert_eq!(score.tokens, mask.len());
            let counted = score.token_log_probs.iter().zip(mask).filter(|(_, m)| **m);
            let sum: f64 = counted.map(|(l, _)| f64::from(*l)).sum();
            assert!((sum - expected).abs() < 1e-5 * expected.abs(), "{name} {i}: {sum} {expected}");
            let all: f64 = score.token_log_probs.iter().map(|&l| f64::from(l)).sum();
            assert_eq!(score.log_prob, all);
        }
    });
}

#[test]
fn teachers_labels_equal_those_of_pytorch() {
    let golden = Golden::open("qwen2");
    let masks: Vec<Vec<bool>> = golden.rows().into_iter().map(|r| r.mask).collect();
    for (name, compute) in f32_computes() {
        let decoder = golden.decoder(&compute);
        let rows = golden_rows(&golden, None);
        let found = Scorer::new(&decoder, &[]).teacher_labels(&rows, 8, &mut |_| {}, &GO_ON).unwrap();
        for (i, labels) in found.iter().enumerate() {
            let mask = &masks[i][rows[i].first..];
            assert_eq!((labels.k, labels.len()), (8, mask.len()));
            let counted: Vec<usize> = (0..mask.len()).filter(|&j| mask[j]).collect();
            let ids = golden.array(&format!("soft.row{i}.ids")).to_dtype(DType::U32).unwrap();
            let log_probs = flat(golden.array(&format!("soft.row{i}.log_probs")));
            for (j, (&at, ids)) in counted.iter().zip(ids.to_vec2::<u32>().unwrap()).enumerate() {
                let label = labels.label(at);
                assert_eq!(label.ids, ids, "{name} row {i} place {j}");
                for (a, b) in label.log_probs.iter().zip(&log_probs[j * 8..]) {
                    assert!((a - b).abs() < 2e-5, "{name} row {i} place {j}: {a} {b}");
                }
            }
        }
    }
}

#[test]
fn a_teacher_with_a_longer_prompt_labels_the_same_completion() {
    let golden = Golden::open("llama");
    let decoder = golden.decoder(&fused_f32());
    let scorer = Scorer::new(&decoder, &[]);
    let (document, prompt, completion) = ([5u32, 9, 77, 3].repeat(5), [1u32, 2], [40u32, 41, 42, 43]);
    let row = |parts: &[&[u32]]| {
        let tokens = parts.concat();
        ScoreRow { first: tokens.len() - completion.len(), tokens, adapter: None }
    };
    let rows = [row(&[&document, &prompt, &completion]), row(&[&prompt, &completion])];
    let labels = scorer.teacher_labels(&rows, 160, &mut |_| {}, &GO_ON).unwrap();
    let scores = score(&scorer, &rows);
    for (labels, score) in labels.iter().zip(&scores) {
        assert_eq!(labels.len(), completion.len());
        for (i, token) in completion.iter().enumerate() {
            let label = labels.label(i);
            let at = label.ids.iter().position(|id| id == token).unwrap();
            assert!((label.log_probs[at] - score.token_log_probs[i]).abs() < 1e-6);
            let sum: f32 = label.log_probs.iter().map(|l| l.exp()).sum();
            assert!((sum - 1.0).abs() < 1e-4, "all tokens are named, but hold {sum}");
        }
    }
    assert_ne!(labels[0], labels[1], "the document changes nothing");
}

#[test]
fn one_row_at_a_time_in_parts_of_any_size_and_together_is_the_same() {
    for (name, compute) in f32_computes() {
        for model in ["qwen3", "llama_bias"] {
            let golden = Golden::open(model);
            let (decoder, adapter) = (golden.decoder(&compute), golden.adapter(&Device::Cpu));
            let adapters = [ActiveAdapter::inference(&adapter)];
            let mut rows = golden_rows(&golden, None);
            rows.extend(golden_rows(&golden, Some(0)));
            rows.push(ScoreRow { tokens: vec![3, 4], first: 1, adapter: None });
            let scorer = Scorer::new(&decoder, &adapters);
            let alone: Vec<Score> =
                rows.iter().flat_map(|row| score(&scorer, std::slice::from_ref(row))).collect();
            for pass_tokens in [1, 7, 20, 2048] {
                let name = format!("{name} {model}, passes of {pass_tokens}");
                assert_close(&name, &score(&Scorer { pass_tokens, ..scorer }, &rows), &alone);
            }
        }
    }
}

#[test]
fn a_shared_beginning_is_read_once_and_changes_nothing() {
    let golden = Golden::open("qwen2");
    for (name, compute) in f32_computes() {
        let (decoder, adapter) = (golden.decoder(&compute), golden.adapter(&Device::Cpu));
        let adapters = [ActiveAdapter::inference(&adapter)];
        let beginning: Vec<u32> = (0..60).map(|i| i * 7 % 160).collect();
        let rows: Vec<ScoreRow> = (0..12u32)
            .map(|i| {
                let rest: Vec<u32> = (0..3 + i % 5).map(|j| (i * 31 + j * 17) % 160).collect();
                let tokens = [&beginning[..], &rest].concat();
                let first = beginning.len() + (i % 2) as usize;
                ScoreRow { tokens, first, adapter: (i % 3 == 0).then_some(0) }
            })
            .collect();
        for pass_tokens in [32, 2048] {
            let scorer = Scorer { pass_tokens, ..Scorer::new(&decoder, &adapters) };
            let mut seen = Vec::new();
            let found = scorer.score(&rows, &mut |p| seen.push(p), &GO_ON).unwrap();
            let alone: Vec<Score> =
                rows.iter().flat_map(|row| score(&scorer, std::slice::from_ref(row))).collect();
            assert_close(&name, &found, &alone);
            // Eight rows of the base model share 59 tokens, and the adapter's four.
            let total: usize = rows.iter().map(|r| r.tokens.len() - 1).sum::<usize>() - (7 + 3) * 59;
            assert_eq!(seen.last(), Some(&Progress { tokens: total, total }), "{name}");
            assert!(seen.windows(2).all(|w| w[0].tokens < w[1].tokens));
        }
    }
}

#[test]
fn answers_share_the_question_that_shares_the_passage() {
    let golden = Golden::open("qwen3");
    let passage = |n: u32| -> Vec<u32> { (0..70).map(|i| (i * 7 + n * 13) % 160).collect() };
    let mut rows = Vec::new();
    for (n, question, answer) in (0..2).flat_map(|n| (0..3).flat_map(move |q| (0..4).map(move |a| (n, q, a))))
    {
        let question: Vec<u32> = (0..30).map(|i| (i * 11 + question * 17 + 1) % 160).collect();
        let answer: Vec<u32> = (0..1 + answer % 3).map(|i| (i + answer * 29) % 160).collect();
        let tokens = [passage(n), question, answer].concat();
        rows.push(ScoreRow { tokens, first: 100, adapter: None });
    }
    for (name, compute) in f32_computes() {
        let decoder = golden.decoder(&compute);
        for pass_tokens in [9, 64, 2048] {
            let scorer = Scorer { pass_tokens, ..Scorer::new(&decoder, &[]) };
            let mut read = 0;
            let found = scorer.score(&rows, &mut |p| read = p.tokens, &GO_ON).unwrap();
            let alone: Vec<Score> =
                rows.iter().flat_map(|row| score(&scorer, std::slice::from_ref(row))).collect();
            assert_close(&format!("{name}, passes of {pass_tokens}"), &found, &alone);
            // Each passage once, of each question all but its last token once, each answer with that and without its own last.
            let answers: usize = rows.iter().map(|row| row.tokens.len() - 100).sum();
            assert_eq!(read, 2 * 70 + 6 * 29 + answers, "{name}");
        }
    }
}

#[test]
fn errors_name_the_row() {
    let golden = Golden::open("qwen2");
    let decoder = golden.decoder(&fused_f32());
    let scorer = Scorer::new(&decoder, &[]);
    let limit = golden.config.max_position_embeddings;
    let good = ScoreRow { tokens: vec![1, 2, 3], first: 1, adapter: None };
    let bad = [
        (ScoreRow { first: 0, ..good.clone() }, "first"),
        (ScoreRow { first: 3, ..good.clone() }, "nothing to score"),
        (ScoreRow { tokens: vec![], ..good.clone() }, "nothing to score"),
        (ScoreRow { tokens: vec![1; limit + 1], ..good.clone() }, "limit"),
        (ScoreRow { tokens: vec![1, 2, 160], ..good.clone() }, "160"),
        (ScoreRow { adapter: Some(0), ..good.clone() }, "adapter 0"),
    ];
    for (row, words) in bad {
        let error = scorer.score(&[good.clone(), row], &mut |_| {}, &GO_ON).unwrap_err();
        let text = error.to_string();
        assert!(error.kind() == Kind::Invalid && text.contains("row 1") && text.contains(words), "{text}");
    }
    for k in [0, 161] {
        let error = scorer.teacher_labels(std::slice::from_ref(&good), k, &mut |_| {}, &GO_ON).unwrap_err();
        assert!(error.kind() == Kind::Invalid && error.to_string().contains("160"), "{error}");
    }
}

#[test]
fn cancelling_stops_before_the_next_pass() {
    let golden = Golden::open("qwen2");
    let decoder = golden.decoder(&fused_f32());
    let scorer = Scorer { pass_tokens: 1, ..Scorer::new(&decoder, &[]) };
    let rows = vec![ScoreRow { tokens: vec![1, 2], first: 1, adapter: None }; 5];
    let (cancel, mut passes) = (AtomicBool::new(false), 0);
    let mut progress = |_| {
        passes += 1;
        cancel.store(passes == 2, Ordering::Relaxed);
    };
    assert_eq!(scorer.score(&rows, &mut progress, &cancel).unwrap_err().kind(), Kind::Cancelled);
    assert_eq!(passes, 2);
}
