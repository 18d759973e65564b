//! Answers to the same questions before and after something, and how many changed.

use serde::{Deserialize, Serialize};

/// What came of a question before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paired {
    /// Whether it was answered right before: by the live model, or by the base where it says so.
    pub right_before: bool,
    /// Whether the candidate answers right.
    pub right_after: bool,
}

/// How many answers changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changes {
    /// Right before.
    pub known: usize,
    /// Right before, wrong after.
    pub lost: usize,
    /// Wrong before, right after.
    pub gained: usize,
}

impl Changes {
    /// Counts them.
    pub fn of(pairs: &[Paired]) -> Self {
        let count = |fits: fn(&Paired) -> bool| pairs.iter().filter(|pair| fits(pair)).count();
        Self {
            known: count(|pair| pair.right_before),
            lost: count(|pair| pair.right_before && !pair.right_after),
            gained: count(|pair| !pair.right_before && pair.right_after),
        }
    }

    /// By how many fewer are right after than before; 0 where there are more.
    pub fn fewer(self) -> usize {
        self.lost.saturating_sub(self.gained)
    }
}
