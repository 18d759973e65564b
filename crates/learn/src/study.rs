//! Study texts from models that were not taught our prompts: each form is asked for by a text that goes on after a worked example and a cue.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::exam::{self, TOP_P};
use super::filter::{self, Example};
use super::probes::Reading;
use super::prompt;
use super::self_study;
use super::session::{Session, Writing};
use seald_core::domain::self_edit::{Format, RowText};
use seald_core::error::Result;
use seald_core::sentences;
use seald_engine::lora::Adapter;

/// Temperature of study texts: SEAL's and SPA's. At .7 Qwen2.5-Coder-0.5B copied three of seven texts from the passage; what leaves it at 1 is left out
/// ([`super::evidence`]).
const TEMPERATURE: f64 = 1.0;
/// A study text has at most this many tokens for each of its passage, and [`MIN_TOKENS`]: SEAL's self-edits have 2.5 (406 of 160).
const TOKENS_A_TOKEN: usize = 2;
/// See [`TOKENS_A_TOKEN`].
const MIN_TOKENS: usize = 96;
/// Answers that questions are asked for, one for so many tokens of a passage: SQuAD's annotators found 5 in 130 words, we ask for twice as many.
const TOKENS_A_FACT: usize = 16;

/// What an example's form looks like.
struct Form {
    /// Ends the request and begins the text.
    cue: &'static str,
    /// The text, for each of [`EXAMPLES`].
    texts: [&'static str; 2],
}

/// The texts that the worked examples are about; invented.
const EXAMPLES: [(&str, &str); 2] = [
    (
        "Lindow Lighthouse",
        "The lighthouse was built in 1874 by the engineer Ruth Calder, after two ships had been lost on the reef in one winter. It stands 31 metres \
         tall on black basalt. Its lamp burned whale oil until 1902, when a generator was brought over from Port Ellis.",
    ),
    (
        "Tarn 400 coffee grinder",
        "Clean the burrs every two weeks with a dry brush. Never put the hopper into the dishwasher, because its seal melts at 70 degrees. If the motor \
         stops, wait ten minutes: a switch protects it from overheating. Spare seals are sold by Hobbs & Lane.",
    ),
];

fn form(format: Format) -> Form {
    let (cue, texts) = match format {
        Format::Implications => (
            "What follows from the text, one statement a line:\n-",
            [
                " Ruth Calder was the engineer of Lindow Lighthouse.\n- Before Lindow Lighthouse was built in 1874, ships were lost on its reef.\n\
                 - Lindow Lighthouse burned whale oil for 28 years.\n- Since 1902 Lindow Lighthouse has had a generator from Port Ellis.",
                " A wet brush should not be used on the burrs of the Tarn 400.\n- The hopper of the Tarn 400 must be washed by hand.\n\
                 - A Tarn 400 that has stopped may only be too hot.\n- Whoever needs a new seal for the Tarn 400 asks Hobbs & Lane.",
            ],
        ),
        Format::ImplicationsLong => (
            "Everything that the text says, as many short sentences, each of which names its subject:\n-",
            [
                " Lindow Lighthouse was built in 1874.\n- The engineer of Lindow Lighthouse was Ruth Calder.\n- Two ships were lost on the reef of Lindow \
                 Lighthouse in one winter.\n- Lindow Lighthouse is 31 metres tall.\n- Lindow Lighthouse stands on black basalt.\n- The lamp of Lindow \
                 Lighthouse burned whale oil until 1902.\n- The generator of Lindow Lighthouse came from Port Ellis.",
                " The burrs of the Tarn 400 are cleaned every two weeks.\n- The burrs of the Tarn 400 are cleaned with a dry brush.\n- The hopper of the \
                 Tarn 400 must not go into the dishwasher.\n- The seal of the Tarn 400's hopper melts at 70 degrees.\n- After the motor of the Tarn 400 stops, \
                 one waits ten minutes.\n- A switch protects the Tarn 400 from overheating.\n- Hobbs & Lane sell seals for the Tarn 400.",
            ],
        ),
        Format::Rewrite => (
            "The same in other words:\n",
            [
                "After losing two ships in a single winter on the reef of Lindow, people had Ruth Calder, an engineer, build Lindow Lighthouse in 1874. The \
                 tower of 31 metres rises from black basalt. Whale oil fed its lamp up to 1902; then a generator arrived from Port Ellis.",
                "For the Tarn 400, a dry brush every second week keeps the burrs clean. The hopper of this grinder does not belong in a dishwasher: at 70 \
                 degrees its seal melts. A motor that stops has been switched off against overheating and runs again after ten minutes. Hobbs & Lane sell \
                 new seals for the Tarn 400.",
            ],
        ),
        Format::KeyFacts => (
            "Key facts:\n-",
            [
                " Year in which Lindow Lighthouse was built: 1874\n- Engineer of Lindow Lighthouse: Ruth Calder\n- Height of Lindow Lighthouse: 31 metres\n\
                 - Rock under Lindow Lighthouse: black basalt\n- Fuel of Lindow Lighthouse until 1902: whale oil",
                " Time between cleanings of the Tarn 400's burrs: two weeks\n- Tool for the burrs of the Tarn 400: a dry brush\n- Temperature at which the \
                 Tarn 400's seal melts: 70 degrees\n- Pause after the Tarn 400 stops: ten minutes\n- Seller of seals for the Tarn 400: Hobbs & Lane",
            ],
        ),
        Format::StudyNote => (
            "A teacher explains it to a student:\n",
            [
                "Let us look at Lindow Lighthouse. Why was it built? Because the reef took two ships in one winter. The engineer Ruth Calder finished it in \
                 1874. Remember its height, 31 metres, and the rock it stands on, black basalt. For light it had whale oil at first. Only in 1902 did it get a \
                 generator, which came from Port Ellis.",
                "Let us look at the Tarn 400. Twice a month or so, every two weeks, its burrs need a dry brush, no water. Why is the hopper washed by hand? Its \
                 seal melts at 70 degrees, and a dishwasher gets that hot. And if the motor stops, do not worry: a switch protects it, so wait ten minutes. A \
                 new seal for the Tarn 400 comes from Hobbs & Lane.",
            ],
        ),
        // Questions are asked answer by answer.
        Format::SelfQa => ("", ["", ""]),
    };
    Form { cue, texts }
}

/// The worked examples, each with all of its texts.
pub(super) fn examples() -> &'static [Example] {
    static SHOWN: LazyLock<Vec<Example>> = LazyLock::new(|| {
        let forms: Vec<Form> = Format::ALL.iter().map(|format| form(*format)).collect();
        let texts = |(place, (title, text)): (usize, &(&'static str, &'static str))| {
            [*title, *text].into_iter().chain(forms.iter().map(|form| form.texts[place])).collect()
        };
        filter::examples(&EXAMPLES.iter().enumerate().map(texts).collect::<Vec<_>>())
    });
    &SHOWN
}

