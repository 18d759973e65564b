//! How long learning a document, or a calibration, will take.
//!
//! Where estimates come from, the best first:
//! 1. the median of the last [`REMEMBERED`] documents that this model learned, or rejected after the same work, for each token or byte of text;
//! 2. the speeds that the calibration measured on this machine: so many tokens are trained on for each of the text ([`TRAINED`]), and all the rest, writing,
//!    asking and reading, takes a third of that time again;
//! 3. the speed at which this process has read so far (the base samples, when a model is opened): a token that is trained on takes as long as three that are read.
//!
//! Of the document under way, what is left follows from the stage that it is in ([`Course`]): the stages to come take their share of the whole, and the one
//! under way what is left of its share, but no less than the piece of work in it says. How long the stages that are done took corrects the whole, and stands
//! in for it where nothing foretold it.

use seald_core::domain::calibration::{Calibration, Speeds};
use seald_core::domain::job::Stage;
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

/// Tokens that are trained on for each token of a document: 56,000 for the page of 210.
const TRAINED: f64 = 267.0;
/// Of the time of training, what all the rest takes again.
const REST: f64 = 1.0 / 3.0;

/// The share of the whole time that is over when a stage begins, and its own: training takes three quarters (see [`REST`]), and what is written and asked before it
/// about two thirds of the rest, in halves; the gate the last third. Publishing and replay take next to nothing beside these.
fn shares(stage: Stage) -> Option<(f64, f64)> {
    let part = REST / (1.0 + REST) / 3.0;
    Some(match stage {
        Stage::Probes => (0.0, part),
        Stage::SelfEdits => (part, part),
        Stage::Trials => (2.0 * part, 1.0 - 3.0 * part),
        Stage::Gate => (1.0 - part, part),
        Stage::Publish | Stage::Replay => (1.0, 0.0),
        // Of work that learns no document.
        Stage::Retrain
        | Stage::Compare
        | Stage::Swap
        | Stage::Purge
        | Stage::TrainWriter
        | Stage::Examine
        | Stage::Promote => return None,
    })
}

/// Stages that took less, in seconds, were over when this process took the document up.
const SEEN: f64 = 1.0;

/// How far a document is on its way.
#[derive(Debug, Clone, Copy)]
pub struct Course {
    /// The stage under way.
    pub stage: Stage,
    /// Seconds since the document was begun.
    pub gone: f64,
    /// Of these, in the stage under way; none where its beginning was not seen.
    pub in_stage: Option<f64>,
    /// Seconds that were foretold in all; none where nothing did.
    pub foretold: Option<f64>,
    /// Seconds until the piece of work under way is done; none where that is not known.
    pub step: Option<f64>,
}

