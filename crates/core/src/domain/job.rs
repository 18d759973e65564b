//! Jobs: durable work in stages, as a state machine without clock or database.

use std::fmt;

use super::ids::{DocumentId, JobId};
pub use super::stage::{JobKind, Stage};
use super::words::words;
use crate::clock::Timestamp;

/// Attempts at one stage before the job fails: a document that kills the process is not tried for ever.
pub const MAX_ATTEMPTS: u32 = 3;
/// Ends of processes during one stage after which a job is given up, whoever is to blame: else it could keep the others from being learned for ever.
pub const MAX_ENDS: u32 = 10;

words! {
    /// Where a job stands.
    JobState {
        /// Waits for a worker.
        Queued = "queued",
        /// A worker has it, until its lease ends.
        Running = "running",
        /// Finished: the document's state says how.
        Done = "done",
        /// Given up.
        Failed = "failed",
    }
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its row.
    pub id: JobId,
    /// What it is for.
    pub kind: JobKind,
    /// The document that it learns or forgets; none where it is about no single one, or that one is gone.
    pub document: Option<DocumentId>,
    /// The stage that is under way, or comes next.
    pub stage: Stage,
    /// Where it stands.
    pub state: JobState,
    /// Attempts at this stage, the one under way counted.
    pub attempts: u32,
    /// Processes that ended during this stage, however they ended.
    pub ends: u32,
    /// Until when a worker has it.
    pub lease_until: Option<Timestamp>,
    /// Why the last attempt ended, if it ended badly.
    pub error: Option<String>,
}

/// What can happen to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A worker takes it; the attempt is counted before the work.
    Claimed {
        /// Until when.
        lease_until: Timestamp,
    },
    /// The worker is still at it.
    Renewed {
        /// Until when.
        lease_until: Timestamp,
    },
    /// The stage's results are stored; the next one begins under the same lease.
    Advanced,
    /// There is nothing more to do.
    Finished,
    /// The worker gives it back unfinished, on request: the attempt does not count.
    Returned,
    /// The worker vanished: its lease ran out, or its process died.
    Abandoned {
        /// Whether the job itself may be why.
        blame: Blame,
    },
    /// The stage failed. One that may pass is tried again.
    Failed {
        /// In words.
        error: String,
        /// Whether another attempt could end otherwise.
        passing: bool,
    },
    /// The machine kept the stage from its end, such as by a full disk: the attempt does not count.
    Hindered {
        /// In words.
        error: String,
    },
    /// A person asks for it again, from its first stage.
    Retried,
    /// Another adapter is live than the one its results continued: it begins again.
    Restarted,
    /// What was left to do has no object any more.
    Dropped,
}

/// Whether a job may be why the process that worked at it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// No: with the machine, or long after the stage had begun. The attempt does not count.
    Not,
    /// Perhaps: soon after its beginning, at a place where none had ended before. The first attempt that counts.
    First,
    /// Likely: where the last process ended, too.
    Again,
}

/// An event that a job in its state cannot have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IllegalEvent {
    /// The job's state.
    pub state: JobState,
    /// The event.
    pub event: Event,
}

impl fmt::Display for IllegalEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} job cannot be {:?}", self.state, self.event)
    }
}

impl std::error::Error for IllegalEvent {}

