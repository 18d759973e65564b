//! Shares of right answers with their intervals, and the four accuracies of a document.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// 97.5 % quantile of the standard normal: 95 % lie within it on both sides.
const Z: f64 = 1.959_963_985;

/// Right answers out of those asked for, with an interval that holds the true share in 95 of 100 cases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Share {
    /// `right / asked`, 0 to 1.
    pub share: f64,
    /// Lower end of the interval, 0 to 1, to four decimals.
    pub low: f64,
    /// Upper end, 0 to 1, to four decimals.
    pub high: f64,
    /// Answers that were right.
    pub right: usize,
    /// Questions asked, at least 1.
    pub asked: usize,
}

impl Share {
    /// The share and its Wilson score interval (E. B. Wilson 1927), which also holds for few questions and for
    /// shares of 0 and 1; it takes the answers as independent of one another. None if nothing was asked.
    pub fn of(right: usize, asked: usize) -> Option<Self> {
        if asked == 0 {
            return None;
        }
        let right = right.min(asked);
        let (n, share) = (asked as f64, right as f64 / asked as f64);
        let middle = share + Z * Z / (2.0 * n);
        let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        // No interval is known better than that, and a reader gets the same number back.
        let rounded = |end: f64| (end.clamp(0.0, 1.0) * 1e4).round() / 1e4;
        let (low, high) = (rounded((middle - half) / scale), rounded((middle + half) / scale));
        Some(Self { share, low, high, right, asked })
    }
}

/// The accuracies of a document: its questions put to four models. On the wire each is a plain number
/// (`baseline_accuracy`, ...) with the counts and the interval beside it (`baseline_interval`, ...).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "AccuraciesWire", into = "AccuraciesWire")]
pub struct Accuracies {
    /// The base model without any adapter, the document out of sight.
    pub baseline: Option<Share>,
    /// The live model of before, with the passage in sight: about what can be had.
    pub in_context: Option<Share>,
    /// The live model of before, the document out of sight.
    pub before: Option<Share>,
    /// The candidate that the gate judged, kept or not, the document out of sight.
    pub adapter: Option<Share>,
}

/// The accuracies of a document: its questions put to four models.
#[derive(Serialize, Deserialize, ToSchema)]
struct AccuraciesWire {
    /// The base model without any adapter, the document out of sight, 0 to 1.
    baseline_accuracy: Option<f64>,
    baseline_interval: Option<Share>,
    /// The live model of before, with the passage in sight: about what can be had.
    in_context_accuracy: Option<f64>,
    in_context_interval: Option<Share>,
    /// The live model of before, the document out of sight.
    before_accuracy: Option<f64>,
    before_interval: Option<Share>,
    /// The candidate that the gate judged, kept or not, the document out of sight.
    adapter_accuracy: Option<f64>,
    adapter_interval: Option<Share>,
}

wire_schema!(Accuracies, AccuraciesWire);

impl From<Accuracies> for AccuraciesWire {
    fn from(Accuracies { baseline, in_context, before, adapter }: Accuracies) -> Self {
        let plain = |share: Option<Share>| share.map(|s| s.share);
        Self {
            baseline_accuracy: plain(baseline),
            baseline_interval: baseline,
            in_context_accuracy: plain(in_context),
            in_context_interval: in_context,
            before_accuracy: plain(before),
            before_interval: before,
            adapter_accuracy: plain(adapter),
            adapter_interval: adapter,
        }
    }
}

/// The plain numbers say nothing that the intervals do not.
impl From<AccuraciesWire> for Accuracies {
    fn from(wire: AccuraciesWire) -> Self {
        Self {
            baseline: wire.baseline_interval,
            in_context: wire.in_context_interval,
            before: wire.before_interval,
            adapter: wire.adapter_interval,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_wilsons() {
        // What defines it: at its ends the share lies z standard errors away, the error taken at the end.
        let share = Share::of(7, 12).unwrap();
        assert!(share.low < share.share && share.share < share.high, "{share:?}");
        for end in [share.low, share.high] {
            let errors = (share.share - end).abs() / (end * (1.0 - end) / 12.0).sqrt();
            assert!((errors - Z).abs() < 1e-3, "{errors} at {end}");
        }
        // For 0 and n out of n that is z^2 / (n + z^2) and n / (n + z^2).
        let none = Share::of(0, 10).unwrap();
        assert!(none.low == 0.0 && (none.high - 0.277_54).abs() < 1e-4, "{none:?}");
        let all = Share::of(10, 10).unwrap();
        assert!(all.high == 1.0 && (all.low - 0.722_46).abs() < 1e-4, "{all:?}");
        assert_eq!(Share::of(0, 0), None);
    }
}