impl Course {
    /// Seconds until it is done; 0 where it takes longer than foretold and nothing is known to come, none where nothing foretells it.
    pub fn left(&self) -> Option<f64> {
        let Self { stage, gone, in_stage, foretold, step } = *self;
        let step = step.unwrap_or(0.0);
        let Some(((over, own), in_stage)) = shares(stage).zip(in_stage) else {
            return foretold.map(|whole| (whole - gone).max(step));
        };
        // The more of it is over, the more it tells of the whole. Of a document that was begun before a restart that was not seen.
        let before = gone - in_stage;
        let measured = (over > 0.0 && before >= SEEN).then(|| before / over);
        let whole = match (foretold, measured) {
            (Some(foretold), Some(measured)) => foretold * (1.0 - over) + measured * over,
            (foretold, measured) => foretold.or(measured)?,
        };
        let to_come = (1.0 - over - own).max(0.0) * whole;
        Some(to_come + (own * whole - in_stage).max(step))
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

    /// The speeds of this model were measured: better than what reading foretells.
    pub(super) fn calibrated(&mut self, calibration: &Calibration) {
        self.foretold = document_seconds(calibration, 1).or(self.foretold);
    }

    /// Seconds for work that takes as long as reading so many tokens; none where nothing was ever read.
    pub(super) fn reading(&self, tokens: f64) -> Option<f64> {
        self.reading.map(|seconds| seconds * tokens)
    }

    /// A document of so many tokens was learned, or rejected after the same work, in so many seconds.
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
pub const BYTES_A_TOKEN: u64 = 4;

/// Seconds that learning takes for each byte of text: what the documents that were learned last took, else what the calibration foretells;
/// none where neither is known.
pub fn seconds_a_byte(learned: &[LearningTime], calibration: Option<&Calibration>) -> Option<f64> {
    let each = learned.iter().map(|one| one.seconds / one.bytes.max(1) as f64).collect();
    median(each).or_else(|| Some(document_seconds(calibration?, 1)? / BYTES_A_TOKEN as f64))
}

/// Passages have at most this many tokens (`learn::session`), and at most this share of a model's context.
const PASSAGE_TOKENS: usize = 600;
/// No prose has more bytes a token.
const MAX_BYTES_A_TOKEN: u64 = 6;

/// Bytes of the longest text that may come to so few passages, nearly. What is longer is rejected as soon as it is cut, and takes no time.
pub fn longest_learned(max_passages: usize, context: Option<usize>) -> u64 {
    let tokens = context.map_or(PASSAGE_TOKENS, |context| (context * 2 / 5).clamp(16, PASSAGE_TOKENS));
    max_passages as u64 * tokens as u64 * MAX_BYTES_A_TOKEN
}

/// Seconds that a document of so many tokens will take a calibrated model, about; none where its speed is not known.
pub fn document_seconds(calibration: &Calibration, tokens: usize) -> Option<f64> {
    let Speeds { read, trained, .. } = calibration.speeds;
    let each = match trained {
        Some(trained) => TRAINED * (1.0 + REST) / trained,
        None => readings(PromptSet::General) / read?,
    };
    Some(tokens as f64 * each)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seald_core::clock::Timestamp;
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
    fn what_is_left_of_a_document_follows_from_its_stage() {
        let course = |stage, gone, in_stage, foretold| Course { stage, gone, in_stage, foretold, step: None };
        let left = |course: Course| course.left().map(f64::round);
        assert_eq!(left(course(Stage::Probes, 10.0, Some(10.0), Some(1200.0))), Some(1190.0));
        assert_eq!(left(course(Stage::Probes, 10.0, Some(10.0), None)), None, "nothing foretells it yet");
        let slow = course(Stage::Probes, 700.0, Some(700.0), Some(1200.0));
        assert_eq!(
            left(slow),
            Some(1100.0),
            "the stages to come take their time however long this one takes"
        );
        assert_eq!(left(Course { step: Some(50.0), ..slow }), Some(1150.0), "as the work in it says");
        // Two stages took 300 s, a sixth of the whole.
        assert_eq!(left(course(Stage::Trials, 300.0, Some(0.0), None)), Some(1500.0));
        assert_eq!(
            left(course(Stage::Trials, 60.0, Some(60.0), Some(1200.0))),
            Some(940.0),
            "taken up there"
        );
        let corrected = left(course(Stage::Trials, 300.0, Some(0.0), Some(1200.0))).unwrap();
        assert!(
            (1000.0..1500.0).contains(&corrected),
            "between what was foretold and what was measured: {corrected}"
        );
        assert_eq!(left(course(Stage::Replay, 2000.0, Some(1.0), Some(1200.0))), Some(0.0));
        assert_eq!(left(course(Stage::Gate, 300.0, None, Some(1200.0))), Some(900.0), "nobody saw it begin");
        assert_eq!(left(course(Stage::Gate, 1300.0, None, Some(1200.0))), Some(0.0));
    }

    #[test]
    fn the_speeds_of_the_calibration_foretell_the_first_document() {
        let mut pace = Pace::new(&Tally::default(), PromptSet::General);
        let speeds = Speeds { read: Some(300.0), written: None, trained: Some(TRAINED) };
        let made = Calibration {
            learning_rate: 1e-3,
            drift_budget: 0.1,
            rates: vec![],
            drifts: vec![],
            speeds,
            seconds: 1.0,
            made_at: Timestamp(1),
        };
        assert_eq!(pace.seconds(300), None);
        pace.calibrated(&made);
        assert_eq!(
            pace.seconds(300).map(f64::round),
            Some(400.0),
            "a second of training, and a third of it again"
        );
        pace.note(100, 50.0);
        assert_eq!(pace.seconds(300), Some(150.0), "what a document took is better");
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