impl Job {
    /// The job after `event`.
    ///
    /// # Errors
    /// The event, where the state forbids it; the job is then as it was.
    pub fn apply(&self, event: Event) -> Result<Self, IllegalEvent> {
        let mut job = self.clone();
        match (self.state, event) {
            (JobState::Queued, Event::Claimed { lease_until }) => {
                job.state = JobState::Running;
                job.attempts += 1;
                job.lease_until = Some(lease_until);
            }
            (JobState::Running, Event::Renewed { lease_until }) => job.lease_until = Some(lease_until),
            (JobState::Running, Event::Advanced) => match self.kind.next(self.stage) {
                Some(stage) => (job.stage, job.attempts, job.ends, job.error) = (stage, 1, 0, None),
                None => job.close(JobState::Done, None),
            },
            (JobState::Running, Event::Finished) => job.close(JobState::Done, None),
            (JobState::Running, Event::Returned) => {
                job.attempts = job.attempts.saturating_sub(1);
                job.close(JobState::Queued, None);
            }
            (JobState::Running, Event::Abandoned { blame }) => {
                job.ends += 1;
                let error = process_ended(self.stage);
                job.attempts = match blame {
                    Blame::Not => job.attempts.saturating_sub(1),
                    Blame::First => 1,
                    Blame::Again => job.attempts,
                };
                if job.ends >= MAX_ENDS {
                    let error =
                        format!("{GIVEN_UP} {} ends of the process during stage {}", job.ends, self.stage);
                    job.close(JobState::Failed, Some(error));
                } else if blame == Blame::Again {
                    job.end_attempt(error, true);
                } else {
                    job.close(JobState::Queued, Some(error));
                }
            }
            (JobState::Running, Event::Failed { error, passing }) => job.end_attempt(error, passing),
            (JobState::Running, Event::Hindered { error }) => {
                job.attempts = job.attempts.saturating_sub(1);
                job.close(JobState::Queued, Some(error));
            }
            (JobState::Failed | JobState::Done, Event::Retried) => {
                (job.stage, job.attempts, job.ends) = (self.kind.first(), 0, 0);
                job.close(JobState::Queued, None);
            }
            (JobState::Queued, Event::Restarted) => {
                (job.stage, job.attempts, job.ends) = (self.kind.first(), 0, 0);
                job.close(JobState::Queued, None);
            }
            (JobState::Queued, Event::Dropped) => job.close(JobState::Done, None),
            (state, event) => return Err(IllegalEvent { state, event }),
        }
        Ok(job)
    }

    /// How often in a row the process ended where this job was, if that is twice or more and it is still to be tried: it is likely to be why.
    pub fn suspected_ends(&self) -> Option<u32> {
        let open = matches!(self.state, JobState::Queued | JobState::Running);
        let ended = self.attempts.saturating_sub(u32::from(self.state == JobState::Running));
        let why = self.error.as_deref() == Some(process_ended(self.stage).as_str());
        (open && why && ended >= 2).then_some(ended)
    }

    /// Whether it was given up because processes ended during it.
    pub fn is_given_up_for_ends(&self) -> bool {
        let why = |error: &str| {
            error.starts_with(GIVEN_UP) && error.ends_with(&format!("during stage {}", self.stage))
        };
        self.state == JobState::Failed && self.error.as_deref().is_some_and(why)
    }

    fn close(&mut self, state: JobState, error: Option<String>) {
        (self.state, self.lease_until, self.error) = (state, None, error);
    }

    fn end_attempt(&mut self, error: String, passing: bool) {
        if passing && self.attempts < MAX_ATTEMPTS {
            self.close(JobState::Queued, Some(error));
        } else {
            let error =
                if passing { format!("{GIVEN_UP} {} attempts: {error}", self.attempts) } else { error };
            self.close(JobState::Failed, Some(error));
        }
    }
}

/// The error of a job that is tried no more begins so.
const GIVEN_UP: &str = "given up after";

