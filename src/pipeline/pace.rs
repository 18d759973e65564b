//! How long learning a document, or a calibration, will take: from those that this process learned, and before the first from the time that reading takes.

use seald_core::domain::calibration::Calibration;
use seald_learn::prompt::PromptSet;
use seald_learn::work::Tally;

/// Learning a document takes as long as reading each of its tokens so many times: what is longest, training, writing and asking, is all bound by the same
/// products of matrices. For a page of 210 tokens Qwen2.5-Coder-0.5B trained on 56,000, three readings each, and took a third of that time again for all the rest;
/// nano, which tries sixteen self-edits, takes 1,600.
fn readings(prompts: PromptSet) -> f64 {
    match prompts {
        PromptSet::Nano => 1600.0,
        PromptSet::General => 1000.0,
    }
}

/// Documents that are remembered: what the machine did last hour says most.
const REMEMBERED: usize = 8;

/// What is known of the time that learning takes.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Seconds for each token that is read.
    reading: Option<f64>,
    /// Seconds for each token of the first document, as reading foretells them.
    foretold: Option<f64>,
    /// Seconds for each token of the documents that were learned last.
    learned: Vec<f64>,
}

impl Pace {
    /// Nothing was learned yet; this was read, by a model with these prompts.
    pub(super) fn new(read: &Tally, prompts: PromptSet) -> Self {
        let reading = (read.scored_tokens > 0).then(|| read.scoring_seconds / read.scored_tokens as f64);
        let foretold = reading.map(|seconds| seconds * readings(prompts));
        Self { reading, foretold, learned: Vec::new() }
    }

    /// Seconds for work that takes as long as reading so many tokens; none where nothing was ever read.
    pub(super) fn reading(&self, tokens: f64) -> Option<f64> {
        self.reading.map(|seconds| seconds * tokens)
    }

    /// A document of so many tokens was learned, or turned away after the same work, in so many seconds.
    pub(super) fn note(&mut self, tokens: usize, seconds: f64) {
        if self.learned.len() == REMEMBERED {
            self.learned.remove(0);
        }
        self.learned.push(seconds / tokens.max(1) as f64);
    }

    /// Seconds that a document of so many tokens will take; none where nothing was ever read.
    pub(super) fn seconds(&self, tokens: usize) -> Option<f64> {
        let mut learned = self.learned.clone();
        learned.sort_by(f64::total_cmp);
        let each = match learned.get(learned.len() / 2) {
            Some(median) => *median,
            None => self.foretold?,
        };
        Some(each * tokens as f64)
    }
}

/// Seconds that a document of so many tokens will take a calibrated model, about; none where its speed is not known.
pub fn document_seconds(calibration: &Calibration, tokens: usize) -> Option<f64> {
    Some(tokens as f64 * readings(PromptSet::General) / calibration.speeds.read?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learned_foretells_what_will_be() {
        assert_eq!(Pace::new(&Tally::default(), PromptSet::General).seconds(100), None);
        let read = Tally { scoring_seconds: 2.0, scored_tokens: 1000, ..Tally::default() };
        let mut pace = Pace::new(&read, PromptSet::General);
        assert_eq!((pace.seconds(100), pace.reading(3000.0)), (Some(200.0), Some(6.0)));
        for seconds in [50.0, 900.0, 60.0] {
            pace.note(100, seconds);
        }
        assert_eq!(pace.seconds(200), Some(120.0), "the median: one document may be odd");
        (0..REMEMBERED).for_each(|_| pace.note(10, 1.0));
        assert_eq!(pace.learned.len(), REMEMBERED);
    }
}
