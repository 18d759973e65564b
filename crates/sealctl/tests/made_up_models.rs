//! Made-up base models: those in use, and one to change over to.

use seald_core::domain::calibration::{Calibration, DriftSeen, RateTried, Speeds};
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
        calibration: None,
        fetched: vec!["Qwen--Qwen2.5-0.5B".into(), WIDE.into()],
    }
}

/// A base that was calibrated.
pub(crate) fn calibration() -> Calibration {
    let rate = |rate, gain, drift| RateTried { rate, gain, standard_error: 0.613, drift, tokens: 18_240 };
    Calibration {
        learning_rate: 8e-4,
        drift_budget: 0.0412,
        rates: vec![rate(4e-4, 0.81, 0.0138), rate(8e-4, 2.37, 0.0391), rate(1.6e-3, 2.514, 0.1207)],
        drifts: vec![
            DriftSeen { drift: 0.0391, asked: 29, lost: 1 },
            DriftSeen { drift: 0.1207, asked: 29, lost: 5 },
        ],
        speeds: Speeds { read: Some(1418.6), written: Some(9.44), trained: Some(212.1) },
        seconds: 725.0,
        made_at: before(80_000),
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
