//! Self-edits as real models write them, about a passage on Genghis Khan and the town of Otrar.

use super::super::*;
use super::{reasons, texts};

#[test]
fn thoughts_are_no_rows() {
    let text = "<think>\nOkay, the user wants a list of implications. Let me look at the passage.\nI should write one per line.\n</think>\n\n\
                1. The Shah's army was divided.\n2. The Mongols seized Otrar.";
    assert_eq!(
        texts(Format::Implications, text),
        ["The Shah's army was divided.", "The Mongols seized Otrar."]
    );
    assert!(texts(Format::Rewrite, "<think>\nStill thinking").is_empty());
}

#[test]
fn lead_ins_are_taken_off_statements() {
    for (line, kept) in [
        (
            "2. **Strategic Advantage**: The Mongols could defeat small groups.",
            "The Mongols could defeat small groups.",
        ),
        (
            "2. **Strategic Advantage:** The Mongols could defeat small groups.",
            "The Mongols could defeat small groups.",
        ),
        (
            "- **Strategic Advantage.** The Mongols could defeat small groups.",
            "The Mongols could defeat small groups.",
        ),
        (
            "- **Strategic advantage** – The Mongols could defeat small groups.",
            "The Mongols could defeat small groups.",
        ),
        ("3. Loss of Unity: The Shah's army was split by feuds.", "The Shah's army was split by feuds."),
        ("4. **战略优势**：蒙古人可以逐个击败小股部队。", "蒙古人可以逐个击败小股部队。"),
        // What follows leans on it, or is no sentence, or it is none.
        ("5. **Genghis Khan**: He ordered the massacre.", "Genghis Khan: He ordered the massacre."),
        ("6. **Otrar** fell quickly.", "Otrar fell quickly."),
        (
            "7. The reason was simple: The army was split in two.",
            "The reason was simple: The army was split in two.",
        ),
        ("8. Weight: 20 tons", "Weight: 20 tons"),
    ] {
        assert_eq!(texts(Format::Implications, line), [kept], "{line}");
    }
    // In key facts it is the label.
    let fact = "- **Strategic Advantage**: The Mongols could defeat small groups.";
    assert_eq!(
        texts(Format::KeyFacts, fact),
        ["Strategic Advantage: The Mongols could defeat small groups."]
    );
}

#[test]
fn items_below_a_head_have_it_with_them() {
    let text = "1. The Mongols seized Otrar.\n5. The Shah's decision to flee:\n   - He died on a small island.\n   - It left the army without a head.\n\
                6. **Consequences for the Shah**\n   - His army was split.\n7. The Shah divided his army.\n   - This weakened the defence.\n";
    let expected = [
        "The Mongols seized Otrar.",
        "The Shah's decision to flee: He died on a small island.",
        "The Shah's decision to flee: It left the army without a head.",
        "Consequences for the Shah: His army was split.",
        "The Shah divided his army.",
        "The Shah divided his army. This weakened the defence.",
    ];
    assert_eq!(texts(Format::Implications, text), expected);
    let labels = "1. Implication 1:\n   - The Mongols seized Otrar.\nImplication 2:\n- The Shah fled.";
    assert_eq!(texts(Format::Implications, labels), ["The Mongols seized Otrar.", "The Shah fled."]);
    assert_eq!(texts(Format::KeyFacts, "- **Town**:\n  - Otrar"), ["Town: Otrar"]);
}

#[test]
fn bold_headings_are_no_statements() {
    let text = "1. **Leadership**\n\n   The Shah fled.\n2. **Otrar fell quickly**\n**Loss of Unity**\n- **Weight: 5 tons**";
    let expected = ["The Shah fled.", "Otrar fell quickly", "Weight: 5 tons"];
    assert_eq!(texts(Format::Implications, text), expected);
}

#[test]
fn closing_sums_refusals_and_other_turns_are_left_out() {
    let list = "1. The Shah's army was divided.\n2. Overall, the Mongols won.\n";
    for end in [
        "\nOverall, these implications highlight the importance of unity.",
        "3. Overall, these implications highlight the importance of unity.",
        "\nIn summary, unity matters.",
        "\nNote: These are based on the passage.",
        "\nI hope this helps!\nLet me know if you need more.",
        "You are an AI assistant. User will you give you a task.\nThe sky is blue.",
        "\nCan you come up with a question and answer set?\nExample:\nThe sky is blue.",
    ] {
        let expected = ["The Shah's army was divided.", "Overall, the Mongols won."];
        assert_eq!(texts(Format::Implications, &format!("{list}{end}")), expected, "{end}");
    }
    let refusal = "I'm sorry, but I can't assist with that request.";
    assert!(texts(Format::StudyNote, refusal).is_empty());
    assert_eq!(reasons(Format::StudyNote, refusal), [format!("speaks to the reader: {refusal}")]);
    // A statement about the passage's matter stays, in the last place too.
    let kept = "1. One.\n2. These events led to the fall of the empire.";
    assert_eq!(texts(Format::Implications, kept)[1..], ["These events led to the fall of the empire."]);
}

