//! Generation against transformers' greedy decoding, and against itself: alone or in a batch, with any adapters.

mod beginnings;
mod running;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::golden_models::{Golden, f32_computes, flat, fused_f32, on_every_golden, relative_error};
use crate::repository::repository;
use candle_core::{Device, Tensor};
use seald_core::Kind;
use seald_engine::batch::Batch;
use seald_engine::decoder::{ActiveAdapter, Decoder};
use seald_engine::generate::{FinishReason, GenerateOptions, GenerateRow, Generated, Generator};
use seald_engine::sampler::Sampling;
use seald_engine::tokenizer::Tokenizer;

static GO_ON: AtomicBool = AtomicBool::new(false);

fn generate(generator: &Generator<'_>, rows: &[GenerateRow], options: &GenerateOptions) -> Vec<Generated> {
    generator.generate(rows, options, &mut |_| ControlFlow::Continue(()), &GO_ON).unwrap()
}

fn row(prompt: &[u32], adapter: Option<usize>) -> GenerateRow {
    GenerateRow { prompt: prompt.to_vec(), adapter, options: None }
}

fn greedy(max_tokens: usize) -> GenerateOptions {
    GenerateOptions { max_tokens, ..GenerateOptions::default() }
}

fn sampled(max_tokens: usize, seed: u64) -> GenerateOptions {
    let sampling = Sampling { temperature: 1.0, top_k: Some(50), top_p: Some(0.95) };
    GenerateOptions { max_tokens, sampling, seed, ..GenerateOptions::default() }
}

/// Prompts of different lengths; every third is the same.
fn prompts() -> Vec<Vec<u32>> {
    (0..9u32)
        .map(|i| {
            if i % 3 == 0 { vec![9, 8, 7, 6] } else { (0..=i * 3).map(|j| (i * 41 + j * 13) % 160).collect() }
        })
        .collect()
}

fn assert_same(name: &str, found: &Generated, expected: &Generated) {
    assert_eq!(found.token_ids, expected.token_ids, "{name}");
    assert_eq!(found.finish_reason, expected.finish_reason, "{name}");
    for (a, b) in found.log_probs.iter().zip(&expected.log_probs) {
        assert!((a - b).abs() < 5e-5, "{name}: {a} {b}");
    }
}

/// Another adapter than the golden one, by other signs and a smaller scale.
fn other_adapter(golden: &Golden) -> seald_engine::lora::Adapter {
    let mut adapter = golden.adapter(&Device::Cpu);
    for matrices in adapter.layers.iter_mut().flatten().flatten() {
        matrices.scale *= -0.7;
    }
    adapter
}

#[test]
fn greedy_decoding_equals_that_of_transformers_and_peft() {
    on_every_golden(|name, golden, decoder, adapter| {
        let adapters = [ActiveAdapter::inference(adapter)];
        let prompt = golden.u32s("gen.prompt");
        let rows = [row(&prompt, Some(0)), row(&prompt, None)];
        let found = generate(&Generator::new(decoder, None, &adapters), &rows, &greedy(24));
        for (found, which) in found.iter().zip(["lora", "base"]) {
            let name = format!("{name} {which}");
            let expected = Generated {
                token_ids: golden.u32s(&format!("gen.{which}_ids")),
                log_probs: flat(golden.array(&format!("gen.{which}_log_probs"))),
                finish_reason: FinishReason::Length,
                text: String::new(),
            };
            assert_same(&name, found, &expected);
            assert_eq!(found.log_probs.len(), 24);
        }
    });
}

#[test]
fn the_cache_gives_the_logits_of_one_pass_whatever_the_parts() {
    on_every_golden(|name, golden, decoder, adapter| {
        let active = [ActiveAdapter::inference(adapter)];
        let ids = &golden.rows()[3].ids;
        let whole = decoder.all_logits(&Batch::of(&[ids], Some(0)).unwrap(), &active).unwrap();
        for part in [1, 5, 32] {
            let found = logits_in_parts(decoder, &active, ids, part);
            let error = relative_error(&found, &whole);
            assert!(error < 1e-5, "{name}, parts of {part}: {error:e}");
        }
    });
}

