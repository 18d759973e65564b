//! How long learning a document, or a calibration, will take: from the documents that were learned last, and before the first from the time that reading takes.

use seald_core::domain::calibration::Calibration;
use seald_core::error::Result;
use seald_learn::prompt::PromptSet;
use seald_learn::session::Session;
use seald_learn::work::Tally;
use seald_store::{LearningTime, Store};

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
pub const REMEMBERED: usize = 8;

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
    fn new(read: &Tally, prompts: PromptSet) -> Self {
        let reading = (read.scored_tokens > 0).then(|| read.scoring_seconds / read.scored_tokens as f64);
        let foretold = reading.map(|seconds| seconds * readings(prompts));
        Self { reading, foretold, learned: Vec::new() }
    }

    /// What a session has read, and what its model took for the documents that it learned last.
    ///
    /// # Errors
    /// From the database.
    pub(super) fn of(session: &Session<'_>, store: &Store) -> Result<Self> {
        let mut pace = Self::new(&session.tally(), session.prompts);
        for LearningTime { document, seconds, .. } in store.learning_times(REMEMBERED)?.into_iter().rev() {
            // What the tokenizer refuses was not learned.
            if let Ok(tokens) = session.tokens(&store.document(document)?.text) {
                pace.note(tokens, seconds);
            }
        }
        Ok(pace)
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
        Some(median(self.learned.clone()).or(self.foretold)? * tokens as f64)
    }
}

/// The one in the middle, the upper of two: one document may be odd.
fn median(mut of: Vec<f64>) -> Option<f64> {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied()
}

/// Bytes of text that make a token, about: fewer in tables and in languages without blanks, more in plain English.
const BYTES_A_TOKEN: u64 = 4;

/// Seconds that learning takes for each byte of text: what the documents that were learned last took, else what the calibration foretells;
/// none where neither is known.
pub fn seconds_a_byte(learned: &[LearningTime], calibration: Option<&Calibration>) -> Option<f64> {
    let each = learned.iter().map(|one| one.seconds / one.bytes.max(1) as f64).collect();
    median(each).or_else(|| Some(document_seconds(calibration?, 1)? / BYTES_A_TOKEN as f64))
}

/// Passages have at most this many tokens (`learn::session`), and at most this share of a model's context.
const PASSAGE_TOKENS: usize = 600;
/// No prose has more bytes a token.
const MOST_BYTES_A_TOKEN: u64 = 6;

/// Bytes of the longest text that may come to so few passages, nearly. What is longer is turned away as soon as it is cut, and takes no time.
pub fn longest_learned(most_passages: usize, context: Option<usize>) -> u64 {
    let tokens = context.map_or(PASSAGE_TOKENS, |context| (context * 2 / 5).clamp(16, PASSAGE_TOKENS));
    most_passages as u64 * tokens as u64 * MOST_BYTES_A_TOKEN
}

/// Seconds that a document of so many tokens will take a calibrated model, about; none where its speed is not known.
pub fn document_seconds(calibration: &Calibration, tokens: usize) -> Option<f64> {
    Some(tokens as f64 * readings(PromptSet::General) / calibration.speeds.read?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seald_core::clock::Timestamp;
    use seald_core::domain::calibration::Speeds;
    use seald_core::domain::ids::DocumentId;

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

    #[test]
    fn the_time_of_what_waits_follows_from_what_was_learned_or_calibrated() {
        let time = |bytes, seconds| LearningTime { document: DocumentId(1), bytes, seconds };
        let calibration = |read| Calibration {
            learning_rate: 1e-3,
            drift_budget: 0.1,
            rates: vec![],
            drifts: vec![],
            speeds: Speeds { read, ..Speeds::default() },
            seconds: 1.0,
            made_at: Timestamp(1),
        };
        assert_eq!(seconds_a_byte(&[], None), None);
        assert_eq!(seconds_a_byte(&[], Some(&calibration(None))), None);
        assert_eq!(seconds_a_byte(&[], Some(&calibration(Some(500.0)))), Some(0.5));
        let learned = [time(100, 50.0), time(0, 900.0), time(200, 120.0)];
        assert_eq!(
            seconds_a_byte(&learned, Some(&calibration(Some(500.0)))),
            Some(0.6),
            "measured is better"
        );
    }
}
