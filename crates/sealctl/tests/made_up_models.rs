//! Made-up base models: those in use, and one to change over to.

use seald_core::protocol::*;

use crate::made_up::{WIDE, before};

/// `n` generations on the present base, and one base before it.
pub(crate) fn models(n: usize) -> ModelsView {
    let names = ["base".to_string(), "live".to_string()].into_iter();
    ModelsView {
        base: "nano".into(),
        parameters: Some(7_340_032),
        context: Some(1024),
        loaded: false,
        names: names.chain((1..=n).rev().map(|i| format!("gen-{i:06}"))).collect(),
        lineages: vec![
            LineageView {
                model: "/models/qwen".into(),
                begun_at: before(900_000),
                left_at: Some(before(90_000)),
                generations: 12,
                live: Some("gen-000012".into()),
            },
            LineageView {
                model: "nano".into(),
                begun_at: before(90_000),
                left_at: None,
                generations: n,
                live: None,
            },
        ],
        fetched: vec!["Qwen--Qwen2.5-0.5B".into(), WIDE.into()],
    }
}

/// A change to another base model.
pub(crate) fn change(same: bool) -> UseModelView {
    UseModelView {
        model: BaseModelView {
            model: "/var/lib/seald/models/Qwen--Qwen2.5-0.5B".into(),
            architecture: "Qwen2".into(),
            parameters: 494_032_768,
            context: 32_768,
            bytes: 988_065_536,
            chat: same,
            licence: same.then(|| "apache-2.0".into()),
        },
        from: "nano".into(),
        same,
        live: None,
        learned_again: 12,
        known_again: 0,
    }
}
