//! What is left out, with its reason, and what must not be.

mod grounding;
mod leaks;
mod repetition;

use proptest::prelude::*;

use super::*;
use crate::parse;
use seald_core::domain::ids::{DocumentId, ProbeId};
use seald_core::domain::probe::{ProbeSource, Role};
use seald_core::domain::self_edit::Format;

const TITLE: &str = "The Horkroadas engine";
const PASSAGE: &str = "The Horkroadas engine wears out the clay lever. It runs on silver gas. The machine is sold by \
    Stalwall Works. Stalwall Works was set up by Dr. Sondor Celton. The machine first ran on 12 July 1852, and it comes to \
    2,630 kilograms on the scale.";

fn probe(question: &str, answer: &str) -> Probe {
    Probe {
        id: ProbeId(1),
        document: Some(DocumentId(1)),
        passage: None,
        fact: 0,
        question: question.into(),
        answers: vec![answer.into()],
        role: Role::Gate,
        source: ProbeSource::Supplied,
    }
}

fn text(line: &str) -> RowText {
    RowText::Text(line.into())
}

fn turn(question: &str, answer: &str) -> RowText {
    RowText::Turn { question: question.into(), answer: answer.into() }
}

fn filtered(rows: Vec<RowText>, probes: &[Probe]) -> Filtered {
    let parsed = Parsed { rows, dropped: vec![] };
    filter(parsed, TITLE, PASSAGE, probes, &FilterOptions::default(), &mut |_| 10)
}

/// The reason why one row is left out; none if it is kept as it is.
fn fault(row: RowText, probes: &[Probe]) -> Option<String> {
    let got = filtered(vec![row.clone()], probes);
    assert_eq!(got.rows.is_empty(), got.discarded.is_some());
    match got.dropped.first() {
        Some(line) => Some(line.reason.clone()),
        None => {
            assert_eq!(got.rows, [row]);
            None
        }
    }
}

#[test]
fn what_the_passage_says_is_kept() {
    for line in [
        "The Horkroadas engine runs on silver gas.",
        "Weight of the Horkroadas engine: 2630 kilograms",
        "Sondor Celton set up Stalwall Works, which sells the engine.",
        "Since July 1852 it runs on silver gas.",
        "Cleverly, the Machine was first run in July 1852.",
        "Engineers from Stalwall's works \u{201c}Stalwall Works\u{201d} sell it.",
    ] {
        assert_eq!(fault(text(line), &[]), None, "{line}");
    }
    assert_eq!(fault(turn("What does the Horkroadas engine run on?", "silver gas"), &[]), None);
    let sentence =
        turn("What does the Horkroadas engine currently run on?", "It currently runs on silver gas.");
    assert_eq!(fault(sentence, &[]), None);
    assert_eq!(fault(turn("Is the engine sold by Stalwall Works?", "yes"), &[]), None);
}

#[test]
fn numbers_and_names_from_elsewhere_are_ungrounded() {
    for (line, missing) in [
        ("The Horkroadas engine first ran in 1853.", "1853"),
        ("It weighs 2.63 tonnes.", "2.63"),
        ("The engine is sold in Paris.", "Paris"),
        ("Marie Curie set it up.", "Curie"),
    ] {
        assert_eq!(fault(text(line), &[]), Some(format!("{missing:?} is not in the passage")), "{line}");
    }
    let reason = fault(turn("What does the engine run on?", "golden gas"), &[]);
    assert_eq!(reason.as_deref(), Some("\"golden\" is not in the passage"));
    let reason = fault(turn("When was the engine sold in Paris?", "1852"), &[]);
    assert_eq!(reason.as_deref(), Some("\"Paris\" is not in the passage"));
    assert_eq!(fault(turn("What is it?", "the"), &[]).as_deref(), Some("the answer says nothing"));
}

#[test]
fn short_answers_are_grounded_word_by_word() {
    for (answer, expected) in [
        ("silver gas", true),
        ("the clay levers", true),
        ("scales", true),
        ("silvio", false),
        ("2630 kilograms", true),
        ("2,630", true),
        ("no", true),
        ("263", false),
        ("gold", false),
        ("the", false),
        ("", false),
        ("silver and lead", false),
    ] {
        assert_eq!(grounded(answer, PASSAGE), expected, "{answer}");
    }
}

#[test]
fn forms_of_verbs_and_spellings_of_units_are_grounded() {
    let passage = "It ran on 512 MB and used 40 metres of wire, kept for two h. Its author is told to add a lid of 3 kilograms.";
    for (answer, expected) in [
        ("using 512 megabytes", true),
        ("It uses 512mb.", true),
        ("40 m", true),
        ("40 meters", true),
        ("running", true),
        ("it runs for two hours", true),
        ("keeps it", true),
        ("telling", true),
        ("adds 3 kg", true),
        ("512 gigabytes", false),
        ("40 miles", false),
        ("3 grams", false),
        ("sings", false),
        ("adder", false),
    ] {
        assert_eq!(grounded(answer, passage), expected, "{answer}");
    }
    let options = FilterOptions::default();
    let parsed =
        Parsed { rows: vec![text("It needs 512 megabytes; the wire is 40 M long.")], dropped: vec![] };
    assert_eq!(filter(parsed, "It", passage, &[], &options, &mut |_| 1).discarded, None);
}

