//! What stands beneath an answer: who gave it, how sure, and where it likely comes from.

use console::Style;

use super::look::{Look, one_line};
use super::page::Page;
use super::words::{count, duration, percent};
use seald_core::protocol::AskView;

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
        let sources: Vec<_> = sources
            .iter()
            .map(|source| {
                format!(
                    "{} ({}, number {})",
                    one_line(&source.title),
                    one_line(&source.name),
                    source.document
                )
            })
            .collect();
        page.words(&format!("likely from {}", sources.join("; ")), 0, &dim);
    }
    page.text()
}

/// Answers of several, one beneath the other behind their names.
pub fn beside(views: &[AskView], look: &Look) -> String {
    let mut page = Page::new(look);
    for view in views {
        page.field(&one_line(&view.model), &one_line(&view.answer), &Style::new());
        page.field("", &sure_words(view), &Style::new().dim());
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
