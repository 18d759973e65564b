//! Probes are written before any self-edit and apart from them: the model sets an exam on each passage, and only questions that the passage answers
//! are kept: nano answers them again with the passage in sight; for other models the passage must make the answer likelier than any rival.

use std::collections::BTreeMap;

use super::author::Author;
use super::exam::{self, Request};
use super::filter::grounded;
use super::grade;
use super::parse;
use super::prompt::{self, Fill, PromptSet};
use super::session::{Answered, Question, Session, Writing};
use super::study;
use seald_core::domain::probe::{ProbeSource, Role};
use seald_core::domain::progress::Task;
use seald_core::error::Result;
use seald_engine::lora::Adapter;

/// Most tokens of an exam.
const EXAM_TOKENS: usize = 512;
/// Temperature of every exam but the first, which is the most probable one.
const TEMPERATURE: f64 = 0.8;
/// Wordings of one fact that are kept, one for each role: no row may copy a probe, so every further one would take a good question from
/// the self-edits.
const WORDINGS: usize = 3;
/// Facts asked for, a passage.
const FACTS: usize = 24;
/// Facts of a passage that are asked for in questions, below which statements stand in: twice what the gate needs, for a bound over three differences
/// passes only what is large.
const MIN_FACTS: usize = 6;

/// A document as the model reads it.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// What names it in seeds: its hash.
    pub key: &'a str,
    /// Its title.
    pub title: &'a str,
    /// Its passages.
    pub passages: &'a [String],
}

/// A probe that is kept.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Kept {
    /// The passage that it was written from; none for a supplied one that no passage answers.
    pub passage: Option<usize>,
    /// Number of the fact within the document.
    pub fact: usize,
    /// The question.
    pub question: String,
    /// Accepted answers.
    pub answers: Vec<String>,
    /// What it is for.
    pub role: Role,
    /// Where it came from.
    pub source: ProbeSource,
    /// Asked of the base, without the passage.
    pub base: Answered,
    /// Asked of the live model, with the passage in sight.
    pub in_context: Answered,
    /// Asked of the live model, without it.
    pub before: Answered,
}

/// How the filters went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PassRates {
    /// Questions that the model wrote, each wording counted.
    pub written: usize,
    /// Of these: their answer stands in the passage.
    pub grounded: usize,
    /// Of these: asked afresh with the passage in sight, the base gave the same answer; of models other than nano: and the question points to it.
    pub agreed: usize,
    /// Of these: the model without the passage does not know it.
    pub needed: usize,
    /// Of these: kept, at most a few wordings of each fact.
    pub kept: usize,
}

/// One question on its way through the filters.
#[derive(Debug, Clone)]
struct Draft {
    passage: Option<usize>,
    question: String,
    answers: Vec<String>,
    decoys: Vec<String>,
    source: ProbeSource,
}

/// Writes, filters and sorts the probes of a document, and puts them to the base and the live model. Supplied probes are always kept; questions
/// that the live model answers without the document become preservation probes. The base sets the exams and checks them with the passage in sight:
/// what was learned may have cost the live adapter just that, and then every later document would go unexamined. The questions are `examiner`'s: the base's, or
/// another model's.
///
/// # Errors
/// From the engine.
pub fn make(
    session: &Session<'_>,
    document: Reading<'_>,
    supplied: &[(String, Vec<String>)],
    live: Option<&Adapter>,
    examiner: Author<'_>,
) -> Result<(Vec<Kept>, PassRates)> {
    let mut drafts: Vec<Draft> = supplied.iter().map(|(q, a)| supplied_draft(document, q, a)).collect();
    if session.prompts == PromptSet::Nano {
        drafts.iter_mut().for_each(|draft| draft.decoys.clear());
    }
    let (written, mut rates) = match session.prompts {
        PromptSet::Nano => {
            session.work.doing(Task::WriteQuestions, || write_exams(session, document, examiner))?
        }
        PromptSet::General => ask_for_answers(session, document, examiner)?,
    };
    drafts.extend(written);
    remove_repeated(&mut drafts);
    let without: Vec<Question<'_>> = drafts.iter().map(|d| question(d, None)).collect();
    let with: Vec<Question<'_>> = drafts.iter().map(|d| question(d, Some(document))).collect();
    let before = session.ask_as(Task::AnswerDocument, &without, live)?;
    let base = match live {
        Some(_) => session.ask_as(Task::AnswerDocument, &without, None)?,
        None => before.clone(),
    };
    let in_context = session.ask_as(Task::AnswerInSight, &with, None)?;
    let mut kept: Vec<Kept> = Vec::new();
    let answered = drafts.into_iter().zip(base).zip(in_context).zip(before);
    for (((draft, base), in_context), before) in answered {
        let generated = draft.source == ProbeSource::Generated;
        if generated && session.prompts == PromptSet::Nano {
            if !in_context.grade.right {
                continue;
            }
            rates.agreed += 1;
        }
        let known = generated && before.grade.right;
        rates.needed += usize::from(generated && !known);
        let Draft { passage, question, answers, decoys: _, source } = draft;
        let role = if known { Role::Preserve } else { Role::Gate };
        kept.push(Kept { passage, fact: 0, question, answers, role, source, base, in_context, before });
    }
    let kept = sort(kept, turns(session.prompts));
    rates.kept =
        kept.iter().filter(|k| k.source == ProbeSource::Generated && k.role != Role::Preserve).count();
    Ok((kept, rates))
}

