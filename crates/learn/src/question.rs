//! A question, and what came of putting it.

use super::grade::{Grade, grade, grade_with_rivals};

/// One question for [`crate::session::Session::ask`].
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The question.
    pub text: &'a str,
    /// Accepted answers, at least one.
    pub answers: &'a [String],
    /// Title and passage, if they may be read.
    pub passage: Option<(&'a str, &'a str)>,
    /// Wrong answers of the same sort, which the right one is compared with; none: it stands alone.
    pub decoys: &'a [String],
}

impl Question<'_> {
    /// What an answer to it is worth.
    pub(super) fn grade(&self, text: &str) -> Grade {
        match self.decoys {
            [] => grade(text, self.answers),
            rivals => grade_with_rivals(self.text, text, self.answers, rivals),
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Answered {
    /// The answer, greedy.
    pub text: String,
    /// What it is worth.
    pub grade: Grade,
    /// Sum of ln p over the tokens of the first accepted answer, and for nano, which was taught to end there, the end of the turn.
    pub log_prob: f64,
    /// How far the first accepted answer is preferred to the decoys ([`crate::exam::margin`]), nats; none without decoys.
    pub margin: Option<f64>,
}

impl Answered {
    /// What is compared before and after a training, nats: the margin; where there is none, the log-probability.
    pub fn score(&self) -> f64 {
        self.margin.unwrap_or(self.log_prob)
    }
}
