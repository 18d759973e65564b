//! Rows that hold a model where it was: what they say is told, and their weight rises while they are further off than they may be.

use std::sync::Arc;

use crate::golden_models::{Golden, fused_f32};
use crate::training::{anchored_rows, bytes, finish, golden_options, golden_rows};
use candle_core::Device;
use seald_engine::examples::{Length, TrainRow};
use seald_engine::step::StepReport;
use seald_engine::train::{Run, TrainOptions};

#[test]
fn anchors_weigh_more_while_they_are_further_than_they_may_be() {
    let golden = Golden::open("qwen2");
    let decoder = golden.decoder(&fused_f32());
    let train = |rows: Arc<[TrainRow]>, target| {
        let options =
            TrainOptions { length: Length::Steps(30), anchor_target: target, ..golden_options(&golden) };
        let mut run = Run::new(&decoder, golden.adapter(&Device::Cpu), rows, options).unwrap();
        let reports = finish(&decoder, &mut run, 1 << 16);
        (bytes(run.adapter()), reports, run.anchors())
    };
    let (plain, without, none) = train(golden_rows(&golden), Some(1e-3));
    assert!(without.iter().all(|report| report.anchor_loss.is_none()) && none == (0.0, 1.0));

    let (same, told, (_, factor)) = train(anchored_rows(&golden), None);
    assert!(same == plain && factor == 1.0, "without a target they are only told");
    let anchor = |reports: &[StepReport], step: usize| reports[step].anchor_loss.unwrap();

    let (_, held, (mean, factor)) = train(anchored_rows(&golden), Some(1e-3));
    assert_eq!(anchor(&told, 0), anchor(&held, 0));
    // The loss of one step is that of all rows, by their tokens.
    let alone: Arc<[TrainRow]> = [anchored_rows(&golden)[0].clone()].into();
    let (_, first, _) = train(alone, None);
    assert!((anchor(&told, 0) - first[0].loss).abs() < 1e-5 * first[0].loss);
    assert!((factor - mean / 1e-3).abs() < 1e-9 * factor && mean > 1e-3, "{factor} {mean}");
    let (loose, tight) = (anchor(&told, 29), anchor(&held, 29));
    assert!(tight < 0.98 * loose, "{tight} {loose}");
    assert_eq!(held[1].loss, told[1].loss, "the loss is told with the weights that the rows were given");
}