/// Logits after each token, read through the cache `part` tokens at a time beside another, longer sequence.
fn logits_in_parts(decoder: &Decoder, active: &[ActiveAdapter<'_>], ids: &[u32], part: usize) -> Tensor {
    let mut cache = decoder.new_cache();
    let (other, slot) = (cache.add_slot(), cache.add_slot());
    let mut all = Vec::new();
    for tokens in ids.chunks(part) {
        let mut batch = Batch::new();
        batch.push(&[1, 2, 3], cache.len(other), None).unwrap();
        batch.push(tokens, cache.len(slot), Some(0)).unwrap();
        let states = decoder.forward(&batch, active, Some((&mut cache, &[other, slot]))).unwrap();
        let wanted: Vec<u32> = (3..batch.len() as u32).collect();
        let hidden = decoder.head_input(&states, &wanted).unwrap();
        all.push(seald_engine::loss::logits(decoder.compute(), decoder.head(), &hidden).unwrap());
    }
    Tensor::cat(&all, 0).unwrap()
}

#[test]
fn rows_of_any_lengths_and_adapters_give_the_same_together_as_alone() {
    for (name, compute) in f32_computes() {
        for model in ["qwen3", "llama"] {
            let golden = Golden::open(model);
            let decoder = golden.decoder(&compute);
            let (first, second) = (golden.adapter(&Device::Cpu), other_adapter(&golden));
            let adapters = [ActiveAdapter::inference(&first), ActiveAdapter::inference(&second)];
            let generator = Generator::new(&decoder, None, &adapters);
            let rows: Vec<GenerateRow> = prompts()
                .iter()
                .enumerate()
                .map(|(i, prompt)| row(prompt, [None, Some(1), Some(0)][i / 3]))
                .collect();
            let alone: Vec<Generated> = rows
                .iter()
                .flat_map(|r| generate(&generator, std::slice::from_ref(r), &greedy(12)))
                .collect();
            assert_ne!(alone[0].token_ids, alone[3].token_ids, "the adapters change nothing");
            assert_ne!(alone[3].token_ids, alone[6].token_ids, "both adapters do the same");
            for (prefill_tokens, batch_rows) in [(2048, 128), (7, 128), (1, 2), (2048, 1)] {
                let generator = Generator { prefill_tokens, batch_rows, ..generator };
                let together = generate(&generator, &rows, &greedy(12));
                for (i, (found, expected)) in together.iter().zip(&alone).enumerate() {
                    assert_same(
                        &format!("{name} {model} {prefill_tokens} {batch_rows} row {i}"),
                        found,
                        expected,
                    );
                }
            }
        }
    }
}

#[test]
fn the_most_probable_tokens_are_told() {
    let golden = Golden::open("qwen2");
    let decoder = golden.decoder(&fused_f32());
    let generator = Generator::new(&decoder, None, &[]);
    let options = GenerateOptions { top: 5, ..greedy(6) };
    let mut told = 0;
    let mut on_token = |event: seald_engine::generate::TokenEvent<'_>| {
        assert_eq!((event.top.len(), event.top[0]), (5, (event.token, event.log_prob)));
        assert!(event.top.is_sorted_by(|a, b| a.1 >= b.1), "{:?}", event.top);
        assert!(event.top.iter().map(|(_, p)| p.exp()).sum::<f32>() <= 1.0 + 1e-5);
        told += 1;
        ControlFlow::Continue(())
    };
    generator.generate(&[row(&[1, 2], None)], &options, &mut on_token, &GO_ON).unwrap();
    assert_eq!(told, 6);
    let many = GenerateOptions { top: 21, ..greedy(6) };
    let error = generator.generate(&[row(&[1, 2], None)], &many, &mut |_| ControlFlow::Continue(()), &GO_ON);
    assert_eq!(error.unwrap_err().kind(), Kind::Invalid);
}

#[test]
fn rows_that_end_early_leave_the_others_alone() {
    let golden = Golden::open("llama");
    let decoder = golden.decoder(&fused_f32());
    let generator = Generator::new(&decoder, None, &[]);
    let rows: Vec<GenerateRow> = prompts()
        .iter()
        .enumerate()
        .map(|(i, prompt)| GenerateRow { options: Some(greedy(1 + i * 2)), ..row(prompt, None) })
        .collect();
    let long: Vec<GenerateRow> = prompts().iter().map(|p| row(p, None)).collect();
    let (found, all) = (generate(&generator, &rows, &greedy(1)), generate(&generator, &long, &greedy(20)));
    for (i, (found, all)) in found.iter().zip(&all).enumerate() {
        assert_eq!(found.token_ids, all.token_ids[..1 + i * 2], "row {i}");
        assert_eq!(found.finish_reason, FinishReason::Length);
    }
}