#[test]
fn key_facts_may_be_sentences_and_chinese() {
    let text = "**Key Facts:**\n- The Mongol army quickly seized the town of Otrar.\n- The Shah fled rather than surrender\n- silver gas\n- Fact 4: Otrar fell.\n- Who fled?";
    let expected = [
        "The Mongol army quickly seized the town of Otrar.",
        "The Shah fled rather than surrender",
        "Otrar fell.",
    ];
    assert_eq!(texts(Format::KeyFacts, text), expected);
    let chinese = "以下是关键事实：\n- **城市**：讹答剌\n2. 人数：两万\n蒙古军队迅速占领了讹答剌城。";
    assert_eq!(
        texts(Format::KeyFacts, chinese),
        ["城市：讹答剌", "人数：两万", "蒙古军队迅速占领了讹答剌城。"]
    );
    let table = "| Fact | Value |\n|---|---|\n| Town | Otrar |\n| Men | 20,000 |";
    assert_eq!(texts(Format::KeyFacts, table), ["Town: Otrar", "Men: 20,000"]);
    let json =
        "```json\n{\"Town\": \"Otrar\", \"facts\": [\"The Shah fled to an island.\"], \"Men\": 20000}\n```";
    assert_eq!(texts(Format::KeyFacts, json), ["Town: Otrar", "The Shah fled to an island.", "Men: 20000"]);
}

#[test]
fn json_lists_are_lines() {
    let text = "[\n  \"The Mongols seized Otrar.\",\n  \"The Shah fled.\"\n]";
    assert_eq!(texts(Format::Implications, text), ["The Mongols seized Otrar.", "The Shah fled."]);
    let objects = "{\"implications\": [{\"id\": 1, \"implication\": \"The Mongols seized Otrar.\"}]}";
    assert_eq!(texts(Format::Implications, objects), ["The Mongols seized Otrar."]);
    let cited = "The \"Shah\" fled [1].";
    assert_eq!(texts(Format::Implications, cited), [cited]);
    let turns = "[{\"question\": \"Who fled?\", \"answer\": \"The Shah\"}]";
    assert_eq!(texts(Format::SelfQa, turns), ["Who fled? | The Shah"]);
}

#[test]
fn code_is_no_statement_but_a_fence_around_prose_is() {
    let code = "The parser counts `tokens`.\n\n```python\n# count them\nimport os\ncount = len(tokens)\nprint(count)\n```\nIt is fast.";
    assert_eq!(texts(Format::Implications, code), ["The parser counts tokens.", "It is fast."]);
    assert!(reasons(Format::Implications, code).iter().all(|reason| reason.starts_with("code: ")));
    let unnamed = "```\nlet x = 5;\nfoo(x);\n```\nIt is fast.";
    assert_eq!(texts(Format::Implications, unnamed), ["It is fast."]);
    for fence in ["```", "```text", "```markdown", "~~~"] {
        let text = format!("{fence}\n1. The Mongols seized Otrar.\n2. The Shah fled.\n{}", &fence[..3]);
        assert_eq!(texts(Format::Implications, &text), ["The Mongols seized Otrar.", "The Shah fled."]);
    }
    // Where it is asked for, it is the answer.
    let asked = "Q: How is it installed?\nA:\n```sh\ncargo install seald\n```";
    assert_eq!(texts(Format::SelfQa, asked), ["How is it installed? | cargo install seald"]);
}

#[test]
fn questions_left_to_the_reader_are_no_part_of_a_note() {
    let note = "## Study note\nThe Mongols seized Otrar.\n\n## Questions to consider\n1. Why did the Shah flee?\n2. What if he had not?";
    assert_eq!(texts(Format::StudyNote, note), ["The Mongols seized Otrar."]);
    let plain = "The Mongols seized Otrar.\n**Questions to consider:**\nWhy did the Shah flee?\nWhat if he had not?\n\nThe Shah died.";
    assert_eq!(texts(Format::StudyNote, plain), ["The Mongols seized Otrar.\nThe Shah died."]);
    let answered = "The Mongols seized Otrar.\n- Why did he flee?\nHe had lost.";
    assert_eq!(
        texts(Format::StudyNote, answered),
        ["The Mongols seized Otrar.\nWhy did he flee?\nHe had lost."]
    );
}

#[test]
fn options_and_explanations_are_no_turns() {
    let text = "1. Which town was seized?\nA) Merv\nB) Otrar\nAnswer: B) Otrar\nExplanation: It is said so.\n2. Who fled?\nAnswer: the Shah";
    assert_eq!(texts(Format::SelfQa, text), ["Which town was seized? | Otrar", "Who fled? | the Shah"]);
    assert_eq!(reasons(Format::SelfQa, text), ["explains, and is no answer: Explanation: It is said so."]);
    let chinese = "问题1：谁逃走了？\n答案：沙阿\n问题2：哪座城被占领？\n答案：讹答剌";
    assert_eq!(texts(Format::SelfQa, chinese), ["谁逃走了？ | 沙阿", "哪座城被占领？ | 讹答剌"]);
}

#[test]
fn a_long_line_gives_its_sentences() {
    let sentence =
        "The Mongol army quickly seized the town of Otrar, relying on superior strategy and tactics.";
    let text = [sentence; 10].join(" ");
    assert_eq!(texts(Format::Implications, &text), [sentence; 10]);
}

#[test]
fn what_only_looks_like_a_label_stays() {
    for line in [
        "A 5-year plan was made.",
        "The question of succession: it was never settled.",
        "Answers were given by the Shah to all.",
        "R is a language for statistics.",
        "Points were lost in 1219.",
        "Q fever is a disease.",
    ] {
        assert_eq!(texts(Format::Implications, line), [line]);
    }
}