fn question<'d>(draft: &'d Draft, document: Option<Reading<'d>>) -> Question<'d> {
    let passage = document.and_then(|d| {
        let passage = d.passages.get(draft.passage.unwrap_or(0))?;
        Some((d.title, passage.as_str()))
    });
    Question { text: &draft.question, answers: &draft.answers, passage, decoys: &draft.decoys }
}

/// Questions for answers that stand in the passages, several for each; kept are those whose answer the passage makes likelier than any rival, the
/// surest first. A fact with one such question gets a statement with the answer left out as its other wording; where too few facts are asked for,
/// statements stand in.
fn ask_for_answers(
    session: &Session<'_>,
    document: Reading<'_>,
    examiner: Author<'_>,
) -> Result<(Vec<Draft>, PassRates)> {
    let (facts, seed) = (study::facts(session, document)?, session.seed(document.key, "exam"));
    let request = Request { facts, samples: session.options.exams, seed };
    let write = || exam::questions(session, document, request, examiner);
    let (asked, written) = session.work.doing(Task::WriteQuestions, write)?;
    let grounded = asked.len();
    // One wording for each role; every further one would only take a good question from the self-edits.
    let check = || exam::supported(session, document, asked, turns(PromptSet::General).len());
    let sure = session.work.doing(Task::CheckQuestions, check)?;
    let rates = PassRates { written, grounded, agreed: sure.len(), ..PassRates::default() };
    let each = sure.iter().map(|one| generated(document, one.passage, &one.question, &one.span.text));
    let mut drafts: Vec<Draft> = each.collect();
    for (number, passage) in document.passages.iter().enumerate() {
        let mut spans = exam::answers(document.title, passage, facts);
        // What is surest to be a good answer first; what can be guessed from the rest, or only shows the use, last.
        let poor = |span: &exam::Span| {
            (exam::is_usage(passage, span), exam::said_elsewhere(document.title, passage, span))
        };
        spans.sort_by_cached_key(|span| (poor(span), span.kind, span.range.start));
        let questions =
            |text: &str| drafts.iter().filter(|d| d.passage == Some(number) && d.answers[0] == text).count();
        let counts: Vec<usize> = spans.iter().map(|span| questions(&span.text)).collect();
        let mut missing = MIN_FACTS.saturating_sub(counts.iter().filter(|count| **count > 0).count());
        for (span, count) in spans.iter().zip(counts) {
            let wanted = match count {
                0 if missing > 0 => 2,
                1 => 1,
                _ => continue,
            };
            let Some(statement) = exam::statement(document.title, passage, span) else { continue };
            missing -= usize::from(count == 0);
            let statements = statement.asked.iter().take(wanted);
            drafts.extend(statements.map(|statement| generated(document, number, statement, &span.text)));
        }
    }
    Ok((drafts, rates))
}

fn generated(document: Reading<'_>, passage: usize, question: &str, answer: &str) -> Draft {
    let answers = vec![answer.to_string()];
    let decoys = exam::decoys(question, &answers, &document.passages[passage]);
    Draft {
        passage: Some(passage),
        question: question.to_string(),
        answers,
        decoys,
        source: ProbeSource::Generated,
    }
}

/// A supplied probe belongs to the first passage that holds its answer.
fn supplied_draft(document: Reading<'_>, question: &str, answers: &[String]) -> Draft {
    let holds = |passage: &String| answers.iter().any(|answer| grounded(answer, passage));
    let passage = document.passages.iter().position(holds);
    let source = document.passages.get(passage.unwrap_or(0)).map_or("", String::as_str);
    Draft {
        passage,
        question: question.to_string(),
        answers: answers.to_vec(),
        decoys: exam::decoys(question, answers, source),
        source: ProbeSource::Supplied,
    }
}

