//! The story of one document from file to verdict, with its questions and the answers before and after.

use console::Style;

use super::document_progress::probes_words;
use super::look::{Look, one_line};
use super::page::Page;
use super::status::share_words;
use super::times::Times;
use super::words::{count, grouped, percent, probable_words, stage_words, trial_words};
use seald_core::domain::document::DocumentState;
use seald_core::domain::evaluation::Subject;
use seald_core::domain::job::JobState;
use seald_core::domain::probe::{ProbeSource, Role};
use seald_core::protocol::{
    Accuracies, DocumentView, GivenAnswer, JobView, ProbeView, SelfEditCounts, TrialReport,
};

/// Roles in the order in which their questions matter to a reader.
const ROLES: [Role; 4] = [Role::Gate, Role::Select, Role::Retain, Role::Preserve];

/// The story.
pub fn render(view: &DocumentView, times: Times, look: &Look) -> String {
    let (plain, dim) = (Style::new(), Style::new().dim());
    let mut page = Page::new(look);
    let line = &view.line;
    let (sign, style) = look.verdict(line.state);
    let title = one_line(&line.title);
    let title = if title.is_empty() { one_line(&line.name) } else { title };
    page.ends(&title, &Style::new().bold(), &format!("{sign} {}", line.state), &style);
    let tag = line.tag.as_deref().map_or_else(String::new, |tag| format!(", from {}/", one_line(tag)));
    page.words(&format!("{} ({}){tag}, number {}", one_line(&line.name), line.format, line.id), 0, &dim);
    page.blank();
    let passages = if view.passages > 0 { count(view.passages, "passage") } else { "not yet cut up".into() };
    let words = format!(
        "{} ({}); {} characters, {passages}",
        times.ago(line.received_at),
        times.clock(line.received_at),
        grouped(view.characters as u64)
    );
    page.field("Came", &words, &plain);
    if let Some(by) = line.replaced_by {
        page.field("Replaced", &format!("a newer version came: document {by}"), &Style::new().yellow());
    }
    job(&view.job, line.state, &mut page);
    learning(view, &mut page, look);
    verdict(view, &mut page, look);
    for role in ROLES {
        questions(view.probes.iter().filter(|p| p.role == role), role, &mut page, look);
    }
    page.text()
}

/// What a question of a role was for.
pub fn role_words(role: Role) -> &'static str {
    match role {
        Role::Gate => "Questions that decide; no trial saw them",
        Role::Select => "Questions that chose among the trials",
        Role::Retain => "Questions kept for later, to find forgetting",
        Role::Preserve => "Questions that the model could answer before",
    }
}

fn job(job: &JobView, state: DocumentState, page: &mut Page<'_>) {
    let JobView { state: job_state, stage, attempts, error, .. } = job;
    let words = match job_state {
        JobState::Queued => format!("waits; next: {}", stage_words(*stage)),
        JobState::Running => format!("under way: {}", stage_words(*stage)),
        JobState::Done => String::new(),
        JobState::Failed => format!("given up at: {}", stage_words(*stage)),
    };
    let again = if *attempts > 1 { format!(" (attempt {attempts})") } else { String::new() };
    if !words.is_empty() {
        page.field("Job", &format!("{words}{again}"), &Style::new());
    }
    if let Some(error) = error.as_deref().filter(|_| state != DocumentState::Learned) {
        page.field("", &one_line(error), &Style::new().red());
    }
}

fn learning(view: &DocumentView, page: &mut Page<'_>, look: &Look) {
    let (plain, dim, report) = (Style::new(), Style::new().dim(), &view.report);
    let probes = report.probe_counts;
    if probes.supplied + probes.written > 0 {
        let words = probes_words(probes.supplied, probes.written, probes.kept, probes.facts);
        page.field("Questions", &words, &plain);
    }
    let SelfEditCounts { written, discarded, rows, dropped_lines } = report.self_edits;
    if written > 0 {
        let discarded = if discarded > 0 { format!(", {discarded} discarded") } else { String::new() };
        let dropped = if dropped_lines > 0 {
            format!(", {} left out", count(dropped_lines, "line"))
        } else {
            String::new()
        };
        let words = format!("{} written{discarded}; {}{dropped}", count(written, "text"), count(rows, "row"));
        page.field("Texts", &words, &plain);
    }
    for (i, trial) in report.trials.iter().enumerate() {
        let (mark, style) = if trial.chosen { (look.sign("▸", ">"), &plain) } else { (" ", &dim) };
        page.field(if i == 0 { "Tried" } else { "" }, &format!("{mark} {}", tried_words(trial)), style);
    }
}

/// `75 % right, right answers 4.0 times more probable (gain +1.39 nats, loss 0.20; all 8 texts together)`. What was trained to its end without
/// questions to rank it by has no gain.
fn tried_words(trial: &TrialReport) -> String {
    let TrialReport { name, gain, loss, accuracy, .. } = trial;
    let right = accuracy.map(|share| format!("{} right", percent(share)));
    let probable = gain.is_finite().then(|| format!("right answers {}", probable_words(*gain)));
    let told: Vec<String> = right.into_iter().chain(probable).collect();
    let told = if told.is_empty() { "trained to its end".to_string() } else { told.join(", ") };
    let gain = if gain.is_finite() { format!("gain {gain:+.2} nats, ") } else { String::new() };
    format!("{told} ({gain}loss {loss:.2}; {})", trial_words(&one_line(name)))
}

