//! A decision: what the gate said of a candidate, rule by rule.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::words::words;

words! {
    /// What the gate demands of a candidate. All must hold.
    Rule {
        /// There are enough gate probes to say anything.
        EnoughProbes = "enough_probes",
        /// Right answers are more probable than before: the lower bound of the gain, or its mean beside controls, is above 0.
        Gain = "gain",
        /// More gate probes are answered right than before.
        Accuracy = "accuracy",
        /// What was known is not lost beyond the budget.
        Retention = "retention",
        /// Questions about other texts in sight are answered as well as by the base.
        Reading = "reading",
        /// The candidate writes like the base on texts that no training saw.
        Drift = "drift",
    }
}

impl Rule {
    /// Whether it guards what the model could do before, rather than asks for something new.
    pub fn guards_old_knowledge(self) -> bool {
        matches!(self, Self::Retention | Self::Reading | Self::Drift)
    }
}

/// One rule applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// Whether it holds.
    pub holds: bool,
    /// The number that was compared; `null` in JSON where it is not finite, here and below.
    #[serde(deserialize_with = "crate::domain::number::or_nan")]
    #[schema(value_type = Option<f64>)]
    pub value: f64,
    /// What it was compared with.
    #[serde(deserialize_with = "crate::domain::number::or_nan")]
    #[schema(value_type = Option<f64>)]
    pub bound: f64,
    /// In words, with the numbers.
    pub words: String,
}

/// The gate's judgement of one candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Whether every rule holds.
    pub accepted: bool,
    /// Each rule.
    pub findings: Vec<Finding>,
    /// Factor on the candidate's scale at which it was judged, (0, 1].
    pub scale: f64,
}

impl Decision {
    /// Why not, in words: the rules that do not hold.
    pub fn reasons(&self) -> Vec<String> {
        self.findings.iter().filter(|f| !f.holds).map(|f| f.words.clone()).collect()
    }

    /// Whether the only rules that fail are about what was known before.
    pub fn fails_only_old_knowledge(&self) -> bool {
        let mut failed = self.findings.iter().filter(|f| !f.holds).peekable();
        failed.peek().is_some() && failed.all(|f| f.rule.guards_old_knowledge())
    }
}
