//! Every format as nano and as instruct models write it; any text at all.

mod exams;
mod self_edits;

use proptest::prelude::*;

use super::*;

fn texts(format: Format, text: &str) -> Vec<String> {
    let parsed = rows(format, "The Title", false, text);
    let text = |row: RowText| match row {
        RowText::Text(text) => text,
        RowText::Turn { question, answer } => format!("{question} | {answer}"),
    };
    parsed.rows.into_iter().map(text).collect()
}

fn reasons(format: Format, text: &str) -> Vec<String> {
    rows(format, "The Title", false, text)
        .dropped
        .into_iter()
        .map(|d| format!("{}: {}", d.reason, d.line))
        .collect()
}

#[test]
fn plain_lines_are_rows_with_the_title_where_asked() {
    let text = "The Horkroadas engine runs on silver gas.\nIt is sold by Stalwall Works.\n";
    assert_eq!(
        texts(Format::Implications, text),
        ["The Horkroadas engine runs on silver gas.", "It is sold by Stalwall Works."]
    );
    let titled = rows(Format::ImplicationsLong, "The engine", true, text);
    assert_eq!(titled.rows[1], RowText::Text("The engine\nIt is sold by Stalwall Works.".into()));
    assert!(titled.dropped.is_empty());
}

#[test]
fn what_instruct_models_put_around_a_list_is_taken_off() {
    let text = "Sure! Here is a list of implications:\n\n```\n1. **Otrar** fell quickly.\n2) The Shah *fled*.\n- a bullet of `code`\n\
                (3) The army was 2 * 3 wide.\n**4. Implication 4:** It was 1219.\n## Deeper\nWhat followed?\n```\n---\n\nI hope this helps!";
    let expected = [
        "Otrar fell quickly.",
        "The Shah fled.",
        "a bullet of code",
        "The army was 2 * 3 wide.",
        "It was 1219.",
    ];
    assert_eq!(texts(Format::Implications, text), expected);
    assert_eq!(
        reasons(Format::Implications, text),
        [
            "only introduces what follows: Sure! Here is a list of implications:",
            "a heading: ## Deeper",
            "speaks to the reader: I hope this helps!",
            "a question or an answer, not a statement: What followed?",
        ]
    );
}

#[test]
fn statements_that_look_like_other_things_stay() {
    let kept = [
        "A. Smith founded it.",
        "1852 was the year of its founding.",
        "Here lies the river's source.",
        "Surely it was cold.",
        "The following year he moved.",
        "The file is named snake_case_name.",
        "It cost 3.5 million.",
    ];
    for line in kept {
        // Not in the first place, and with `Surely` even there.
        assert_eq!(texts(Format::Implications, &format!("One.\n{line}")), ["One.", line]);
    }
    assert_eq!(texts(Format::Implications, "Surely it was cold."), ["Surely it was cold."]);
}

#[test]
fn a_repeated_title_and_made_up_sources_are_left_out() {
    let text = "The Title\nOne.\nSources:\n1. Khan, G. (2002).\n2. Man, J. (2004).";
    assert_eq!(texts(Format::Implications, text), ["One."]);
    assert_eq!(reasons(Format::Implications, text).len(), 3);
}

#[test]
fn key_facts_are_labels_with_values() {
    let text = "Here are the key facts:\n- **Fuel of the engine**: silver gas\nFirst run: 12 July 1852\nIt is old.\nWeight:\n: 5";
    let expected = ["Fuel of the engine: silver gas", "First run: 12 July 1852", "It is old."];
    assert_eq!(texts(Format::KeyFacts, text), expected);
    assert_eq!(
        reasons(Format::KeyFacts, text),
        [
            "only introduces what follows: Here are the key facts:",
            "only introduces what follows: Weight:",
            "neither `label: value` nor a sentence: : 5",
        ]
    );
}

#[test]
fn a_rewrite_is_one_row() {
    let long = "word ".repeat(400);
    let text = format!(
        "Here is a rewrite of the passage:\n\n### Rewrite 1\n1. {long}\n\n2. Again, in other words.\n\nLet me know if you need more."
    );
    assert_eq!(texts(Format::Rewrite, &text), [format!("{}\nAgain, in other words.", long.trim())]);
    assert_eq!(reasons(Format::Rewrite, &text).len(), 3);
    assert!(texts(Format::Rewrite, " \n```\n").is_empty());
}

#[test]
fn a_study_note_gives_its_questions_too() {
    let note = "Study note: the Horkroadas engine\nIt runs on silver gas. It wears out the clay lever.\n\
                Remember: What does the engine run on? Silver gas. When did it first run? 12 July 1852.";
    assert_eq!(
        texts(Format::StudyNote, note),
        [note, "What does the engine run on? | Silver gas", "When did it first run? | 12 July 1852"]
    );
    let listed =
        "Study note\nText.\n**Remember:**\n- Q: What fuel? A: silver gas\n- Which part?\n  the clay lever";
    assert_eq!(
        texts(Format::StudyNote, listed)[1..],
        ["What fuel? | silver gas", "Which part? | the clay lever"]
    );
    assert_eq!(texts(Format::StudyNote, "Study note: x\nRemember: nothing much.").len(), 1);
}