fn verdict(view: &DocumentView, page: &mut Page<'_>, look: &Look) {
    let report = &view.report;
    for (i, finding) in report.findings.iter().enumerate() {
        let (sign, style) = signed(finding.holds, look);
        page.field(if i == 0 { "Gate" } else { "" }, &format!("{sign} {}", one_line(&finding.words)), &style);
    }
    if let Some(scale) = report.scale.filter(|scale| *scale < 1.0) {
        page.field("", &format!("judged at {} of its strength", percent(scale)), &Style::new());
    }
    right(view, page);
    let (_, style) = look.verdict(view.line.state);
    let words = match (&report.generation, view.line.state) {
        (Some(generation), _) => format!("learned in {}", one_line(generation)),
        (None, DocumentState::Waiting | DocumentState::Learning) => "none yet".to_string(),
        (None, state) => state.to_string(),
    };
    page.field("Verdict", &words, &style);
    for reason in &view.line.reasons {
        page.field("", &look.hints(&one_line(reason)), &Style::new());
    }
    if matches!(view.line.state, DocumentState::Rejected | DocumentState::Failed) {
        let words = format!("`sealctl retry {}` tries it again", view.line.id);
        page.field("", &look.hints(&words), &Style::new().dim());
    }
}

/// Right answers to the questions that decide. Where none was put to an adapter, there was nothing to decide: what is left of the questions
/// then are those that the model did not know, of which it knew none.
fn right(view: &DocumentView, page: &mut Page<'_>) {
    let Accuracies { baseline, in_context, before, adapter } = view.report.accuracies;
    if adapter.is_none() && !matches!(view.line.state, DocumentState::Waiting | DocumentState::Learning) {
        return;
    }
    let shares =
        [("base model", baseline), ("document in sight", in_context), ("before", before), ("after", adapter)];
    let measured = shares.iter().filter_map(|(name, share)| share.as_ref().map(|share| (name, share)));
    for (i, (name, share)) in measured.enumerate() {
        let words = format!("{}, {name}", share_words(share));
        page.field(if i == 0 { "Right" } else { "" }, &words, &Style::new());
    }
}

fn questions<'p>(probes: impl Iterator<Item = &'p ProbeView>, role: Role, page: &mut Page<'_>, look: &Look) {
    for (i, probe) in probes.enumerate() {
        if i == 0 {
            page.blank();
            page.words(role_words(role), 0, &Style::new().bold());
        }
        let own = if probe.source == ProbeSource::Supplied { " (supplied)" } else { "" };
        page.words(&format!("{}{own}", one_line(&probe.question)), 2, &Style::new());
        let answers: Vec<_> = probe.answers.iter().map(|answer| one_line(answer)).collect();
        page.words(&format!("= {}", answers.join(" | ")), 4, &Style::new().dim());
        for subject in [Subject::Base, Subject::Before, Subject::Candidate] {
            if let Some(given) = probe.given.iter().find(|given| given.subject == subject) {
                answer(given, page, look);
            }
        }
        // Only what replay found last; each generation before it had its turn.
        if let Some(given) = probe.given.iter().rev().find(|given| given.subject == Subject::Replay) {
            answer(given, page, look);
        }
    }
}

fn answer(given: &GivenAnswer, page: &mut Page<'_>, look: &Look) {
    let (sign, style) = signed(given.right, look);
    let who = match given.subject {
        Subject::Base => "base".to_string(),
        Subject::InContext => "in sight".to_string(),
        Subject::Before => "before".to_string(),
        Subject::Candidate => "after".to_string(),
        Subject::Replay => given.generation.as_deref().map_or_else(|| "base".to_string(), one_line),
    };
    let said = one_line(&given.answer);
    let said = if said.is_empty() { "(nothing)".to_string() } else { said };
    page.words(&format!("{sign} {who}: {said}"), 4, &style);
}

/// The sign and the colour of right and wrong.
fn signed(right: bool, look: &Look) -> (&'static str, Style) {
    if right {
        (look.sign("✓", "+"), Style::new().green())
    } else {
        (look.sign("✗", "-"), Style::new().red())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_that_no_question_ranked_has_no_gain() {
        let trial = |gain, accuracy| TrialReport {
            name: "union of 8 5.3e-4".into(),
            rung: 0,
            gain,
            accuracy,
            loss: 0.12,
            tokens: 9000,
            seconds: 60.0,
            chosen: true,
        };
        assert_eq!(
            tried_words(&trial(f64::NAN, None)),
            "trained to its end (loss 0.12; all 8 texts together, learning rate 5.3e-4)"
        );
        assert_eq!(
            tried_words(&trial(0.0, None)),
            "right answers as probable (gain +0.00 nats, loss 0.12; all 8 texts together, learning rate 5.3e-4)"
        );
        assert_eq!(
            tried_words(&trial(1.0, Some(0.5))),
            "50 % right, right answers 2.7 times more probable (gain +1.00 nats, loss 0.12; all 8 texts together, learning rate 5.3e-4)"
        );
    }
}
