//! Dropout in training: a function of its key, absent without one, and the same in both directions.

use seald_engine::backward::Pass;
use seald_engine::decoder::{ActiveAdapter, Decoder};
use seald_engine::lora::{Adapter, LoraConfig, Projection};

use super::tiny::{Tiny, pack, target_count};
use super::{FUSED, Row, fixed_rows, flat, near_losses};

fn pass(decoder: &Decoder, adapter: &Adapter, rows: &[Row], key: Option<u64>) -> Pass {
    let (batch, targets) = pack(rows, target_count(rows));
    let active = ActiveAdapter { adapter, dropout_key: key };
    decoder.train_pass(&batch, &[active], &targets).unwrap()
}

fn setting() -> (Tiny, Adapter, Vec<Row>) {
    let tiny = Tiny::new(0);
    let config = LoraConfig { rank: 3, alpha: 6.0, dropout: 0.3, ..LoraConfig::default() };
    let adapter = tiny.adapter(1, &config);
    // Base rows between, so that the adapter has several ranges.
    let rows = fixed_rows().into_iter().map(|r| Row { adapter: r.adapter.map(|_| 0), ..r }).collect();
    (tiny, adapter, rows)
}

#[test]
fn is_a_function_of_its_key() {
    let (_, adapter, rows) = setting();
    let decoder = &FUSED[0].decoder;
    let losses = |adapter: &Adapter, key| pass(decoder, adapter, &rows, key).losses;
    let with = losses(&adapter, Some(7));
    assert_eq!(with, losses(&adapter, Some(7)));
    assert_ne!(with, losses(&adapter, Some(8)));
    assert_ne!(with, losses(&adapter, None));

    let mut none = adapter.clone();
    none.config.dropout = 0.0;
    near_losses(&losses(&none, Some(7)), &losses(&adapter, None));
    let mut nothing = adapter.clone();
    for pair in nothing.layers.iter_mut().flatten().flatten() {
        pair.b = pair.b.zeros_like().unwrap();
    }
    near_losses(&losses(&nothing, Some(7)), &losses(&nothing, None));
}

#[test]
fn gradients_are_the_slopes_of_the_loss_under_the_same_key() {
    let (_, adapter, rows) = setting();
    let decoder = &FUSED[0].decoder;
    let loss = |adapter: &Adapter| -> f64 {
        let losses = pass(decoder, adapter, &rows, Some(7)).losses;
        losses.iter().map(|&l| f64::from(l)).sum::<f64>() / losses.len() as f64
    };
    let gradients = pass(decoder, &adapter, &rows, Some(7)).gradients.remove(0);
    for layer in 0..adapter.layers.len() {
        for projection in Projection::ALL {
            let gradient = gradients.layers[layer][projection as usize].as_ref().unwrap();
            for (which, g) in [("A", &gradient.a), ("B", &gradient.b)] {
                let norm = flat(g).iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
                // Along the gradient the slope is its norm: the direction in which f32 shows it best.
                let moved = |by: f64| {
                    let mut adapter = adapter.clone();
                    let pair = adapter.layers[layer][projection as usize].as_mut().unwrap();
                    let matrix = if which == "A" { &mut pair.a } else { &mut pair.b };
                    *matrix = (&*matrix + (g * (by / norm)).unwrap()).unwrap();
                    loss(&adapter)
                };
                // Two steps cancel the third derivative's share; smaller ones would drown in f32's rounding.
                let difference = |step: f64| (moved(step) - moved(-step)) / (2.0 * step);
                let slope = (4.0 * difference(5e-3) - difference(1e-2)) / 3.0;
                let what = format!("layer {layer} {} {which}", projection.name());
                assert!((slope - norm).abs() <= 0.02 * norm + 2e-4, "{what}: {norm} for the slope {slope}");
            }
        }
    }
}
