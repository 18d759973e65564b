//! What is behind an answer, for a person.

use console::Style;

use super::answer;
use super::edits::row_words;
use super::look::{Look, one_line};
use super::page::Page;
use super::words::probable_words;
use seald_core::protocol::{WhyDocument, WhyView};

/// The answer and what taught it.
pub fn render(view: &WhyView, look: &Look) -> String {
    let WhyView { answer: said, known, base, documents } = view;
    let (bold, dim) = (Style::new().bold(), Style::new().dim());
    let mut page = Page::new(look);
    page.words(&one_line(&said.answer), 0, &bold);
    page.words(&answer::who(said), 0, &dim);
    if let (Some(known), Some(base)) = (known, base)
        && known.model != base.model
    {
        let words =
            format!("The base model finds this answer {}.", probable_words(base.log_prob - known.log_prob));
        page.words(&words, 0, &dim);
    }
    if documents.is_empty() {
        page.blank();
        let why = if said.model == "base" {
            "The base model answered: nothing that was learned is behind it."
        } else {
            "No learned document shares words with it: the model may be guessing."
        };
        page.words(why, 0, &Style::new());
    }
    if !said.unlearned.is_empty() {
        page.blank();
        answer::missing(said, &mut page);
    }
    for document in documents {
        page.blank();
        one(document, &mut page, look);
    }
    page.text()
}

fn one(document: &WhyDocument, page: &mut Page<'_>, look: &Look) {
    let WhyDocument { source, learned_in, share, quotes, rows, probes } = document;
    let (plain, dim) = (Style::new(), Style::new().dim());
    page.words(&answer::source_words(source), 0, &Style::new().bold());
    if let Some(generation) = learned_in {
        let did = match share {
            Some(share) => format!(
                "; before it the answer was {}",
                probable_words(share.before.log_prob - share.after.log_prob)
            ),
            None => "; what that did cannot be weighed any more: files of that time are gone".to_string(),
        };
        page.words(&format!("learned in {}{did}", one_line(generation)), 0, &dim);
    }
    for quote in quotes {
        let (open, close) = (look.sign("“", "\""), look.sign("”", "\""));
        page.field("It says", &format!("{open}{}{close}", one_line(quote)), &plain);
    }
    for row in rows {
        let format = row.format.as_str().replace('_', " ");
        page.field("Studied", &format!("{} ({format})", row_words(&row.row, look)), &plain);
    }
    for probe in probes {
        let (mark, style) = match probe.right {
            Some(true) => (look.sign("✓", "right"), Style::new().green()),
            Some(false) => (look.sign("✗", "wrong"), Style::new().red()),
            None => ("not asked since", dim.clone()),
        };
        let words = format!(
            "{} {} {} {mark}",
            one_line(&probe.question),
            look.sign("→", "->"),
            one_line(&probe.answers.join(" / "))
        );
        page.field("Asked", &words, &style);
    }
}