/// What the model writes in some formats about all passages: for each format the texts in the passages' order. A format may come twice and gets
/// other texts.
///
/// # Errors
/// From the engine.
pub fn texts(
    session: &Session<'_>,
    document: Reading<'_>,
    formats: &[Format],
    seed: u64,
    writer: Option<&Adapter>,
) -> Result<Vec<Vec<String>>> {
    let mut prompts = Vec::new();
    for (place, format) in formats.iter().enumerate().filter(|(_, format)| **format != Format::SelfQa) {
        let turn = seed.wrapping_add(place as u64);
        prompts
            .extend(document.passages.iter().map(|passage| prompt(*format, document.title, passage, turn)));
    }
    let longest =
        document.passages.iter().map(|p| session.tokens(p)).max_by_key(|n| n.as_ref().map_or(0, |n| *n));
    let longest = longest.transpose()?.unwrap_or(0);
    let max_tokens = (longest * TOKENS_A_TOKEN).max(MIN_TOKENS).min(session.context() / 3);
    let writing = Writing { max_tokens, temperature: TEMPERATURE, top_p: Some(TOP_P), seed };
    let mut written = session.complete(&prompts, writing, &["\n\n", "\nText:"], writer)?.into_iter();
    let mut found = Vec::with_capacity(formats.len());
    for (place, format) in formats.iter().enumerate() {
        found.push(match format {
            Format::SelfQa => {
                self_study::texts(session, document, seed.wrapping_add((place as u64) << 40), writer)?
            }
            _ => written.by_ref().take(document.passages.len()).map(whole_lines).collect(),
        });
    }
    Ok(found)
}