/// Lets the examiner set exams; keeps what the passage grounds.
fn write_exams(
    session: &Session<'_>,
    document: Reading<'_>,
    examiner: Author<'_>,
) -> Result<(Vec<Draft>, PassRates)> {
    let prompts: Vec<String> = document
        .passages
        .iter()
        .map(|passage| prompt::PROBES.fill(Fill { title: document.title, passage, ..Fill::default() }))
        .collect();
    let (mut drafts, mut rates) = (Vec::new(), PassRates::default());
    for exam in 0..session.options.exams {
        let temperature = if exam == 0 { 0.0 } else { TEMPERATURE };
        let seed = session.seed(document.key, &format!("exam {exam}"));
        let writing =
            Writing { max_tokens: EXAM_TOKENS.min(session.context() / 2), temperature, top_p: None, seed };
        for (passage, text) in examiner.write(session, &prompts, writing)?.iter().enumerate() {
            for fact in parse::probes(text) {
                rates.written += fact.questions.len();
                if !grounded(&fact.answer, &document.passages[passage]) {
                    continue;
                }
                rates.grounded += fact.questions.len();
                drafts.extend(fact.questions.into_iter().map(|question| Draft {
                    passage: Some(passage),
                    question,
                    answers: vec![fact.answer.clone()],
                    decoys: Vec::new(),
                    source: ProbeSource::Generated,
                }));
            }
        }
    }
    Ok((drafts, rates))
}

/// The roles that the wordings of a fact take: the first judges. nano's trials are ranked by the second; other models rank none, so that every fact is
/// asked again later.
fn turns(prompts: PromptSet) -> &'static [Role] {
    match prompts {
        PromptSet::Nano => &[Role::Gate, Role::Select, Role::Retain],
        PromptSet::General => &[Role::Gate, Role::Retain],
    }
}

/// The same question twice is one question; the first stays.
fn remove_repeated(drafts: &mut Vec<Draft>) {
    let mut seen = std::collections::HashSet::new();
    drafts.retain(|d| seen.insert(normal(&d.question)));
}

fn normal(text: &str) -> String {
    grade::words(text).into_iter().map(|word| word.text).collect::<Vec<_>>().join(" ")
}

/// Gives every question its fact (questions of one passage with the same answer ask for the same one) and its role. The wordings of a fact take
/// the roles by `turns`, those that people supplied first. Where a fact has one wording, facts take them by turns.
fn sort(kept: Vec<Kept>, turns: &[Role]) -> Vec<Kept> {
    let mut facts: BTreeMap<(Option<usize>, String), usize> = BTreeMap::new();
    let mut wordings: Vec<Vec<Kept>> = Vec::new();
    let (mut out, mut of_passage) = (Vec::new(), BTreeMap::<Option<usize>, usize>::new());
    for mut probe in kept {
        let key = (probe.passage, normal(&probe.answers[0]));
        let fact = match facts.get(&key) {
            Some(fact) => *fact,
            None => {
                let count = of_passage.entry(probe.passage).or_default();
                if *count == FACTS && probe.source == ProbeSource::Generated {
                    continue;
                }
                *count += 1;
                wordings.push(Vec::new());
                facts.insert(key, wordings.len() - 1);
                wordings.len() - 1
            }
        };
        probe.fact = fact;
        match probe.role {
            Role::Preserve => out.push(probe),
            _ if wordings[fact].len() < WORDINGS || probe.source == ProbeSource::Supplied => {
                wordings[fact].push(probe);
            }
            _ => {}
        }
    }
    for (fact, probes) in wordings.into_iter().enumerate() {
        let shift = if probes.len() < 2 { fact } else { 0 };
        for (place, mut probe) in probes.into_iter().enumerate() {
            probe.role = turns[(place + shift) % turns.len()];
            out.push(probe);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grade::Grade;

    fn kept(question: &str, answer: &str, source: ProbeSource, role: Role) -> Kept {
        let answered =
            Answered { text: String::new(), grade: Grade::default(), log_prob: -1.0, margin: None };
        let (base, in_context, before) = (answered.clone(), answered.clone(), answered);
        let (question, answers) = (question.to_string(), vec![answer.to_string()]);
        Kept { passage: Some(0), fact: 0, question, answers, role, source, base, in_context, before }
    }

    #[test]
    fn wordings_of_a_fact_have_different_roles() {
        use ProbeSource::{Generated, Supplied};
        let gate = Role::Gate;
        let sorted = sort(
            vec![
                kept("Who founded X?", "Ann Lee", Supplied, gate),
                kept("When did X open?", "1901", Generated, gate),
                kept("Name the founder of X.", "ann lee", Generated, gate),
                kept("Who set X up?", "Ann Lee", Generated, gate),
                kept("Where is X?", "Rome", Generated, Role::Preserve),
                kept("What does X make?", "nets", Generated, gate),
            ],
            turns(PromptSet::Nano),
        );
        let of = |question: &str| {
            let probe = sorted.iter().find(|p| p.question == question).unwrap();
            (probe.fact, probe.role)
        };
        assert_eq!(of("Who founded X?"), (0, Role::Gate));
        assert_eq!(of("Name the founder of X."), (0, Role::Select));
        assert_eq!(of("Who set X up?"), (0, Role::Retain));
        assert_eq!(of("Where is X?").1, Role::Preserve);
        assert_eq!(of("When did X open?"), (1, Role::Select));
        assert_eq!(of("What does X make?"), (3, Role::Gate));
    }
}
