//! Prompts that begin alike share the reading of their beginnings.

use candle_core::Device;
use seald_engine::decoder::ActiveAdapter;
use seald_engine::generate::Generator;

use super::{assert_same, generate, greedy, row};
use crate::golden_models::{Golden, f32_computes};

#[test]
fn prompts_that_begin_alike_go_on_as_if_read_alone() {
    let golden = Golden::open("qwen2");
    for (name, compute) in f32_computes() {
        let (decoder, adapter) = (golden.decoder(&compute), golden.adapter(&Device::Cpu));
        let adapters = [ActiveAdapter::inference(&adapter)];
        // Examples for all, a text for three each, and a prompt that is itself a beginning of others.
        let examples: Vec<u32> = (0..50).map(|i| i * 3 % 160).collect();
        let text = |n: u32| -> Vec<u32> { (0..40).map(|i| (i * 5 + n * 7) % 160).collect() };
        let mut rows = vec![row(&examples, None)];
        for (n, question, adapter) in
            (0..2).flat_map(|n| (0..3).flat_map(move |q| [None, Some(0)].map(|a| (n, q, a))))
        {
            rows.push(row(&[examples.clone(), text(n), vec![question, 9]].concat(), adapter));
        }
        for (prefill_tokens, batch_rows) in [(16, 4), (2048, 128)] {
            let generator =
                Generator { prefill_tokens, batch_rows, ..Generator::new(&decoder, None, &adapters) };
            let together = generate(&generator, &rows, &greedy(8));
            for (i, row) in rows.iter().enumerate() {
                let alone = generate(&generator, std::slice::from_ref(row), &greedy(8));
                assert_same(&format!("{name} row {i}"), &together[i], &alone[0]);
            }
        }
    }
}
