//! Where a job is, stage and step, in a file that outlives the process. A document that crashes the process does so at the same place each time; somebody's kill does not.

use std::fs;

use super::crash::{self, Place};
use super::root::Root;
use seald_core::domain::ids::JobId;
use seald_core::domain::progress::Progress;

/// Passes on what is told, and notes where the job is. That it cannot be noted is no reason to stop.
pub(super) fn noting<'t>(
    root: &Root,
    job: JobId,
    tell: &'t mut dyn FnMut(Progress),
) -> impl FnMut(Progress) + use<'t> {
    let file = root.place();
    let (mut stage, mut steps) = (None, 0);
    move |progress| {
        let step = match &progress {
            Progress::Stage { stage: begun } => {
                (stage, steps) = (Some(*begun), 0);
                Some(0)
            }
            Progress::Step { step, .. } => {
                steps += 1;
                Some(*step)
            }
            _ => None,
        };
        let noted = step.zip(stage);
        if let Some((step, stage)) = noted {
            let _ = fs::write(&file, format!("job {job} {stage} {step}"));
        }
        tell(progress);
        if let Some((_, stage)) = noted.filter(|(step, _)| *step > 0) {
            crash::point(stage, Place::Step(steps));
        }
    }
}

/// Where the last process was, if it noted that.
pub fn last_place(root: &Root) -> Option<String> {
    fs::read_to_string(root.place()).ok().filter(|place| !place.is_empty())
}

#[cfg(test)]
mod tests {
    use seald_core::domain::stage::Stage;

    use super::*;

    #[test]
    fn the_last_stage_and_step_stay_and_everything_is_passed_on() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        assert_eq!(last_place(&root), None);
        let mut told = 0;
        let mut count = |_| told += 1;
        let mut tell = noting(&root, JobId(7), &mut count);
        tell(Progress::Stage { stage: Stage::Trials });
        assert_eq!(last_place(&root).unwrap(), "job 7 trials 0");
        tell(Progress::Step { trial: "a".into(), step: 31, steps: 40, loss: 0.5 });
        tell(Progress::Decided { accepted: true, reasons: Vec::new() });
        assert_eq!(last_place(&root).unwrap(), "job 7 trials 31");
        drop(tell);
        assert_eq!(told, 3);
    }
}