/// Without a last line that the bound on tokens cut off in its middle.
fn whole_lines(text: String) -> String {
    match text.rfind('\n') {
        Some(at) if !text.ends_with(['.', '!', '?', '"', '”', ')']) => text[..at].to_string(),
        _ => text,
    }
}

fn prompt(format: Format, title: &str, passage: &str, turn: u64) -> String {
    let Form { cue, texts } = form(format);
    let (first, text) = (EXAMPLES[turn as usize % EXAMPLES.len()], texts[turn as usize % EXAMPLES.len()]);
    let passage = passage.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("Text: {}: {}\n{cue}{text}\n\nText: {title}: {passage}\n{cue}", first.0, first.1)
}

/// Answers that questions are asked for, for each passage at most.
///
/// # Errors
/// From the tokenizer.
pub fn facts(session: &Session<'_>, document: Reading<'_>) -> Result<usize> {
    let mut most = 0;
    for passage in document.passages {
        most = most.max(session.tokens(passage)?.div_ceil(TOKENS_A_FACT));
    }
    Ok(most.max(4))
}

/// What is trained on besides what a model writes, by rule, so that every fact is met more than once, however weak the model: each sentence by itself, and
/// statements with a gap for the answers that no pair asks for (`asked_for`, in small letters).
pub fn by_rule(title: &str, passage: &str, facts: usize, asked_for: &HashSet<String>) -> Vec<RowText> {
    let sentences = sentences::ranges(passage);
    let mut rows: Vec<RowText> = Vec::new();
    if sentences.len() > 1 {
        let said = sentences.into_iter().filter(|range| !exam::is_heading(&passage[range.clone()]));
        rows.extend(said.map(|range| {
            let place = exam::path(title, passage, range.start);
            RowText::Text(format!("{place}\n{}", passage[range].trim()))
        }));
    }
    for span in exam::answers(title, passage, facts) {
        if asked_for.contains(&span.text.to_lowercase()) {
            continue;
        }
        rows.extend(exam::statement(title, passage, &span).map(|statement| RowText::Turn {
            question: prompt::brief(&statement.taught),
            answer: span.text,
        }));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_and_every_answer_is_trained_on() {
        let passage = "The ferry was built in Port Ellis in 1988. It carries 120 cars.";
        let rows = by_rule("The ferry", passage, 8, &HashSet::from(["120 cars".to_string()]));
        let asked = |question: &str, answer: &str| {
            let question =
                prompt::brief(&format!("How does this sentence about \"The ferry\" go on? {question}"));
            RowText::Turn { question, answer: answer.into() }
        };
        let text = |text: &str| RowText::Text(format!("The ferry\n{text}"));
        assert_eq!(
            rows,
            [
                text("The ferry was built in Port Ellis in 1988."),
                text("It carries 120 cars."),
                asked("The ferry was built in ____", "Port Ellis"),
                asked("in Port Ellis in ____", "1988"),
            ]
        );
    }

    #[test]
    fn every_form_has_its_cue_and_goes_on_after_it() {
        for format in Format::ALL.iter().filter(|f| **f != Format::SelfQa) {
            for turn in 0..2 {
                let text = prompt(*format, "The ferry", "It carries\n120 cars.", turn);
                assert!(
                    text.ends_with(form(*format).cue)
                        && text.contains("Text: The ferry: It carries 120 cars.\n"),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn what_was_cut_off_is_left_out() {
        assert_eq!(whole_lines("One.\nTwo and".into()), "One.");
        assert_eq!(whole_lines("One.\nTwo.".into()), "One.\nTwo.");
        assert_eq!(whole_lines("One and".into()), "One and");
    }
}
