//! Kinds of jobs and the stages that each goes through.

use super::words::words;

words! {
    /// What a job is for.
    JobKind {
        /// Learns a document.
        Learn = "learn",
        /// Trains one adapter anew on everything that was learned ("sleep").
        Consolidate = "consolidate",
        /// Trains the writer of self-edits on its winners.
        WriterRound = "writer_round",
        /// Removes a document and what it taught.
        Forget = "forget",
    }
}

words! {
    /// A stage of a job. Each may be repeated without harm.
    Stage {
        /// Questions are written, filtered and put to the base and the live model.
        Probes = "probes",
        /// Self-edits are written.
        SelfEdits = "self_edits",
        /// Self-edits are trained and ranked.
        Trials = "trials",
        /// The best candidate is judged.
        Gate = "gate",
        /// The accepted adapter becomes a generation and goes live.
        Publish = "publish",
        /// Earlier documents are asked about.
        Replay = "replay",
        /// One adapter is trained from the base on the whole curriculum.
        Retrain = "retrain",
        /// It is compared with the live one on the whole bank.
        Compare = "compare",
        /// It takes the live one's place, if it is no worse.
        Swap = "swap",
        /// A document's rows and files are removed.
        Purge = "purge",
        /// A writer is trained on the winners of the gate.
        TrainWriter = "train_writer",
        /// It and the present one write about documents that neither was trained on.
        Examine = "examine",
        /// It takes the present one's place, if its self-edits teach more.
        Promote = "promote",
    }
}

impl Stage {
    /// Whether it is one training, or several.
    pub fn trains(self) -> bool {
        matches!(self, Self::Trials | Self::Retrain | Self::TrainWriter)
    }

    /// Whether it takes so long that what it has done is kept while it is under way.
    pub fn keeps_work(self) -> bool {
        self.trains() || self == Self::Examine
    }
}

impl JobKind {
    /// Its stages, in order.
    pub fn stages(self) -> &'static [Stage] {
        match self {
            Self::Learn => {
                &[Stage::Probes, Stage::SelfEdits, Stage::Trials, Stage::Gate, Stage::Publish, Stage::Replay]
            }
            Self::Consolidate => &[Stage::Retrain, Stage::Compare, Stage::Swap],
            Self::WriterRound => &[Stage::TrainWriter, Stage::Examine, Stage::Promote],
            Self::Forget => &[Stage::Retrain, Stage::Compare, Stage::Swap, Stage::Purge],
        }
    }

    /// The first stage.
    pub fn first(self) -> Stage {
        self.stages()[0]
    }

    /// The stage after `stage`; none after the last, and after one that is not of this kind.
    pub fn next(self, stage: Stage) -> Option<Stage> {
        let at = self.stages().iter().position(|one| *one == stage)?;
        self.stages().get(at + 1).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_belongs_to_a_kind_and_none_comes_twice_in_one() {
        for stage in Stage::ALL {
            assert!(JobKind::ALL.iter().any(|kind| kind.stages().contains(stage)), "{stage}");
        }
        for kind in JobKind::ALL {
            let mut walked = vec![kind.first()];
            while let Some(next) = kind.next(walked[walked.len() - 1]) {
                walked.push(next);
            }
            assert_eq!(walked, kind.stages());
            let distinct: std::collections::HashSet<_> = walked.iter().collect();
            assert_eq!(distinct.len(), walked.len());
        }
        assert_eq!(JobKind::Consolidate.next(Stage::Gate), None);
    }
}