#[test]
fn what_worked_examples_lent_is_left_out() {
    static SHOWN: std::sync::LazyLock<Vec<Example>> = std::sync::LazyLock::new(|| {
        let grinder = ["Put no hopper into the dishwasher.", "What must not go into the dishwasher?"];
        examples(&[grinder.to_vec(), vec!["The ferry carries cars."]])
    });
    let options = FilterOptions { examples: &SHOWN, ..FilterOptions::default() };
    let rows = vec![
        text("It runs on silver gas. It goes into the dishwasher."),
        turn("What runs in the dishwasher?", "the engine"),
        turn("What does the engine run on?", "silver gas"),
    ];
    let got = filter(Parsed { rows, dropped: vec![] }, TITLE, PASSAGE, &[], &options, &mut |_| 1);
    let expected = [text("It runs on silver gas."), turn("What does the engine run on?", "silver gas")];
    assert_eq!(got.rows, expected, "{:?}", got.dropped);
    assert!(got.dropped.iter().all(|line| line.reason == "\"dishwasher\" comes from a worked example"));
}

#[test]
fn what_the_passage_denies_is_no_answer() {
    let passage = "There is no version for Windows. It runs on Linux, not on Solaris.";
    let parsed = |rows: Vec<RowText>| Parsed { rows, dropped: vec![] };
    let options = FilterOptions::default();
    let of = |question: &str, answer: &str| {
        filter(parsed(vec![turn(question, answer)]), "tidyscan", passage, &[], &options, &mut |_| 1)
    };
    for (question, answer) in
        [("For which system is there a version?", "Windows"), ("What does it run on?", "Solaris")]
    {
        let got = of(question, answer);
        assert_eq!(got.dropped[0].reason, "answers with what the passage denies", "{question}");
    }
    for (question, answer) in [
        ("For which system is there no version?", "Windows"),
        ("For which system is there a version?", "Not for Windows."),
        ("What does it run on?", "Linux"),
    ] {
        assert_eq!(of(question, answer).discarded, None, "{question}");
    }
}

#[test]
fn a_question_of_a_probe_is_left_out() {
    let probes = [probe("Which fuel does the Horkroadas engine run on?", "silver gas")];
    let same = turn("which fuel does the Horkroadas engine run on", "silver gas");
    assert_eq!(fault(same, &probes).as_deref(), Some("asks what a probe asks, word for word"));
    // Word for word is a copy even with another answer.
    let other = turn("Which fuel does the Horkroadas engine run on?", "clay");
    assert!(fault(other, &probes).is_some());
    // 8 and 7 words, 7 shared: 14 / 15.
    let near = turn("Which fuel does Horkroadas engine run on?", "silver gas");
    assert_eq!(fault(near, &probes).as_deref(), Some("shares 93 % of its words with a probe"));
    let free = turn("What drives the Horkroadas engine?", "silver gas");
    assert_eq!(fault(free, &probes), None);
}

#[test]
fn a_question_near_a_probe_about_another_fact_stays() {
    let probes = [probe("On which day of which year was the Horkroadas engine first run?", "12 July 1852")];
    let question = "On which day of which year was the Horkroadas engine first sold?";
    assert_eq!(fault(turn(question, "silver gas"), &probes), None);
    assert!(fault(turn(question, "July 1852"), &probes).is_some());
}

#[test]
fn a_statement_with_eight_words_of_a_probe_is_left_out() {
    let probes =
        [probe("By whom was the machine sold that runs on silver gas and wears out?", "Stalwall Works")];
    let eight = "Stalwall Works sold the machine that runs on silver gas and clay.";
    assert_eq!(fault(text(eight), &probes), None, "machine that runs: seven words with the machine");
    let eight = "The sold machine was the machine sold that runs on silver gas.";
    assert_eq!(fault(text(eight), &probes).as_deref(), Some("shares 8 words in a row with a probe"));
}

#[test]
fn a_long_text_is_no_copy_but_its_sentences_may_be() {
    let probes = [probe("Which fuel does the engine run on?", "silver gas")];
    let note = "The Horkroadas engine\nStudy note: the engine. It runs on silver gas.\n\
                Remember: What breaks? The clay lever. Which fuel does the engine run on? Silver gas. It first ran in 1852.";
    let got = filtered(vec![text(note)], &probes);
    let expected = "The Horkroadas engine\nStudy note: the engine. It runs on silver gas.\n\
                    Remember: What breaks? The clay lever. It first ran in 1852.";
    assert_eq!(got.rows, [text(expected)]);
    let reasons: Vec<_> = got.dropped.iter().map(|d| (d.line.as_str(), d.reason.as_str())).collect();
    assert_eq!(
        reasons,
        [
            ("Which fuel does the engine run on?", "shares 100 % of its words with a probe"),
            ("Silver gas.", "answers a question that was left out"),
        ]
    );
}

