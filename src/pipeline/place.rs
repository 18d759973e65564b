//! How far a job is, in a file that outlives the process: a document that ends it does so at the same place each time, a kill or a lack of memory does not.

use std::fs;

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
    let mut stage = String::new();
    move |progress| {
        let step = match &progress {
            Progress::Stage { stage: begun } => {
                stage = begun.to_string();
                Some(0)
            }
            Progress::Step { step, .. } => Some(*step),
            _ => None,
        };
        if let Some(step) = step {
            let _ = fs::write(&file, format!("job {job} {stage} {step}"));
        }
        tell(progress);
    }
}

/// Where the last process was, if it noted that.
pub fn last_place(root: &Root) -> Option<String> {
    fs::read_to_string(root.place()).ok().filter(|place| !place.is_empty())
}
