//! What stands beneath an answer: who gave it, how sure, and where it likely comes from.

use console::Style;

use super::look::{Look, one_line};
use super::page::Page;
use super::words::{count, duration};
use crate::protocol::AskView;

/// Mean ln p of a token from which an answer is sure, fairly sure, unsure; below it is a guess.
const SURE: [(f64, &str); 3] = [(-0.1, "sure"), (-0.4, "fairly sure"), (-1.0, "unsure")];

/// The words beneath, dimmed.
pub fn beneath(view: &AskView, look: &Look) -> String {
    let AskView { model, tokens, mean_log_prob, sources, seconds, .. } = view;
    let dim = Style::new().dim();
    let mut page = Page::new(look);
    let model = if model == "base" { "the base model".to_string() } else { one_line(model) };
    let words = format!(
        "{model}, {} ({mean_log_prob:.2} nats a token), {} in {}",
        sure(*mean_log_prob),
        count(*tokens, "token"),
        duration(*seconds)
    );
    page.words(&words, 0, &dim);
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
