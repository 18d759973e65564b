//! What stands beneath an answer: who gave it, how sure, and where it likely comes from.

use console::Style;

use super::look::{Look, one_line};
use super::page::Page;
use super::words::{count, duration, percent};
use seald_core::domain::document::DocumentState;
use seald_core::protocol::{AskView, Source, Unlearned};

/// Mean ln p of a token from which an answer is sure, fairly sure, unsure; below it is a guess.
const SURE: [(f64, &str); 3] = [(-0.1, "sure"), (-0.4, "fairly sure"), (-1.0, "unsure")];

/// Who gave it, how sure, in what time.
pub fn who(view: &AskView) -> String {
    let AskView { model, tokens, seconds, .. } = view;
    let model = if model == "base" { "the base model".to_string() } else { one_line(model) };
    format!("{model}, {}, {} in {}", sure_words(view), count(*tokens, "token"), duration(*seconds))
}

/// The words beneath, dimmed.
pub fn beneath(view: &AskView, look: &Look) -> String {
    let sources = &view.sources;
    let dim = Style::new().dim();
    let mut page = Page::new(look);
    page.words(&who(view), 0, &dim);
    if !sources.is_empty() {
        let sources: Vec<_> = sources.iter().map(source_words).collect();
        page.words(&format!("likely from {}", sources.join("; ")), 0, &dim);
    }
    missing(view, &mut page);
    page.text()
}

/// `Harbour rules (harbour.md, number 3)`.
pub fn source_words(source: &Source) -> String {
    format!("{} ({}, number {})", one_line(&source.title), one_line(&source.name), source.document)
}

/// Documents that the question may be about and that nothing was learned from, a line each.
pub(crate) fn missing(view: &AskView, page: &mut Page<'_>) {
    for one in &view.unlearned {
        page.words(&unlearned_words(one), 0, &Style::new().yellow());
    }
}

/// `tidyscan README (README.md, number 3) was rejected (1 of 19 right): its content is not part of this answer`.
fn unlearned_words(one: &Unlearned) -> String {
    let Unlearned { source, state, asked, right } = one;
    let became = match state {
        DocumentState::Waiting => "waits to be learned",
        DocumentState::Learning => "is being learned",
        DocumentState::Rejected => "was rejected",
        DocumentState::Failed => "could not be learned",
        DocumentState::Learned => "is not in the model that answered",
    };
    // What a job under way has asked so far is no verdict.
    let judged = matches!(state, DocumentState::Rejected | DocumentState::Failed) && *asked > 0;
    let score = if judged { format!(" ({right} of {asked} right)") } else { String::new() };
    let not = match state {
        DocumentState::Waiting | DocumentState::Learning => "is not yet",
        _ => "is not",
    };
    format!("{} {became}{score}: its content {not} part of this answer", source_words(source))
}

/// What is said instead of a second answer where the base is the one that is live.
pub const NOTHING_LEARNED: &str = "nothing was learned yet: both answers would be the base's";

/// Answers of several, one beneath the other behind their names; that of the base once, where all are the base's.
pub fn beside(views: &[AskView], look: &Look) -> String {
    let mut page = Page::new(look);
    let of_base = views.len() > 1 && views.iter().all(|view| view.model == "base");
    for view in &views[..if of_base { 1 } else { views.len() }] {
        page.field(&one_line(&view.model), &one_line(&view.answer), &Style::new());
        page.field("", &sure_words(view), &Style::new().dim());
    }
    if of_base {
        page.words(NOTHING_LEARNED, 0, &Style::new().yellow());
    }
    for view in views {
        missing(view, &mut page);
    }
    page.text()
}

fn sure_words(view: &AskView) -> String {
    format!("{} ({} a token)", sure(view.mean_log_prob), percent(view.mean_log_prob.exp()))
}

fn sure(mean_log_prob: f64) -> &'static str {
    SURE.iter().find(|(from, _)| mean_log_prob >= *from).map_or("a guess", |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_minus_one_is_a_guess() {
        assert_eq!(
            [0.0, -0.1, -0.4, -1.0, -1.01].map(sure),
            ["sure", "sure", "fairly sure", "unsure", "a guess"]
        );
    }
}
