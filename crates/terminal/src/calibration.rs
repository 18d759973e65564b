//! Calibrations: what was measured of a base model, in a line and as a page.

use console::Style;

use super::look::Look;
use super::page::Page;
use super::words::{about, count, duration, grouped};
use seald_core::domain::calibration::{Calibration, DriftSeen, RateTried, Speeds};

/// What is said of nano, which needs no calibration.
pub const NANO: &str = "nano's settings are part of the program";
/// What is said of a model that was not calibrated.
pub const NOT_YET: &str = "not yet: before its first document, or with `seald calibrate`";

/// `learning rate 8.0e-4, drift budget 0.041 nats a token, trains 212 tokens a second`.
pub fn line(calibration: &Calibration) -> String {
    let Calibration { learning_rate, drift_budget, speeds, .. } = calibration;
    let trains =
        speeds.trained.map(|speed| format!(", trains {} tokens a second", whole(speed))).unwrap_or_default();
    format!("{}{trains}", settings(*learning_rate, *drift_budget))
}

/// `learning rate 8.0e-4, drift budget 0.041 nats a token`.
pub fn settings(learning_rate: f64, drift_budget: f64) -> String {
    let budget = two_digits(drift_budget);
    format!("learning rate {learning_rate:.1e}, drift budget {budget} nats a token")
}

/// A small budget is no budget of 0.000.
fn two_digits(budget: f64) -> f64 {
    format!("{budget:.1e}").parse().unwrap_or(budget)
}

/// The rates that were tried and what followed from them. `document`: tokens of a document, and the seconds that it will take.
pub fn render(calibration: &Calibration, document: Option<(usize, f64)>, look: &Look) -> String {
    let Calibration { learning_rate, drift_budget, rates, drifts, speeds, seconds, made_at: _ } = calibration;
    let (plain, dim) = (Style::new(), Style::new().dim());
    let mut page = Page::new(look);
    page.line(look.paint(Style::new().bold(), &format!("{:<9}{:<17}{}", "Rate", "Gain", "Drift")));
    for RateTried { rate, gain, standard_error, drift, tokens: _ } in rates {
        let gain = format!("{gain:+.2} {} {standard_error:.2}", look.sign("±", "+-"));
        let chosen = if rate == learning_rate { "chosen" } else { "" };
        page.line(format!("{:<9}{gain:<17}{:<8}{chosen}", format!("{rate:.1e}"), format!("{drift:.3}")));
    }
    let words = "Gain: nats a question about a text that was taught, beyond one that was not, with its standard error. Drift: nats a token.";
    page.words(words, 0, &dim);
    page.blank();
    let (lost, asked) = drifts
        .iter()
        .fold((0, 0), |(lost, asked), DriftSeen { drift: _, asked: n, lost: l }| (lost + l, asked + n));
    let lost = lost.max(0);
    page.field("Budget", &format!("a drift of {} nats a token", two_digits(*drift_budget)), &plain);
    let read = format!(
        "of {} about other texts in sight {lost} went wrong; the gate asks such questions after each document",
        count(asked, "right answer")
    );
    page.field("Reading", &read, &plain);
    page.field("Speed", &speed(speeds), &plain);
    page.field("Took", &duration(*seconds), &plain);
    if let Some((tokens, seconds)) = document {
        page.blank();
        let words = format!("A document of {} will take about {}.", count(tokens, "token"), about(seconds));
        page.words(&words, 0, &plain);
    }
    page.text()
}

fn speed(speeds: &Speeds) -> String {
    let Speeds { read, written, trained } = speeds;
    let told = [("reads", read), ("writes", written), ("trains", trained)];
    let told: Vec<String> =
        told.iter().filter_map(|(verb, speed)| Some(format!("{verb} {}", whole((**speed)?)))).collect();
    match told.as_slice() {
        [] => "not measured".into(),
        told => format!("{} tokens a second", told.join(", ")),
    }
}

fn whole(speed: f64) -> String {
    match speed {
        ..10.0 => format!("{speed:.1}"),
        _ => grouped(speed.round() as u64),
    }
}
