//! Jobs that processes end with, in words for whoever looks after the machine.

use seald_core::domain::document::DocumentState;
use seald_core::domain::job::{Job, JobKind, MAX_ATTEMPTS};
use seald_core::error::Result;
use seald_store::Store;

/// How many are named of either sort.
const MAX_NAMED: usize = 3;

/// What should be looked at: jobs that are likely to be why processes ended, and documents that were given up for that.
pub(super) fn suspects(store: &Store) -> Result<Vec<String>> {
    let (mut suspected, mut given_up) = (Vec::new(), Vec::new());
    for job in store.jobs_with_ends()? {
        if let Some(ends) = job.suspected_ends() {
            suspected.push(suspected_words(store, &job, ends)?);
        } else if job.is_given_up_for_ends() {
            given_up.extend(given_up_words(store, &job)?);
        }
    }
    let more = given_up.len().saturating_sub(MAX_NAMED);
    suspected.truncate(MAX_NAMED);
    given_up.truncate(MAX_NAMED);
    if more > 0 {
        given_up
            .push(format!("{more} more documents were given up: `sealctl docs --state failed` lists them"));
    }
    Ok(suspected.into_iter().chain(given_up).collect())
}

fn suspected_words(store: &Store, job: &Job, ends: u32) -> Result<String> {
    let (what, remedy) = match (job.kind, job.document) {
        (JobKind::Learn, Some(document)) => {
            let title = store.document(document)?.title;
            (
                format!("document {document} ({title}) was learned"),
                format!(", or be rid of it with `sealctl forget {document}`"),
            )
        }
        (kind, _) => (format!("job {} ({kind}) was under way", job.id), String::new()),
    };
    Ok(format!(
        "seald ended {ends} times in a row at the same place while {what}; after {MAX_ATTEMPTS} times that is given up. \
         `journalctl -u seald` may say why; if memory is short, set `max_memory` in [resources]{remedy}"
    ))
}

/// None where the document is not failed: what failed came after it was learned, or it is gone.
fn given_up_words(store: &Store, job: &Job) -> Result<Option<String>> {
    let (JobKind::Learn, Some(id)) = (job.kind, job.document) else { return Ok(None) };
    let document = store.document(id)?;
    Ok((document.state == DocumentState::Failed).then(|| {
        format!(
            "document {id} ({}) was given up, for seald kept ending while it was learned: `sealctl retry {id}` tries it again, \
             `sealctl forget {id}` removes it",
            document.title
        )
    }))
}