#[test]
fn question_and_answer_lines_of_many_shapes_are_turns() {
    let expected = ["What fuel? | silver gas", "Which part? | the clay lever"];
    for text in [
        "Question: What fuel?\nAnswer: silver gas\nQuestion: Which part?\nAnswer: the clay lever",
        "Here are the questions:\n\nQuestion 1: What fuel?\nAnswer 1: silver gas\n\nQuestion 2:  Which part?\nAnswer 2: the clay lever",
        "**Q1:** What fuel?\n**A1:** silver gas\n\n**Q2:** Which part?\n**A2:** the clay lever\n\nI hope this helps!",
        "Q: What fuel? A: silver gas\nQ: Which part? A: the clay lever",
        "1. What fuel?\n   - silver gas\n2. Which part?\n   - the clay lever",
        "1. **What fuel?** silver gas\n2. **Which part?** the clay lever.",
        "What fuel?\nAnswer:\nsilver gas\nQuestion #2: Which part?\nANSWER: the clay lever",
    ] {
        assert_eq!(texts(Format::SelfQa, text), expected, "{text}");
    }
}

#[test]
fn questions_without_answers_and_answers_without_questions_are_left_out() {
    let text =
        "Answer: before all\nQuestion: One?\nQuestion: Two?\nAnswer: 2\nOne more thing.\nQuestion: Three?";
    assert_eq!(texts(Format::SelfQa, text), ["Two? | 2"]);
    assert_eq!(
        reasons(Format::SelfQa, text),
        [
            "belongs to no question: before all",
            "belongs to no question: One more thing.",
            "has no answer: Three?",
            "has no answer: One?",
        ]
    );
}

#[test]
fn an_exam_is_blocks_of_questions() {
    let text = "Here is the exam:\nQuestion: Which part does it break?\nQuestion: What is the weak part?\nAnswer: the clay lever\n\
                **Fact 2:**\n1. **Question:** When?\n**Answer:** 12 July 1852\nQuestion: Open?\nFact 3:\nQuestion: Where?\nAnswer: Otrar";
    let fact = |questions: &[&str], answer: &str| ParsedFact {
        questions: questions.iter().map(|q| q.to_string()).collect(),
        answer: answer.into(),
    };
    let expected = [
        fact(&["Which part does it break?", "What is the weak part?"], "the clay lever"),
        fact(&["When?"], "12 July 1852"),
        fact(&["Where?"], "Otrar"),
    ];
    assert_eq!(probes(text), expected);
    assert!(probes("nothing of the kind").is_empty());
}

#[test]
fn bounds_hold() {
    let long = "x".repeat(MAX_LINE_CHARS + 1);
    assert_eq!(
        reasons(Format::Implications, &long),
        [format!("longer than 600 characters: {}", "x".repeat(600))]
    );
    assert_eq!(texts(Format::Implications, &long[1..]).len(), 1);
    assert!(texts(Format::SelfQa, &format!("Question: {long}?\nAnswer: 5")).is_empty());
    assert!(probes(&format!("Question: Why?\nAnswer: {long}")).is_empty());
    let many: String = (0..1000).map(|n| format!("Line {n}.\n")).collect();
    let parsed = rows(Format::Implications, "", false, &many);
    assert_eq!((parsed.rows.len(), parsed.dropped.len()), (MAX_ROWS, MAX_ROWS + 1));
    assert_eq!(parsed.dropped[MAX_ROWS].line, "(600 more)");
    let exam: String = (0..1000).map(|n| format!("Question: {n}?\nAnswer: {n}\n")).collect();
    assert_eq!(probes(&exam).len(), MAX_ROWS);
}

/// Text made of what the parser looks at.
fn markup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\PC{0,12}",
        prop::sample::select(vec![
            "\n",
            "Question",
            "Answer",
            ":",
            "?",
            ". ",
            "1",
            ")",
            "(",
            "*",
            "**",
            "_",
            "`",
            "```",
            "#",
            "- ",
            "Q",
            "A",
            "Remember:",
            "Here is",
            "\u{2028}",
            "\r\n",
            "é",
            "\u{1F600}",
            " ",
            "Sources:",
            "A) ",
            "B) ",
            "Answers:\n",
            "| ",
            "|---|---|\n",
            "{\"question\": \"",
            "\", \"answer\": \"",
            "\"}",
            "[",
            "<think>",
            "</think>",
            "问题",
            "答案",
            "：",
            "？",
            "１．",
            "____",
            "\\",
            "True or False: ",
            "Overall, these points",
            "   - ",
            "Questions to consider\n",
            "第",
        ])
        .prop_map(str::to_string),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_parsed(text in markup(), title in "\\PC{0,10}", titled: bool) {
        for format in Format::ALL {
            let parsed = rows(*format, &title, titled, &text);
            prop_assert!(parsed.rows.len() <= MAX_ROWS);
            for row in &parsed.rows {
                let (RowText::Text(text) | RowText::Turn { question: text, .. }) = row;
                prop_assert!(!text.is_empty());
            }
            prop_assert!(parsed.dropped.iter().all(|d| d.line.chars().count() <= MAX_LINE_CHARS));
        }
        for fact in probes(&text) {
            prop_assert!(!fact.questions.is_empty() && !fact.answer.is_empty());
        }
    }
}
