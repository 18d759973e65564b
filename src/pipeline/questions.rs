//! Probes as questions: without a passage, and with the wrong answers that theirs is compared with.

use super::worker::Worker;
use seald_core::domain::document::Document;
use seald_core::domain::probe::Probe;
use seald_core::error::Result;
use seald_learn::exam;
use seald_learn::prompt::PromptSet;
use seald_learn::session::Question;

/// A probe as a question without a passage.
pub(super) fn closed(probe: &Probe) -> Question<'_> {
    Question { text: &probe.question, answers: &probe.answers, passage: None, decoys: &[] }
}

/// A probe as a question without a passage, its answer compared with wrong ones.
pub(super) fn compared<'p>((probe, decoys): (&'p Probe, &'p Vec<String>)) -> Question<'p> {
    Question { decoys, ..closed(probe) }
}

impl Worker<'_> {
    /// Wrong answers to each probe of a document, from the passage that it asks about; none for nano.
    pub(super) fn decoys(&self, document: &Document, probes: &[Probe]) -> Result<Vec<Vec<String>>> {
        if self.session.prompts == PromptSet::Nano {
            return Ok(vec![Vec::new(); probes.len()]);
        }
        let passages = self.store.passages(document.id)?;
        let of = |probe: &Probe| {
            let own = passages.iter().find(|p| Some(p.id) == probe.passage).or(passages.first());
            exam::decoys(&probe.question, &probe.answers, own.map_or("", |p| p.text.as_str()))
        };
        Ok(probes.iter().map(of).collect())
    }
}
