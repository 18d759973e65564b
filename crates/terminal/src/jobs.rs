//! What came of a job that learned no document: what was trained anew, and the proof that a document is forgotten.

use console::Style;

use super::look::{Look, one_line};
use super::page::Page;
use super::status::share_words;
use super::words::{count, duration, kind_words, stage_words};
use seald_core::domain::document::DocumentState;
use seald_core::domain::job::{JobKind, JobState};
use seald_core::protocol::{ComparisonView, ConsolidationView, ForgottenView, JobOutcome, Share};

/// The page.
pub fn render(view: &JobOutcome, look: &Look) -> String {
    let plain = Style::new();
    let mut page = Page::new(look);
    let (words, state) = match (view.state, view.done) {
        (JobState::Queued, _) => {
            (format!("waits; next: {}", stage_words(view.stage)), DocumentState::Waiting)
        }
        (JobState::Running, _) => (format!("under way: {}", stage_words(view.stage)), DocumentState::Waiting),
        (JobState::Failed, _) => ("failed".to_string(), DocumentState::Failed),
        (JobState::Done, Some(false)) => ("changed nothing".to_string(), DocumentState::Rejected),
        (JobState::Done, _) => ("done".to_string(), DocumentState::Learned),
    };
    let (sign, style) = look.verdict(state);
    let took = view.seconds.map_or_else(String::new, |seconds| format!(" in {}", duration(seconds)));
    let head = format!("{}, job {}", kind_words(view.kind), view.job);
    page.ends(&head, &Style::new().bold(), &format!("{sign} {words}{took}"), &style);
    if let Some(error) = view.error.as_deref().filter(|_| view.state != JobState::Done) {
        page.field("Because", &look.hints(&one_line(error)), &Style::new().red());
    } else if let (Some(outcome), None) = (&view.outcome, &view.forgotten) {
        page.field("Outcome", &look.hints(&one_line(outcome)), &plain);
    }
    if let Some(forgotten) = &view.forgotten {
        proof(forgotten, &mut page);
    }
    if let Some(done) = &view.consolidation {
        consolidation(done, view.kind, &mut page, look);
    }
    remedy(view, &mut page, look);
    page.text()
}

/// Right answers of several models, one beneath the other.
fn shares(label: &str, shares: &[(&str, Option<Share>)], page: &mut Page<'_>) {
    let known = shares.iter().filter_map(|(who, share)| share.as_ref().map(|share| (who, share)));
    for (i, (who, share)) in known.enumerate() {
        page.field(if i == 0 { label } else { "" }, &format!("{who}: {}", share_words(share)), &Style::new());
    }
}

fn proof(forgotten: &ForgottenView, page: &mut Page<'_>) {
    let ForgottenView { document, keep_history, base, before, after, ended_at } = forgotten;
    if ended_at.is_some() {
        let words = format!("document {document}: its text, questions, self-edits and files are removed");
        page.field("Forgotten", &words, &Style::new());
    }
    shares("About it", &[("base model", *base), ("before", *before), ("now", *after)], page);
    if let (Some(base), Some(after)) = (base, after) {
        let (words, style) = level(base, after);
        page.field("", &words, &style);
    } else if ended_at.is_some() {
        page.field("About it", "it had no questions that could be asked", &Style::new());
    }
    if *keep_history && ended_at.is_some() {
        let words = "earlier generations that contain it, and backups, as you asked";
        page.field("Kept", words, &Style::new().yellow());
    }
}

/// Whether the questions about a document are back where the base stood.
fn level(base: &Share, after: &Share) -> (String, Style) {
    if after.low <= base.share {
        let words =
            format!("no more than the base knows, as far as {} can tell", count(after.asked, "question"));
        (words, Style::new().green())
    } else {
        let words = "more than the base knows: other documents may say the same";
        (words.to_string(), Style::new().yellow())
    }
}

fn consolidation(done: &ConsolidationView, kind: JobKind, page: &mut Page<'_>, look: &Look) {
    let ConsolidationView { documents, rows, learning_rate, steps, seconds, comparison, generation, .. } =
        done;
    let words = format!(
        "{} from {}, {} at {learning_rate:e}, in {}",
        count(*rows, "row"),
        count(*documents, "document"),
        count(*steps, "step"),
        duration(*seconds)
    );
    page.field("Trained", &words, &Style::new());
    if let Some(comparison) = comparison {
        compared(comparison, kind, page, look);
    }
    if let (Some(generation), JobKind::Forget) = (generation, kind) {
        page.field("Live", &format!("{} answers from now on", one_line(generation)), &Style::new());
    }
}

fn compared(comparison: &ComparisonView, kind: JobKind, page: &mut Page<'_>, look: &Look) {
    let ComparisonView { before, after, lost, below_base, drift_before, drift_after, .. } = comparison;
    let (label, now) = if kind == JobKind::Forget { ("Others", "now") } else { ("Right", "trained anew") };
    shares(label, &[("before", *before), (now, *after)], page);
    let words = format!(
        "{} lost; {} that the untrained model knows better (drift from it {drift_before:.3} {} {drift_after:.3})",
        count(*lost, "answer"),
        count(*below_base, "document"),
        look.sign("→", "->")
    );
    page.field("", &words, &Style::new().dim());
}

/// What to do next.
fn remedy(view: &JobOutcome, page: &mut Page<'_>, look: &Look) {
    let words = match (view.state, view.kind, view.document) {
        (JobState::Failed, JobKind::Forget, Some(document)) => {
            format!("Nothing is lost, and it may not be gone: `sealctl forget {document}` goes on.")
        }
        (JobState::Failed, JobKind::Consolidate, _) => {
            "The live model stays. `sealctl consolidate` tries again.".to_string()
        }
        (JobState::Failed, JobKind::WriterRound, _) => {
            "The present writer stays. `sealctl train-writer` tries again.".to_string()
        }
        (JobState::Done, JobKind::WriterRound, _) => "`sealctl writer` shows what changed.".to_string(),
        _ => return,
    };
    page.words(&look.hints(&words), 0, &Style::new().dim());
}
