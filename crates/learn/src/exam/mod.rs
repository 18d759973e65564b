//! Exams for models that were not taught our prompts: the answer first, by rule, then questions for it as a few-shot completion,
//! several sampled, and of these only what the passage makes likely.
//!
//! One form for base and instruct models: a text that goes on. Of the forms tried on the weakest models, this is the one that they
//! keep (`docs/decisions/0020`).

mod calendar;
mod decoys;
mod form;
mod function_words;
mod headings;
mod pointing;
mod proposed;
mod quantities;
mod spans;
mod statement;
mod tokens;
mod usage;
mod worked;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::author::Author;
use crate::grade::words;
use crate::probes::Reading;
use crate::session::{Session, Writing};
use seald_core::error::Result;
use seald_core::sentences;

pub use decoys::{DECOYS, MARGIN_LIMIT, decoys, margin};
use form::fit;
pub(crate) use form::without_subject;
pub(crate) use function_words::function_word;
pub(crate) use headings::{is_heading, path};
pub use pointing::{Table, choose, supported, tables};
pub(crate) use spans::MAX_WORDS;
pub use spans::{Kind, Span, kind_of, spans};
pub use statement::{is_cloze, said_elsewhere, statement};
pub(crate) use usage::is_usage;
use worked::{WORKED, Worked};

/// Temperature of questions: SPA samples at 1 (2603.22213), the weakest models hold the form at less.
const TEMPERATURE: f64 = 0.7;
/// Only the most probable tokens that make up so much, as SEAL's generation does.
pub const TOP_P: f64 = 0.95;
/// Longest question, tokens.
const QUESTION_TOKENS: usize = 40;
/// A passage that offers fewer answers than these is asked for parts of its examples of use, too.
const FEW: usize = 6;
/// Examples that stand before each request.
const SHOTS: usize = 2;

/// What is said before the examples.
const FORM: &str = "Questions about short texts. Each question names what it is about, so that it can be understood without the text, \
                    and is answered by the words given.\n\n";

/// A question with its answer, found in a passage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Number of the passage.
    pub passage: usize,
    /// The answer and where it stands.
    pub span: Span,
    /// The question.
    pub question: String,
}

/// What was asked for, and how much of it.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// Answers for which questions are asked, for each passage at most; spread over its sentences.
    pub facts: usize,
    /// Questions sampled for each answer.
    pub samples: usize,
    /// Where the random numbers and the choice of examples come from.
    pub seed: u64,
}

/// What was written after the request for a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// Number of the passage.
    pub passage: usize,
    /// The answer that was asked about.
    pub span: Span,
    /// Which sample of it, from 0; it decides which examples were shown.
    pub sample: usize,
    /// The text.
    pub text: String,
}

/// Questions about the passages of a document, in the form that was asked for and each once; and how many came in all.
///
/// # Errors
/// From the engine.
pub fn questions(
    session: &Session<'_>,
    document: Reading<'_>,
    request: Request,
    author: Author<'_>,
) -> Result<(Vec<Asked>, usize)> {
    let completions = completions(session, document, request, author)?;
    Ok((sort_out(document, request.seed, &completions), completions.len()))
}

/// What the author writes where questions about the passages of a document are asked for.
///
/// # Errors
/// From the engine.
pub fn completions(
    session: &Session<'_>,
    document: Reading<'_>,
    request: Request,
    author: Author<'_>,
) -> Result<Vec<Completion>> {
    let mut wanted: Vec<(usize, Span)> = Vec::new();
    let mut proposed = proposed::proposed(session, document, request.seed, author)?.into_iter();
    for (number, passage) in document.passages.iter().enumerate() {
        let answers = answers(document.title, passage, request.facts);
        let mut proposed = without_title(document.title, proposed.next().unwrap_or_default());
        proposed.retain(|span| !is_usage(passage, span));
        wanted.extend(
            proposed::beside(answers, proposed, request.facts).into_iter().map(|span| (number, span)),
        );
    }
    let mut found = Vec::new();
    for sample in 0..request.samples {
        let examples = examples(request.seed.wrapping_add(sample as u64));
        let prompts: Vec<String> = wanted
            .iter()
            .map(|(number, span)| prompt(document.title, &document.passages[*number], span, &examples))
            .collect();
        let seed = request.seed.wrapping_add((sample as u64) << 32);
        let writing =
            Writing { max_tokens: QUESTION_TOKENS, temperature: TEMPERATURE, top_p: Some(TOP_P), seed };
        let texts = author.complete(session, &prompts, writing, &["\n"])?;
        found.extend(wanted.iter().zip(texts).map(|((passage, span), text)| Completion {
            passage: *passage,
            span: span.clone(),
            sample,
            text,
        }));
    }
    Ok(found)
}

/// The questions among completions that were asked for with this seed: those in form, each once.
pub fn sort_out(document: Reading<'_>, seed: u64, completions: &[Completion]) -> Vec<Asked> {
    let mut seen = HashSet::new();
    let question = |Completion { passage, span, sample, text }: &Completion| {
        let examples = examples(seed.wrapping_add(*sample as u64));
        let question = fit(text, span, document.title, &document.passages[*passage], &examples)?;
        let new = seen.insert((normal(&question), normal(&span.text)));
        new.then(|| Asked { passage: *passage, span: span.clone(), question })
    };
    completions.iter().filter_map(question).collect()
}

/// Up to `most` answers that a passage offers, spread over its sentences. What the title says is none: every question says it. Parts of examples of use are taken only where
/// there are few others.
pub fn answers(title: &str, passage: &str, most: usize) -> Vec<Span> {
    let (usage, said): (Vec<Span>, Vec<Span>) =
        without_title(title, spans(passage)).into_iter().partition(|span| is_usage(passage, span));
    let mut found = spread(said, most);
    found.extend(spread(usage, FEW.min(most).saturating_sub(found.len())));
    found.sort_by_key(|span| span.range.start);
    found
}

