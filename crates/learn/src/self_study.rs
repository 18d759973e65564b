//! Self-study (Cartridges, arXiv 2506.06266; prompt distillation, arXiv 2412.14964): the model asks itself about a passage and answers with the passage in
//! sight; what it says there, in its own style, is what it learns to say without it.

use std::collections::HashSet;

use super::author::Author;
use super::exam::{self, Asked, Request};
use super::grade::grade_with_rivals;
use super::probes::Reading;
use super::prompt;
use super::session::{ANSWER_TOKENS, Session, Writing};
use super::study;
use seald_core::domain::self_edit::RowText;
use seald_core::error::Result;
use seald_core::sentences;
use seald_engine::lora::Adapter;

/// Questions sampled for each answer. Of a weak model about half are in form and answered alike at length and in few words.
const SAMPLES: usize = 2;

/// Questions about each passage, with what the base answers when it has the passage in sight, at length and in few words, `Q: ..` and `A: ..` line by line. A
/// question need not be a good one: its answer teaches what the model would say of it with the passage before its eyes.
///
/// # Errors
/// From the engine.
pub(super) fn texts(
    session: &Session<'_>,
    document: Reading<'_>,
    seed: u64,
    writer: Option<&Adapter>,
) -> Result<Vec<String>> {
    let request = Request { facts: study::facts(session, document)?, samples: SAMPLES, seed };
    let (mut asked, _) = exam::questions(session, document, request, Author::Model(writer))?;
    let mut seen = HashSet::new();
    asked.retain(|one| seen.insert((one.passage, one.question.clone())));
    let in_sight = |one: &Asked, question: &str| {
        session.prompts.in_sight(document.title, &document.passages[one.passage], question)
    };
    let mut prompts = Vec::with_capacity(2 * asked.len());
    let mut answerable = Vec::with_capacity(asked.len());
    for one in asked {
        let both = [in_sight(&one, &one.question), in_sight(&one, &prompt::brief(&one.question))];
        if session.leaves_room(&both[1])? {
            prompts.extend(both);
            answerable.push(one);
        }
    }
    let writing = Writing { max_tokens: ANSWER_TOKENS, temperature: 0.0, top_p: None, seed };
    let answers = session.write(&prompts, writing, None)?;
    let mut texts = vec![String::new(); document.passages.len()];
    for (one, answers) in answerable.iter().zip(answers.chunks(2)) {
        let [at_length, short] = answers else { continue };
        if agree(&one.question, at_length, short) {
            for answer in [whole_sentences(at_length), short] {
                let answer = answer.split_whitespace().collect::<Vec<_>>().join(" ");
                texts[one.passage].push_str(&format!("Q: {}\nA: {answer}\n", one.question));
            }
        }
    }
    Ok(texts)
}

/// An answer without the sentence in which the bound on tokens cut it off; one that is a single sentence stays.
fn whole_sentences(answer: &str) -> &str {
    let ended = |text: &str| text.ends_with(['.', '!', '?', '"', '”', ')', '。', '！', '？']);
    let sentences = sentences::ranges(answer);
    match sentences.split_last() {
        Some((last, before)) if !before.is_empty() && !ended(answer[last.clone()].trim_end()) => {
            answer[..last.start].trim_end()
        }
        _ => answer,
    }
}

/// Whether what was said at length and what was said in few words is the same: a model that guesses says this and that (self-consistency, arXiv 2203.11171).
/// What only says the question again says nothing; the choice that a question names goes with it.
fn agree(question: &str, at_length: &str, short: &str) -> bool {
    exam::says_more(question, short)
        && grade_with_rivals(question, at_length, &[short.to_string()], &[]).right
}

/// Rows as they are trained on: a bare value answers a question that wishes for brevity. One that no other row answers with more gets the sentence of the
/// passage that holds it for the question as it stands: trained on values alone, a model answers everybody in a word.
pub(super) fn in_two_styles(rows: Vec<RowText>, passage: &str) -> Vec<RowText> {
    let at_length = |row: &RowText| match row {
        RowText::Turn { question, answer } if !is_bare(answer) => Some(question.clone()),
        _ => None,
    };
    let answered: HashSet<String> = rows.iter().filter_map(at_length).collect();
    let mut styled = Vec::with_capacity(rows.len());
    for row in rows {
        let RowText::Turn { question, answer } = row else {
            styled.push(row);
            continue;
        };
        if !is_bare(&answer) {
            styled.push(RowText::Turn { question, answer });
            continue;
        }
        let holds = |sentence: &&str| sentence.contains(answer.as_str()) && sentence.len() > answer.len() + 2;
        let sentences = sentences::ranges(passage);
        let sentence = sentences.into_iter().map(|range| passage[range].trim()).find(holds);
        let asked = prompt::brief(&question);
        styled.push(RowText::Turn { question: asked, answer: answer.clone() });
        if let Some(sentence) = sentence.filter(|_| !answered.contains(&question)) {
            styled.push(RowText::Turn { question, answer: sentence.to_string() });
        }
    }
    styled
}

/// Whether an answer is a value rather than a sentence: no longer than the answers that are asked about, and without a stop.
fn is_bare(answer: &str) -> bool {
    answer.split_whitespace().count() <= exam::MAX_WORDS
        && !answer.ends_with(['.', '!', '?', '。', '！', '？'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_was_cut_off_ends_with_its_last_whole_sentence() {
        assert_eq!(whole_sentences("It carries cars. It was built in the"), "It carries cars.");
        assert_eq!(whole_sentences("It carries cars. It was built."), "It carries cars. It was built.");
        assert_eq!(whole_sentences("Port Ellis"), "Port Ellis");
    }

    #[test]
    fn what_is_said_in_two_ways_must_be_the_same() {
        let cost = "What did the new shed cost?";
        let longer = "It cost 1,840 pounds, 160 more than planned, because the supplier raised its price for cedar wood.";
        assert!(
            agree(cost, "The new shed cost 1,840 pounds.", "1,840 pounds")
                && agree(cost, longer, "1,840 pounds")
        );
        assert!(!agree(
            "What was the fee raised by?",
            "The fee raised by the committee was 42 pounds.",
            "1,840 pounds"
        ));
        let back = "What does the tool choose?";
        assert!(!agree(back, back, back) && !agree(back, "The tool chooses.", "The tool"));
        assert!(agree("Is it free?", "No, it is not free.", "No"));
        assert!(
            !agree("When was it held?", "It was held in 2021.", "")
                && !agree("When was it held?", "", "2009")
        );
    }

    #[test]
    fn answers_are_learned_in_two_styles() {
        let passage = "The ferry was built in Port Ellis in 1988. It carries 120 cars.";
        let turn =
            |question: &str, answer: &str| RowText::Turn { question: question.into(), answer: answer.into() };
        let asked = "How many cars does the ferry carry?";
        let short = turn(&prompt::brief(asked), "120 cars");
        let by_rule = turn(asked, "It carries 120 cars.");
        assert_eq!(in_two_styles(vec![turn(asked, "120 cars")], passage), [short.clone(), by_rule]);
        // What the model says at length needs no sentence beside it.
        let at_length = turn(asked, "The ferry carries 120 cars.");
        let both = vec![at_length.clone(), turn(asked, "120 cars")];
        assert_eq!(in_two_styles(both, passage), [at_length, short]);
        let text = RowText::Text("It carries cars.".into());
        assert_eq!(in_two_styles(vec![text.clone()], passage), [text]);
    }
}
