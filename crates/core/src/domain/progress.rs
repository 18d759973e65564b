//! What learning tells while it is under way, for the terminal and the event stream.

use serde::{Deserialize, Serialize};

use super::document::DocumentState;
use super::job::{JobKind, Stage};
use super::self_edit::Format;
use super::writer::Whose;
use utoipa::ToSchema;

/// One thing that happened to the document under way, or to other work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Progress {
    /// A document's job was taken up.
    Started {
        /// Its name.
        document: String,
        /// Tokens of its text.
        tokens: usize,
        /// Passages it was cut into.
        passages: usize,
        /// Seconds that it will take, about; none where nothing foretells them.
        #[serde(default)]
        seconds: Option<f64>,
    },
    /// A stage began.
    Stage {
        /// Which.
        stage: Stage,
    },
    /// How far the work within a stage is. It passes: told several times a second, never kept.
    Working(Work),
    /// The probes are ready.
    Probes {
        /// From the sidecar.
        supplied: usize,
        /// Questions the model wrote.
        written: usize,
        /// Of those, how many passed the filters.
        kept: usize,
        /// Facts that the kept and supplied ones ask for.
        facts: usize,
    },
    /// A self-edit was written.
    SelfEdit {
        /// Its candidate's number.
        candidate: usize,
        /// Its form.
        format: Format,
        /// Training rows made of it.
        rows: usize,
        /// Why it was discarded, if it was.
        discarded: Option<String>,
    },
    /// An optimiser step of a trial.
    Step {
        /// The trial's name.
        trial: String,
        /// Step, from 1.
        step: usize,
        /// Steps of this rung's end.
        steps: usize,
        /// Nats a token.
        loss: f64,
    },
    /// A trial was scored at the end of a rung.
    Ranked {
        /// Its name.
        trial: String,
        /// The rung, from 0.
        rung: usize,
        /// Mean gain of log p(answer), nats.
        gain: f64,
        /// Whether it goes on.
        goes_on: bool,
    },
    /// The gate decided.
    Decided {
        /// How.
        accepted: bool,
        /// Why not, if not.
        reasons: Vec<String>,
    },
    /// A generation went live.
    Live {
        /// Its folder's name.
        generation: String,
    },
    /// Earlier documents were asked about.
    Replayed {
        /// Probes asked.
        asked: usize,
        /// Right answers.
        right: usize,
        /// Right before and wrong now.
        lost: usize,
    },
    /// Work that learns no document was taken up.
    Began {
        /// What kind.
        kind: JobKind,
        /// Why, in words.
        reason: String,
    },
    /// A retrained adapter was put beside the live one.
    Compared {
        /// Questions of the bank.
        asked: usize,
        /// Right answers of the live model.
        before: usize,
        /// Right answers of the retrained one.
        after: usize,
        /// Whether it may take the live one's place.
        accepted: bool,
        /// Why not, if not.
        reasons: Vec<String>,
    },
    /// A writer wrote about a document of its examination.
    Sampled {
        /// Which of the two writers.
        whose: Whose,
        /// Self-edits written so far.
        written: usize,
        /// Self-edits in all.
        of: usize,
        /// Mean gain of log p(answer) of the last one, nats.
        reward: f64,
    },
    /// The rows and files of documents were removed.
    Forgotten {
        /// Documents: the one that was named, and its earlier versions.
        documents: usize,
        /// Files of the inbox and backups.
        files: usize,
        /// Adapters that had learned from them.
        adapters: usize,
    },
    /// Work that learns no document is at its end.
    Ended {
        /// What kind.
        kind: JobKind,
        /// Whether it changed who answers, or who writes, or removed what was to be removed.
        done: bool,
        /// What came of it, in words.
        outcome: String,
        /// Seconds in all.
        seconds: f64,
    },
    /// The base model is to be calibrated, once, before it learns.
    Calibrating {
        /// Seconds that it will take, about; none where nothing foretells them.
        seconds: Option<f64>,
    },
    /// It is calibrated.
    Calibrated {
        /// Peak learning rate that documents will be trained with.
        learning_rate: f64,
        /// Drift from the base that the gate will allow, nats a token.
        drift_budget: f64,
        /// Seconds that it took.
        seconds: f64,
    },
    /// The document is finished.
    Finished {
        /// Learned, rejected or failed.
        verdict: DocumentState,
        /// Why it was not accepted, if not.
        reasons: Vec<String>,
        /// Share of the gate probes that the live model answered right before, 0 to 1; none if it was not asked.
        before: Option<f64>,
        /// The same for the candidate that the gate judged.
        after: Option<f64>,
        /// Seconds in all.
        seconds: f64,
    },
}

/// What a model is busy with within a stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// It writes base samples, once for each base model.
    DrawBaseSamples,
    /// It reads them, so that trainings can be held to what it would have written.
    LabelBaseSamples,
    /// It writes questions.
    WriteQuestions,
    /// It checks them against the passage.
    CheckQuestions,
    /// It answers questions, nobody said what for.
    #[default]
    AnswerQuestions,
    /// It answers questions about the document under way, without it.
    AnswerDocument,
    /// It answers them with the document in sight: what they are worth.
    AnswerInSight,
    /// It answers questions about what was learned before.
    AnswerEarlier,
    /// It answers control questions about invented texts that nothing was learned of.
    AnswerControls,
    /// It answers questions about invented texts in sight: whether it still reads.
    AnswerReading,
    /// It reads texts of its base, to see how far a candidate has moved.
    MeasureDrift,
    /// It writes texts to be trained on.
    WriteTexts,
    /// It answers questions about invented texts, to find the settings that suit it, once for each base model.
    Calibrate,
}

/// How far a piece of work is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Work {
    /// What it is.
    pub task: Task,
    /// What is done of it, in tokens or the like.
    pub done: u64,
    /// What there is to do in all, 1 or more.
    pub of: u64,
    /// Seconds since it began.
    pub seconds: f64,
}

/// Seconds, and share of the work, after which the time that is left can be told from the time that went by.
const FORETOLD: (f64, f64) = (1.0, 0.02);

impl Work {
    /// Seconds until it is done, if it goes on as it went; none while that is a guess.
    pub fn seconds_left(&self) -> Option<f64> {
        let share = self.share();
        (self.seconds >= FORETOLD.0 && share >= FORETOLD.1).then(|| self.seconds * (1.0 - share) / share)
    }

    /// What is done of it, 0 to 1.
    pub fn share(&self) -> f64 {
        (self.done as f64 / self.of.max(1) as f64).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_follows_from_time_gone() {
        let work = |done, seconds| Work { task: Task::WriteTexts, done, of: 200, seconds };
        assert_eq!(work(50, 10.0).seconds_left(), Some(30.0));
        assert_eq!(work(200, 10.0).seconds_left(), Some(0.0));
        assert_eq!(work(2, 10.0).seconds_left(), None, "a hundredth foretells nothing");
        assert_eq!(work(50, 0.1).seconds_left(), None);
    }
}