#[test]
fn samples_depend_on_seed_and_row_alone() {
    let golden = Golden::open("qwen2");
    let decoder = golden.decoder(&fused_f32());
    let generator = Generator::new(&decoder, None, &[]);
    let rows = vec![row(&[1, 2, 3], None); 6];
    let ids = |rows: &[GenerateRow], options: &GenerateOptions| -> Vec<Vec<u32>> {
        generate(&generator, rows, options).into_iter().map(|g| g.token_ids).collect()
    };
    let found = ids(&rows, &sampled(16, 5));
    assert_eq!(ids(&rows, &sampled(16, 5)), found);
    assert_eq!(ids(&rows[..2], &sampled(16, 5)), found[..2]);
    assert!(ids(&rows, &sampled(16, 6)).iter().zip(&found).all(|(a, b)| a != b));
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 6, "rows draw the same numbers");
    let own = GenerateRow { options: Some(sampled(16, 5)), ..rows[0].clone() };
    assert_eq!(ids(&[rows[0].clone(), own], &greedy(3))[1], found[0]);
    let only_one = Sampling { temperature: 1.3, top_k: Some(1), top_p: None };
    let options = GenerateOptions { sampling: only_one, ..sampled(16, 5) };
    assert_eq!(ids(&rows[..1], &options), ids(&rows[..1], &greedy(16)));
}

#[test]
fn a_stop_token_ends_its_row_and_is_its_last() {
    let golden = Golden::open("qwen2");
    let (decoder, tokenizer) = (golden.decoder(&fused_f32()), chat_tokenizer());
    let generator = Generator::new(&decoder, Some(&tokenizer), &[]);
    let rows = [row(&golden.u32s("gen.prompt"), None), row(&[5, 6], None)];
    let free = generate(&generator, &rows, &greedy(24));
    let stop = free[0].token_ids[5];
    let at = free[0].token_ids.iter().position(|&t| t == stop).unwrap();
    let found = generate(&generator, &rows, &GenerateOptions { stop_tokens: vec![stop], ..greedy(24) });
    assert_eq!(found[0].token_ids, free[0].token_ids[..=at]);
    assert_eq!(found[0].finish_reason, FinishReason::Stop);
    assert_eq!(found[0].text, tokenizer.decode(&free[0].token_ids[..at], true).unwrap());
    assert!(!free[1].token_ids.contains(&stop));
    assert_same("the other row", &found[1], &free[1]);
    assert_eq!(found[1].text, free[1].text);
}

fn chat_tokenizer() -> Tokenizer {
    Tokenizer::from_dir(&repository().join("tests/golden/chat/qwen")).unwrap()
}

/// The texts of row 0's events, and its result.
fn events(
    generator: &Generator<'_>,
    rows: &[GenerateRow],
    options: &GenerateOptions,
) -> (Vec<String>, Generated) {
    let mut texts = Vec::new();
    let mut on_token = |event: seald_engine::generate::TokenEvent<'_>| {
        if event.row == 0 {
            texts.push(event.text.to_string());
        }
        ControlFlow::Continue(())
    };
    let all = generator.generate(rows, options, &mut on_token, &GO_ON).unwrap();
    (texts, all[0].clone())
}

#[test]
fn text_ends_before_a_stop_string_that_spans_tokens() {
    let golden = Golden::open("qwen2");
    let (decoder, tokenizer) = (golden.decoder(&fused_f32()), chat_tokenizer());
    let generator = Generator::new(&decoder, Some(&tokenizer), &[]);
    let mut tried = 0;
    for seed in 0..20 {
        let rows = [row(&[10, 20, 30], None), row(&[10, 20, 31], None)];
        let (texts, free) = events(&generator, &rows, &sampled(24, seed));
        assert_eq!(texts.concat(), free.text);
        assert_eq!(free.text, tokenizer.decode(&free.token_ids, true).unwrap());
        // Ids below 94 are one printable ASCII character each: find two of them in a row.
        let Some(at) = (4..20).find(|&i| free.token_ids[i] < 94 && free.token_ids[i + 1] < 94) else {
            continue;
        };
        let stop = tokenizer.decode(&free.token_ids[at..at + 2], true).unwrap();
        let half: String = stop.chars().take(1).collect();
        let options = GenerateOptions {
            stop_strings: vec![format!("{half}{half}{half}no"), stop.clone()],
            ..sampled(24, seed)
        };
        let (texts, found) = events(&generator, &rows, &options);
        assert_eq!(found.finish_reason, FinishReason::StopString(stop.clone()), "seed {seed}");
        assert_eq!(found.text, free.text[..free.text.find(&stop).unwrap()], "seed {seed}");
        assert_eq!(texts.concat(), found.text, "seed {seed}: a reader saw more");
        assert_eq!(found.token_ids, free.token_ids[..found.token_ids.len()]);
        assert!(tokenizer.decode(&found.token_ids, true).unwrap().ends_with(&stop));
        tried += 1;
    }
    assert!(tried >= 5, "only {tried} of the samples could be tried");
}

