//! What cannot be computed is an error of the caller's kind that says what is wrong, never a panic.

use candle_core::{DType, Device, Tensor};
use seald_core::{Kind, Result};
use seald_engine::batch::{Batch, Segment};
use seald_engine::decoder::ActiveAdapter;
use seald_engine::loss::{SoftLabel, Target};

use super::tiny::{Tiny, VOCABULARY};
use super::{COMPOSITE, FUSED, Setup};

fn refused<T>(what: &str, result: Result<T>, words: &str) {
    let Err(error) = result else { panic!("{what}: not refused") };
    assert_eq!(error.kind(), Kind::Invalid, "{what}: {error}");
    assert!(error.to_string().contains(words), "{what}: {error}");
}

/// Every way in which a batch is computed refuses it.
fn refused_batch(setup: &Setup, what: &str, batch: &Batch, words: &str) {
    let active: Vec<_> = setup.adapters.iter().map(ActiveAdapter::inference).collect();
    let target = Target { row: 0, token: 1, weight: 1.0, soft: None };
    refused(what, setup.decoder.forward(batch, &active, None), words);
    refused(what, setup.decoder.all_logits(batch, &active), words);
    refused(what, setup.decoder.forward_train(batch, &active), words);
    if !batch.is_empty() {
        refused(what, setup.decoder.train_pass(batch, &active, &[target]), words);
    }
}

#[test]
fn batches() {
    for setup in [&FUSED[0], &COMPOSITE[1]] {
        let of = |tokens: &[u32], adapter| Batch::of(&[tokens], adapter).unwrap();
        refused_batch(setup, "empty", &Batch::new(), "no tokens");
        refused_batch(setup, "token", &of(&[1, VOCABULARY], None), "vocabulary of 37");
        refused_batch(setup, "length", &of(&[1; 257], None), "the model's limit is 256");
        refused_batch(setup, "adapter", &of(&[1, 2], Some(2)), "sequence 0 names an adapter");
        let mut past = Batch::new();
        past.push(&[1], 3, None).unwrap();
        refused_batch(setup, "past", &past, "no cache");

        // Segments that overlap, leave a gap or reach beyond the tokens would write where they must not.
        let segment = |start, len| Segment { start, len, past: 0, adapter: None };
        for segments in [
            vec![segment(0, 3), segment(2, 2)],
            vec![segment(0, 1), segment(2, 2)],
            vec![segment(0, 9)],
            vec![segment(0, 3)],
            vec![segment(0, 4), segment(4, 0)],
            vec![],
        ] {
            let batch = Batch { tokens: vec![1, 2, 3, 4], segments };
            refused_batch(setup, &format!("{:?}", batch.segments), &batch, "sequence");
        }
    }
}

#[test]
fn adapters_of_another_model() {
    let (setup, other) = (&FUSED[0], &FUSED[1]);
    let batch = Batch::of(&[[1u32, 2]], Some(0)).unwrap();
    let fewer = [ActiveAdapter::inference(&other.adapters[0])];
    refused("layers", setup.decoder.forward(&batch, &fewer, None), "adapter 0 has 2 layers, the model 3");

    let mut misshapen = Tiny::new(0).plain_adapter(0);
    let a = Tensor::zeros((2, 5), DType::F32, &Device::Cpu).unwrap();
    misshapen.layers[1][4].as_mut().unwrap().a = a;
    let active = [ActiveAdapter::inference(&misshapen)];
    refused("shape", setup.decoder.forward(&batch, &active, None), "model.layers.1.mlp.gate_proj");
}

#[test]
fn caches() {
    for (setup, other) in [(&FUSED[0], &FUSED[1]), (&COMPOSITE[0], &COMPOSITE[1]), (&FUSED[0], &COMPOSITE[0])]
    {
        let mut cache = setup.decoder.new_cache();
        let slot = cache.add_slot();
        let mut batch = Batch::of(&[[1u32, 2]], None).unwrap();
        let mut refuse = |what, batch: &Batch, slots: &[usize], words| {
            refused(what, setup.decoder.forward(batch, &[], Some((&mut cache, slots))), words);
        };
        refuse("no slot", &batch, &[], "1 sequences, but 0 cache slots");
        refuse("too many", &batch, &[slot, slot], "2 cache slots");
        refuse("unknown slot", &batch, &[7], "cache slot 7 of 1");
        batch.push(&[3], 0, None).unwrap();
        refuse("twice", &batch, &[slot, slot], "another one uses");
        let mut past = Batch::new();
        past.push(&[1], 3, None).unwrap();
        refuse("past", &past, &[slot], "3 tokens behind it, its cache 0");

        let mut foreign = other.decoder.new_cache();
        let slot = foreign.add_slot();
        let batch = Batch::of(&[[1u32, 2]], None).unwrap();
        refused(
            "foreign",
            setup.decoder.forward(&batch, &[], Some((&mut foreign, &[slot]))),
            "another model",
        );
        assert_eq!(foreign.len(slot), 0);
    }
}

#[test]
fn targets() {
    let (ids, log_probs) = ((0..300).collect::<Vec<u32>>(), vec![-6.0f32; 300]);
    let target = Target { row: 0, token: 1, weight: 1.0, soft: None };
    let soft = |ids, log_probs| Target { soft: Some(SoftLabel { ids, log_probs }), ..target };
    for setup in [&FUSED[0], &COMPOSITE[0]] {
        let batch = Batch::of(&[[1u32, 2, 3]], Some(0)).unwrap();
        let active: Vec<_> = setup.adapters.iter().map(ActiveAdapter::inference).collect();
        let pass = |targets: &[Target<'_>]| setup.decoder.train_pass(&batch, &active, targets);
        assert!(pass(&[target]).is_ok());
        assert!(pass(&[soft(&ids[..3], &log_probs[..3])]).is_ok());
        refused("none", pass(&[]), "nothing to learn");
        refused("row", pass(&[target, Target { row: 3, ..target }]), "target 1 is at row 3 of 3");
        refused("row twice", pass(&[target, target]), "which has one already");
        refused("token", pass(&[Target { token: VOCABULARY, ..target }]), "token 37");
        refused("soft token", pass(&[soft(&[1, 40], &log_probs[..2])]), "token 40");
        refused("soft lengths", pass(&[soft(&ids[..3], &log_probs[..2])]), "2 probabilities");
        refused("soft empty", pass(&[soft(&[], &[])]), "0 tokens");
        refused("soft repeats", pass(&[soft(&[1, 2, 1], &log_probs[..3])]), "token 1 twice");
    }
}