fn without_title(title: &str, mut spans: Vec<Span>) -> Vec<Span> {
    let titled = content(title);
    spans.retain(|span| !content(&span.text).is_subset(&titled));
    spans
}

/// Up to `most` spans, taken by turns from the sentences so that none is asked about only at its beginning; in the passage's order.
fn spread(spans: Vec<Span>, most: usize) -> Vec<Span> {
    let sentences = spans.iter().map(|span| span.sentence + 1).max().unwrap_or(0);
    let mut by_sentence: Vec<Vec<Span>> = vec![Vec::new(); sentences];
    for span in spans {
        by_sentence[span.sentence].push(span);
    }
    // Within a sentence: what is surest to be a good answer first.
    by_sentence.iter_mut().for_each(|spans| spans.sort_by_key(|span| (span.kind, span.range.start)));
    let mut found = Vec::new();
    let deepest = by_sentence.iter().map(Vec::len).max().unwrap_or(0);
    for depth in 0..deepest {
        found.extend(by_sentence.iter().filter_map(|spans| spans.get(depth)).cloned());
    }
    found.truncate(most);
    found.sort_by_key(|span| span.range.start);
    found
}

/// [`SHOTS`] of the examples, in an order of the seed's.
fn examples(seed: u64) -> Vec<(&'static Worked, usize)> {
    let count = WORKED.len() as u64;
    let first = seed % count;
    let step = 1 + (seed / count) % (count - 1);
    let pick = |shot: u64| {
        let place = ((first + shot * step) % count) as usize;
        (&WORKED[place], (seed / 7 + shot) as usize)
    };
    (0..SHOTS as u64).map(pick).collect()
}

fn prompt(title: &str, passage: &str, span: &Span, examples: &[(&Worked, usize)]) -> String {
    let mut text = FORM.to_string();
    for (worked, turn) in examples {
        text.push_str(&format!("Text: {}: {}\n", worked.title, worked.text));
        for pair in 0..2 {
            let (answer, question) = worked.pairs[(turn + pair) % worked.pairs.len()];
            text.push_str(&format!("Answer: {answer}\nQuestion: {question}\n"));
        }
        text.push('\n');
    }
    let place = path(title, passage, span.range.start);
    text.push_str(&format!("Text: {place}: {}\nAnswer: {}\nQuestion:", around(passage, span), span.text));
    text
}

/// The span's sentence with the one before it, on one line.
pub(crate) fn around(passage: &str, span: &Span) -> String {
    let ranges = sentences::ranges(passage);
    let (Some(own), first) = (ranges.get(span.sentence), span.sentence.saturating_sub(1)) else {
        return passage.to_string();
    };
    let text = &passage[ranges[first].start..own.end];
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Questions of the worked examples, each with the title and the text that answer it, the texts by turns.
pub(crate) fn worked_questions() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let most = WORKED.iter().map(|worked| worked.pairs.len()).max().unwrap_or(0);
    (0..most).flat_map(|turn| {
        WORKED.iter().filter_map(move |worked| {
            worked.pairs.get(turn).map(|(_, question)| (worked.title, worked.text, *question))
        })
    })
}

fn normal(text: &str) -> String {
    words(text).into_iter().map(|word| word.text).collect::<Vec<_>>().join(" ")
}

/// Whether an answer has a word that its question does not have; a yes or no, which may be all function words, has.
pub(super) fn says_more(question: &str, answer: &str) -> bool {
    let asked: HashSet<String> = words(question).into_iter().map(|word| word.text).collect();
    words(answer).into_iter().any(|word| !asked.contains(&word.text))
}

/// Words of a text that matter, in the form in which answers are graded.
fn content(text: &str) -> HashSet<String> {
    words(text).into_iter().map(|word| word.text).filter(|word| !function_word(word)).collect()
}

#[cfg(test)]
mod tests {
    use super::form::names_subject;
    use super::*;

    const PASSAGE: &str = "The ferry Halden carries 120 cars. It was built in Port Ellis in 1988. Its captain is Mara Lunde, who lives on the outer islands.";

    fn span(text: &str) -> Span {
        spans(PASSAGE)
            .into_iter()
            .find(|span| span.text == text)
            .unwrap_or_else(|| panic!("{text} is no span"))
    }

    #[test]
    fn what_an_example_says_is_not_asked_of_a_document() {
        for seed in 0..40 {
            let examples = examples(seed);
            assert_eq!(examples.len(), SHOTS);
            assert_ne!(examples[0].0.title, examples[1].0.title);
            for (worked, _) in &examples {
                for (_, question) in worked.pairs {
                    assert_eq!(
                        fit(question, &span("Port Ellis"), "The ferry Halden", PASSAGE, &examples),
                        None,
                        "{question}"
                    );
                }
            }
        }
    }

    #[test]
    fn answers_are_spread_over_the_passage() {
        let few = spread(spans(PASSAGE), 3);
        let sentences: Vec<usize> = few.iter().map(|span| span.sentence).collect();
        assert_eq!(sentences, [0, 1, 2]);
    }

    #[test]
    fn worked_examples_are_what_they_ask_for() {
        for worked in WORKED {
            for (answer, question) in worked.pairs {
                assert!(worked.text.contains(answer), "{answer} in {}", worked.title);
                assert!(!question.contains(answer), "{question}");
                assert!(names_subject(question, worked.title, worked.text), "{question}");
            }
        }
    }
}
