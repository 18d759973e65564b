//! The form of a question: what of a completion counts as one.

use super::function_words::function_word;
use super::headings::without_path;
use super::spans::{Kind, Span, spans};
use super::statement::is_denied;
use super::worked::{Worked, example};
use super::{content, normal};
use crate::filter::borrowed;
use crate::grade::{denies, words};

/// Fewest and most words of a question.
const QUESTION_WORDS: std::ops::RangeInclusive<usize> = 4..=30;

/// A question in its form, or none: one question, not too long, that does not hold its answer, took nothing from the examples, and denies where the passage denies the answer:
/// of `There is no version for Windows`, "For which system is there a version?" is no question for Windows. One that does not name what the document is about is told it.
pub(super) fn fit(
    text: &str,
    span: &Span,
    title: &str,
    passage: &str,
    examples: &[(&Worked, usize)],
) -> Option<String> {
    let line = text.trim().lines().next()?.trim();
    let end = line.find(['?', '？'])?;
    let question = line[..end + line[end..].chars().next()?.len_utf8()].trim();
    let question = without_path(question, title, passage, span.range.start)?;
    let asked = words(&question);
    let holds = |of: &str| {
        let content = content(of);
        !content.is_empty() && content.iter().all(|word| asked.iter().any(|w| w.text == *word))
    };
    let examples = examples.iter().filter_map(|(worked, _)| example(worked));
    if !QUESTION_WORDS.contains(&asked.len())
        || holds(&span.text)
        || borrowed(&question, title, passage, examples).is_some()
        || (is_denied(passage, span) && !denies(&question))
    {
        return None;
    }
    Some(match names_subject(&question, title, passage) {
        true => question,
        false => format!("{}{question}", subject(title)),
    })
}

/// Says what a question is about that does not say so itself.
fn subject(title: &str) -> String {
    format!("In \"{title}\": ")
}

/// A question without the title that was put before it: what it has in common with every other question about its document.
pub(crate) fn without_subject<'q>(question: &'q str, title: &str) -> &'q str {
    question.strip_prefix(&subject(title)).unwrap_or(question)
}

/// Whether a question says what it is about: a longer word of the title, or a name, number or identifier of the passage. A pronoun without
/// either, or `the deadline`, is clear only to who has the passage before their eyes.
pub(crate) fn names_subject(question: &str, title: &str, passage: &str) -> bool {
    let asked = words(question);
    let titled = words(title).into_iter().filter(|w| w.text.chars().count() >= 4 && !function_word(&w.text));
    if titled.into_iter().any(|w| asked.iter().any(|a| a.text == w.text)) {
        return true;
    }
    // The question's own capitals but the first, and the passage's spans that it holds.
    let normal_question = format!(" {} ", normal(question));
    spans(passage)
        .iter()
        .filter(|span| matches!(span.kind, Kind::Name | Kind::Code))
        .any(|span| normal_question.contains(&format!(" {} ", normal(&span.text))))
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;

    const PASSAGE: &str = "The ferry Halden carries 120 cars. It was built in Port Ellis in 1988. There is no bridge to the outer islands.\n\
                           ## Contact\nWrite to Mara Lunde, Quay Street.\n";

    fn span(text: &str) -> Span {
        let found = spans(PASSAGE).into_iter().find(|span| span.text == text);
        found.unwrap_or_else(|| panic!("{text} is no span"))
    }

    fn fitted(text: &str, answer: &str) -> Option<String> {
        fit(text, &span(answer), "The ferry Halden", PASSAGE, &examples(3))
    }

    #[test]
    fn questions_are_taken_only_in_their_form() {
        let good = "Where was the ferry Halden built?";
        assert_eq!(fitted(&format!(" {good}\nAnswer: Oslo"), "Port Ellis").as_deref(), Some(good));
        assert_eq!(
            fitted("Where was it built in 1988?", "Port Ellis").as_deref(),
            Some("In \"The ferry Halden\": Where was it built in 1988?")
        );
        for bad in [
            "Port Ellis",
            "What?",
            "Was the ferry Halden built in Port Ellis?",
            "",
            "The ferry was built there.",
        ] {
            assert_eq!(fitted(bad, "Port Ellis"), None, "{bad}");
        }
    }

    #[test]
    fn what_an_example_is_about_is_not_asked_of_a_document() {
        for seed in 0..40 {
            for (worked, _) in examples(seed) {
                let question = match worked.title {
                    "quillsync" => "Which ferry copies notes between two folders?",
                    "Tarn 400 coffee grinder" => "Which part of the ferry must not go into the dishwasher?",
                    "Lindow Lighthouse" => "Which engineer built the ferry Halden?",
                    _ => continue,
                };
                let got = fit(question, &span("Port Ellis"), "The ferry Halden", PASSAGE, &[(worked, 0)]);
                assert_eq!(got, None, "{question}");
                let free = fit(question, &span("Port Ellis"), "The ferry Halden", PASSAGE, &[]);
                assert!(free.is_some(), "{question}");
            }
        }
    }

    #[test]
    fn a_path_of_headings_is_no_part_of_a_question() {
        let of = |text: &str| fitted(text, "Quay Street");
        assert_eq!(
            of("What is the address in The ferry Halden > Contact?").as_deref(),
            Some("What is the address in The ferry Halden?")
        );
        assert_eq!(of("What is the address in Ferry > Contact?"), None);
    }

    #[test]
    fn what_the_passage_denies_is_asked_for_by_a_question_that_denies_too() {
        let of = |text: &str| fitted(text, "outer islands");
        assert_eq!(of("Where does the ferry Halden have a bridge to?"), None);
        let denies = "Where is no bridge beside the ferry Halden?";
        assert_eq!(of(denies).as_deref(), Some(denies));
    }
}