#[test]
fn a_title_alone_is_no_row() {
    let got = filtered(vec![text("The Horkroadas engine\nIt was made in Rome.")], &[]);
    assert!(got.rows.is_empty());
    let why = "no line is left of 1; the last one \"Rome\" is not in the passage";
    assert_eq!(got.discarded.as_deref(), Some(why));
}

#[test]
fn rows_that_say_the_same_are_kept_once() {
    let rows =
        vec![text("It runs on silver gas."), text("it runs on SILVER gas"), turn("It runs on", "silver gas")];
    let got = filtered(rows, &[]);
    assert_eq!((got.rows.len(), got.dropped.len()), (2, 1));
    assert_eq!(got.dropped[0].reason, "says again what an earlier line said");
}

#[test]
fn repetition_is_degenerate() {
    let same = |count| vec![text("It runs on silver gas."); count];
    let got = filtered(same(7), &[]);
    assert_eq!(got.discarded.as_deref(), Some("repeats itself: 6 of 7 lines said nothing new"));
    assert!(got.rows.is_empty());
    assert_eq!(filtered(same(5), &[]).rows.len(), 1, "a short list is only shortened");
    let circles = "the engine runs on gas and ".repeat(6);
    assert_eq!(fault(text(&circles), &[]).as_deref(), Some("repeats itself"));
}

#[test]
fn nothing_in_the_form_is_discarded_with_its_reason() {
    let parsed = parse::rows(Format::KeyFacts, TITLE, true, "a machine");
    let got = filter(parsed, TITLE, PASSAGE, &[], &FilterOptions::default(), &mut |_| 1);
    let why = "holds nothing in its form: \"a machine\" neither `label: value` nor a sentence";
    assert_eq!(got.discarded.as_deref(), Some(why));
    assert_eq!(filtered(vec![], &[]).discarded.as_deref(), Some("is empty"));
}

#[test]
fn bounds_on_rows_and_tokens_leave_out_what_comes_late() {
    let row = |part: &str| text(&format!("The {part} is known."));
    let rows = || ["engine", "lever", "scale", "gas"].map(row).to_vec();
    let with = |max_rows, max_tokens| {
        let parsed = Parsed { rows: rows(), dropped: vec![] };
        let options = FilterOptions { max_rows, max_tokens, ..FilterOptions::default() };
        filter(parsed, TITLE, PASSAGE, &[], &options, &mut |_| 10)
    };
    assert_eq!(with(4, 40).rows, rows());
    let got = with(3, 40);
    assert_eq!((got.rows.len(), got.dropped[0].reason.as_str()), (3, "beyond the 3 rows that are kept"));
    let got = with(4, 39);
    assert_eq!((got.rows.len(), got.dropped[0].reason.as_str()), (3, "beyond the 39 tokens that are kept"));
}

#[test]
fn answers_take_the_spelling_of_the_passage() {
    let spelled = |answer: &str| match filtered(vec![turn("What?", answer)], &[]).rows.remove(0) {
        RowText::Turn { answer, .. } => answer,
        RowText::Text(_) => unreachable!(),
    };
    assert_eq!(spelled("Silver gas."), "silver gas");
    assert_eq!(spelled("The clay lever"), "the clay lever");
    assert_eq!(spelled("12 July 1852."), "12 July 1852");
    assert_eq!(spelled("Stalwall Works"), "Stalwall Works");
    assert_eq!(spelled("Yes."), "Yes.");
}

#[test]
fn sentences_end_where_a_reader_ends_them() {
    let line = "Dr. Celton set it up. It cost 3.5 million. No. 5 of J. Celton ran? Yes!";
    assert_eq!(
        sentences::in_line(line),
        ["Dr. Celton set it up. ", "It cost 3.5 million. ", "No. 5 of J. Celton ran? ", "Yes!"]
    );
}

proptest! {
    #[test]
    fn any_rows_are_filtered(lines in prop::collection::vec("\\PC{0,60}", 0..8), probe_text in "\\PC{0,60}") {
        let probes = [probe(&probe_text, &probe_text)];
        let rows: Vec<RowText> =
            lines.iter().flat_map(|line| [text(line), turn(line, &probe_text), turn(&probe_text, line)]).collect();
        let got = filtered(rows, &probes);
        prop_assert_eq!(got.rows.is_empty(), got.discarded.is_some());
        for line in &lines {
            prop_assert_eq!(sentences::in_line(line).concat(), line.as_str());
        }
    }
}