/// The error of a job whose process ended.
fn process_ended(stage: Stage) -> String {
    format!("the process ended during stage {stage}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Timestamp = Timestamp(60_000);

    fn job(state: JobState) -> Job {
        let lease_until = (state == JobState::Running).then_some(Timestamp(1));
        let attempts = u32::from(state == JobState::Running);
        Job {
            id: JobId(1),
            kind: JobKind::Learn,
            document: Some(DocumentId(1)),
            stage: Stage::Trials,
            state,
            attempts,
            ends: 0,
            lease_until,
            error: None,
        }
    }

    fn events() -> Vec<(&'static str, Event)> {
        let failed = |passing| Event::Failed { error: "broke".into(), passing };
        vec![
            ("claimed", Event::Claimed { lease_until: LEASE }),
            ("renewed", Event::Renewed { lease_until: LEASE }),
            ("advanced", Event::Advanced),
            ("finished", Event::Finished),
            ("returned", Event::Returned),
            ("abandoned", Event::Abandoned { blame: Blame::Again }),
            ("abandoned, no fault of its own", Event::Abandoned { blame: Blame::Not }),
            ("failed, may pass", failed(true)),
            ("failed for good", failed(false)),
            ("hindered by the machine", Event::Hindered { error: "the disk is full".into() }),
            ("retried", Event::Retried),
            ("restarted", Event::Restarted),
            ("dropped", Event::Dropped),
        ]
    }

    #[test]
    fn the_whole_table() {
        let mut table = String::new();
        for state in JobState::ALL {
            for (name, event) in events() {
                let cell = match job(*state).apply(event) {
                    Ok(j) => format!("{} {} {}", j.state, j.stage, j.attempts),
                    Err(_) => "-".into(),
                };
                table.push_str(&format!("{state} | {name} | {cell}\n"));
            }
        }
        let expected = "\
queued | claimed | running trials 1
queued | renewed | -
queued | advanced | -
queued | finished | -
queued | returned | -
queued | abandoned | -
queued | abandoned, no fault of its own | -
queued | failed, may pass | -
queued | failed for good | -
queued | hindered by the machine | -
queued | retried | -
queued | restarted | queued probes 0
queued | dropped | done trials 0
running | claimed | -
running | renewed | running trials 1
running | advanced | running gate 1
running | finished | done trials 1
running | returned | queued trials 0
running | abandoned | queued trials 1
running | abandoned, no fault of its own | queued trials 0
running | failed, may pass | queued trials 1
running | failed for good | failed trials 1
running | hindered by the machine | queued trials 0
running | retried | -
running | restarted | -
running | dropped | -
done | claimed | -
done | renewed | -
done | advanced | -
done | finished | -
done | returned | -
done | abandoned | -
done | abandoned, no fault of its own | -
done | failed, may pass | -
done | failed for good | -
done | hindered by the machine | -
done | retried | queued probes 0
done | restarted | -
done | dropped | -
failed | claimed | -
failed | renewed | -
failed | advanced | -
failed | finished | -
failed | returned | -
failed | abandoned | -
failed | abandoned, no fault of its own | -
failed | failed, may pass | -
failed | failed for good | -
failed | hindered by the machine | -
failed | retried | queued probes 0
failed | restarted | -
failed | dropped | -
";
        assert_eq!(table, expected);
    }

    #[test]
    fn a_job_that_kills_its_worker_is_given_up() {
        let mut one = Job { attempts: 0, ..job(JobState::Queued) };
        for tried in 0..MAX_ATTEMPTS {
            assert_eq!(one.state, JobState::Queued);
            let suspected = Some(tried).filter(|ends| *ends >= 2);
            assert_eq!(one.suspected_ends(), suspected);
            one = one.apply(Event::Claimed { lease_until: LEASE }).unwrap();
            assert_eq!((one.suspected_ends(), one.is_given_up_for_ends()), (suspected, false));
            one = one.apply(Event::Abandoned { blame: Blame::Again }).unwrap();
        }
        assert_eq!(one.state, JobState::Failed);
        assert!(one.is_given_up_for_ends() && one.suspected_ends().is_none());
        let other = Job { error: Some("given up after 3 attempts: the disk is full".into()), ..one.clone() };
        assert!(!other.is_given_up_for_ends());
        assert_eq!(
            one.error.as_deref(),
            Some("given up after 3 attempts: the process ended during stage trials")
        );
    }

    #[test]
    fn power_cuts_do_not_give_a_job_up() {
        let mut one = Job { attempts: 0, ..job(JobState::Queued) };
        for cut in 1..MAX_ENDS {
            one = one.apply(Event::Claimed { lease_until: LEASE }).unwrap();
            let (blame, attempts) = if cut % 2 == 0 { (Blame::Not, 1) } else { (Blame::First, 1) };
            one = one.apply(Event::Abandoned { blame }).unwrap();
            assert_eq!((one.state, one.attempts, one.ends), (JobState::Queued, attempts, cut));
            assert_eq!(one.suspected_ends(), None);
        }
        let claimed = one.apply(Event::Claimed { lease_until: LEASE }).unwrap();
        // What it survives is forgotten; what never ends is given up all the same.
        assert_eq!(claimed.apply(Event::Advanced).unwrap().ends, 0);
        let given_up = claimed.apply(Event::Abandoned { blame: Blame::Not }).unwrap();
        assert_eq!(given_up.state, JobState::Failed);
        assert!(given_up.is_given_up_for_ends());
        assert!(given_up.error.unwrap().contains("10 ends of the process"));
    }

    #[test]
    fn the_last_stage_ends_the_job() {
        let last = Job { stage: Stage::Replay, ..job(JobState::Running) };
        assert_eq!(last.apply(Event::Advanced).unwrap().state, JobState::Done);
        let swap = |kind| Job { kind, stage: Stage::Swap, ..job(JobState::Running) };
        assert_eq!(swap(JobKind::Consolidate).apply(Event::Advanced).unwrap().state, JobState::Done);
        assert_eq!(swap(JobKind::Forget).apply(Event::Advanced).unwrap().stage, Stage::Purge);
    }
}