#[test]
fn a_held_back_beginning_of_a_stop_string_comes_at_the_end() {
    let golden = Golden::open("qwen2");
    let (decoder, tokenizer) = (golden.decoder(&fused_f32()), chat_tokenizer());
    let generator = Generator::new(&decoder, Some(&tokenizer), &[]);
    let rows = [row(&[10, 20, 30], None)];
    for seed in 0..5 {
        let (_, free) = events(&generator, &rows, &sampled(8, seed));
        let end: String = free.text.chars().rev().take(2).collect::<Vec<_>>().into_iter().rev().collect();
        let options = GenerateOptions { stop_strings: vec![format!("{end} and more")], ..sampled(8, seed) };
        let (texts, found) = events(&generator, &rows, &options);
        assert_eq!((&found, texts.concat()), (&free, free.text.clone()));
    }
}

#[test]
fn breaking_from_the_callback_ends_that_row_alone() {
    let golden = Golden::open("qwen2");
    let decoder = golden.decoder(&fused_f32());
    let generator = Generator::new(&decoder, None, &[]);
    let rows = [row(&[1, 2], None), row(&[3], None)];
    let free = generate(&generator, &rows, &greedy(10));
    let mut seen = [0, 0];
    let mut on_token = |event: seald_engine::generate::TokenEvent<'_>| {
        seen[event.row] += 1;
        if event.row == 0 && seen[0] == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let found = generator.generate(&rows, &greedy(10), &mut on_token, &GO_ON).unwrap();
    assert_eq!(found[0].token_ids, free[0].token_ids[..4]);
    assert_eq!(found[0].finish_reason, FinishReason::Cancelled);
    assert_same("the other row", &found[1], &free[1]);
    assert_eq!(seen, [4, 10]);
}

#[test]
fn cancelling_ends_all_rows_at_the_next_step() {
    let golden = Golden::open("qwen2");
    let decoder = golden.decoder(&fused_f32());
    let generator = Generator { batch_rows: 2, ..Generator::new(&decoder, None, &[]) };
    let rows = [row(&[1, 2], None), row(&[3], None), row(&[4], None)];
    let cancel = AtomicBool::new(false);
    let mut on_token = |event: seald_engine::generate::TokenEvent<'_>| {
        let last = event.row == 0 && event.finish.is_none();
        cancel.fetch_or(last, Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    let found = generator.generate(&rows, &greedy(10), &mut on_token, &cancel).unwrap();
    let counts: Vec<usize> = found.iter().map(|g| g.token_ids.len()).collect();
    assert_eq!(counts, [1, 1, 0]);
    assert!(found.iter().all(|g| g.finish_reason == FinishReason::Cancelled));
}

#[test]
fn the_models_limit_ends_a_row() {
    let golden = Golden::open("qwen2");
    let decoder = golden.decoder(&fused_f32());
    let limit = golden.config.max_position_embeddings;
    let found =
        generate(&Generator::new(&decoder, None, &[]), &[row(&vec![7; limit - 3], None)], &greedy(50));
    assert_eq!((found[0].token_ids.len(), &found[0].finish_reason), (3, &FinishReason::Length));
}

#[test]
fn errors_name_the_row_or_the_option() {
    let golden = Golden::open("qwen2");
    let decoder = golden.decoder(&fused_f32());
    let generator = Generator::new(&decoder, None, &[]);
    let limit = golden.config.max_position_embeddings;
    let fail = |rows: &[GenerateRow], options: &GenerateOptions| {
        let error =
            generator.generate(rows, options, &mut |_| ControlFlow::Continue(()), &GO_ON).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        error.to_string()
    };
    let good = row(&[1], None);
    let no_tokens = GenerateOptions { max_tokens: 0, ..greedy(1) };
    let bad_rows = [
        (row(&[], None), "no tokens"),
        (row(&vec![1; limit], None), "limit"),
        (row(&[1, 999], None), "999"),
        (row(&[1], Some(2)), "adapter 2"),
        (GenerateRow { options: Some(no_tokens.clone()), ..good.clone() }, "max_tokens"),
    ];
    for (bad, words) in bad_rows {
        let text = fail(&[good.clone(), bad], &greedy(1));
        assert!(text.contains("row 1") && text.contains(words), "{text}");
    }
    let hot = Sampling { temperature: -1.0, ..Sampling::default() };
    let bad_options = [
        (no_tokens, "max_tokens"),
        (GenerateOptions { sampling: hot, ..greedy(1) }, "temperature"),
        (GenerateOptions { stop_strings: vec!["x".into()], ..greedy(1) }, "tokenizer"),
        (GenerateOptions { stop_strings: vec![String::new()], ..greedy(1) }, "empty"),
    ];
    for (options, words) in bad_options {
        let text = fail(std::slice::from_ref(&good), &options);
        assert!(text.contains(words), "{text}");
    }
}
