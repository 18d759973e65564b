//! Exams as real models write them, about a passage on Genghis Khan and the town of Otrar; the numbers are those of the
//! review that these outputs come from.

use super::super::*;

fn exam(text: &str) -> Vec<String> {
    let shown = |fact: ParsedFact| format!("{} | {}", fact.questions.join(" / "), fact.answer);
    probes(text).into_iter().map(shown).collect()
}

#[test]
fn multiple_choice_1() {
    let text = "1. **What was the name of the town that the Mongol army quickly seized?**\n   A) Samarkand\n   B) Otrar\n   C) Bukhara\n   \
                D) Merv\n   **Answer: B) Otrar**\n\n2. **Who fled rather than surrender?**\n   A) Inalchuq\n   B) Jebe\n   C) The Shah\n   \
                D) Subutai\n   **Answer: C**";
    let expected = [
        "What was the name of the town that the Mongol army quickly seized? | Otrar",
        "Who fled rather than surrender? | The Shah",
    ];
    assert_eq!(exam(text), expected);
    // Flat, with letters in other dress.
    for (open, close) in [("", ")"), ("(", ")"), ("", "."), ("- ", ")")] {
        let options = ["Otrar", "Bukhara", "Merv"].iter().zip(["A", "B", "C"]);
        let options: String =
            options.map(|(town, letter)| format!("{open}{letter}{close} {town}\n")).collect();
        let text = format!(
            "1. Which town was seized?\n{options}Correct answer: {}A{close}\n2. Who fled?\n{options}Answer: B",
            open.trim_start_matches("- ")
        );
        assert_eq!(exam(&text), ["Which town was seized? | Otrar", "Who fled? | Bukhara"], "{text}");
    }
    let inline = "Q: Which town was seized? A) Merv B) Otrar C) Bukhara\nA: B) Otrar\nQ: What metal was it?\na) gold b) silver\nAnswer: b";
    assert_eq!(exam(inline), ["Which town was seized? | Otrar", "What metal was it? | silver"]);
    let marked = "1. Which town was seized?\n- A) Merv\n- B) Otrar (correct)\n2. Who fled?\n- A) The Shah ✓\n- B) Jebe\n";
    assert_eq!(exam(marked), ["Which town was seized? | Otrar", "Who fled? | The Shah"]);
    // Not answered, so not known; and a question about options is none without them.
    assert!(exam("1. Which town was seized?\nA) Merv\nB) Otrar\n").is_empty());
    assert!(exam("1. Which of the following towns was seized?\nA) Merv\nB) Otrar\nAnswer: B").is_empty());
}

#[test]
fn bold_labels_2() {
    let text = "Here are five questions about the passage:\n\n**Question 1:** Which town did the Mongol army quickly seize?\n**Answer:** Otrar\n\n\
                **Question 2:** What was poured into Inalchuq's ears and eyes?\n**Answer:** Molten silver\n\n**Question 3:** Who fled?\n**Answer:** The Shah.";
    let expected = [
        "Which town did the Mongol army quickly seize? | Otrar",
        "What was poured into Inalchuq's ears and eyes? | Molten silver",
        "Who fled? | The Shah",
    ];
    assert_eq!(exam(text), expected);
}

#[test]
fn facts_with_two_questions_3() {
    let text = "### Fact 1\n- **Question A:** Which town was quickly seized by the Mongols?\n- **Question B:** What town did the Mongol army take?\n\
                - **Short Answer:** Otrar\n\n### Fact 2: The generals\n- **Question A:** Whom did Genghis Khan order to hunt the Shah?\n\
                - **Question B:** Which two men hunted the Shah?\n- **Short Answer:** Subutai and Jebe\n- **Explanation:** He gave them 20,000 men.";
    let expected = [
        "Which town was quickly seized by the Mongols? / What town did the Mongol army take? | Otrar",
        "Whom did Genghis Khan order to hunt the Shah? / Which two men hunted the Shah? | Subutai and Jebe",
    ];
    assert_eq!(exam(text), expected);
}

#[test]
fn a_list_of_answers_at_the_end_4() {
    let questions =
        "1. Which town was quickly seized?\n2. What metal was molten?\n3. Who fled rather than surrender?\n";
    let expected = [
        "Which town was quickly seized? | Otrar",
        "What metal was molten? | silver",
        "Who fled rather than surrender? | The Shah",
    ];
    for answers in [
        "\nAnswers:\n1. Otrar\n2. silver\n3. The Shah",
        "\n**Answer Key**\n\n1. Otrar\n2. silver\n3. The Shah",
        "\n## Answers\n1) Otrar\n2) silver\n3) The Shah\n",
        "\nAnswers:\n- Otrar\n- silver\n- The Shah",
        "\nAnswer key:\nQ1: Otrar\nQ2: silver\nQ3: The Shah",
        "\n**Answer Key:** 1. Otrar 2. silver 3. The Shah",
        "\nAnswer 1: Otrar\nAnswer 2: silver\nAnswer 3: The Shah",
    ] {
        assert_eq!(exam(&format!("{questions}{answers}")), expected, "{answers}");
    }
    // By number, not by place.
    let some = format!("{questions}\nAnswers:\n3. The Shah\n1. Otrar");
    assert_eq!(exam(&some), [expected[2], expected[0]]);
    // A list that nothing answers is not answered by what follows it.
    assert!(exam(&format!("{questions}These questions cover the whole passage.")).is_empty());
}

#[test]
fn tables_5() {
    let text = "| # | Question | Answer |\n|---|---|---|\n| 1 | Which town was quickly seized? | Otrar |\n| 2 | Name the two generals. | Subutai and Jebe |";
    let expected = ["Which town was quickly seized? | Otrar", "Name the two generals. | Subutai and Jebe"];
    assert_eq!(exam(text), expected);
    let two = "| Fact | Question 1 | Question 2 | Short answer |\n|:--|:--|:--|--:|\n| 1 | **Which town?** | What town? | `Otrar` |";
    assert_eq!(exam(two), ["Which town? / What town? | Otrar"]);
    assert_eq!(exam("| 1 | Which town fell? | Otrar |"), ["Which town fell? | Otrar"]);
    assert_eq!(exam("Which town fell? | Otrar\n---|---\nWho fled? | The Shah"), ["Who fled? | The Shah"]);
}

#[test]
fn json_6() {
    let list =
        r#"[{"question": "Which town was seized?", "answer": "Otrar"}, {"q": "Who fled?", "a": "The Shah"}]"#;
    let expected = ["Which town was seized? | Otrar", "Who fled? | The Shah"];
    let pretty = list.replace(", ", ",\n  ").replace("[{", "[\n  {\n  ").replace("},", "\n  },");
    for text in [
        list.to_string(),
        pretty.clone(),
        format!("Here is the exam:\n\n```json\n{pretty}\n```\nI hope this helps!"),
        format!(r#"{{"questions": {list}}}"#),
        list.replace("}, {", "}\n{").replace(['[', ']'], ""),
        // Cut off by the limit of tokens.
        format!("{}, {{\"question\": \"What was", list.trim_end_matches(']')),
        r#"{"Which town was seized?": "Otrar", "Who fled?": "The Shah"}"#.into(),
        r#"{"questions": ["Which town was seized?", "Who fled?"], "answers": ["Otrar", "The Shah"]}"#.into(),
    ] {
        assert_eq!(exam(&text), expected, "{text}");
    }
    let rich = r#"{"question_1": "Which town?", "question_2": "What town?", "options": ["A) Merv", "B) Otrar"], "correct_answer": "B", "difficulty": "easy"}
                  {"question": "How many men?", "options": {"A": "2", "B": "20,000"}, "answer": "B"} {"question": "How many years?", "short_answer": 2}"#;
    assert_eq!(
        exam(rich),
        ["Which town? / What town? | Otrar", "How many men? | 20,000", "How many years? | 2"]
    );
}

#[test]
fn thoughts_7() {
    let cut = "<think>\nOkay, let me make an exam. First, the passage talks about the Shah's army. A question could be: What split the Shah's army?\n\
               The answer would be internecine feuds.";
    assert!(exam(cut).is_empty());
    let whole =
        format!("{cut}\n</think>\n\nQuestion: What split the Shah's army?\nAnswer: internecine feuds");
    assert_eq!(exam(&whole), ["What split the Shah's army? | internecine feuds"]);
}

#[test]
fn commands_true_or_false_and_blanks_8() {
    let text = "Q1: Name the two generals who hunted the Shah.\nA1: Genghis Khan ordered Subutai and Jebe to hunt down the Shah.\n\n\
                Q2: True or False: The Shah surrendered.\nA2: False. The Shah fled rather than surrender.\n\n\
                Q3: Fill in the blank: The Mongol army quickly seized the town of \\_\\_\\_\\_\\_.\nA3: Otrar";
    let expected = [
        "Name the two generals who hunted the Shah. | Genghis Khan ordered Subutai and Jebe to hunt down the Shah.",
        "True or False: The Shah surrendered. | False",
        "Fill in the blank: The Mongol army quickly seized the town of _____. | Otrar",
    ];
    assert_eq!(exam(text), expected);
    let bare = "1. True or False: The Shah surrendered.\nAnswer: False\n2. The Mongol army seized the town of ____. (Otrar)\n3. Name the metal.\n**Answer:** silver";
    let expected = [
        "True or False: The Shah surrendered. | False",
        "The Mongol army seized the town of ____. | Otrar",
        "Name the metal. | silver",
    ];
    assert_eq!(exam(bare), expected);
}

#[test]
fn alternatives_9_10_and_direct_questions_12() {
    let text = "1. Which town did the Mongol army seize?\n   - Alternative: What town fell to the Mongols?\n   - Short answer: Otrar\n\
                2. Who fled?\n   - Alternative wording: Which ruler did not surrender?\n   - Short answer: the Shah";
    let expected = [
        "Which town did the Mongol army seize? / What town fell to the Mongols? | Otrar",
        "Who fled? / Which ruler did not surrender? | the Shah",
    ];
    assert_eq!(exam(text), expected);
    let short = "Q.1) Which town was seized?\nAns: Otrar\nQ.2) Who fled?\nAns. The Shah";
    assert_eq!(exam(short), ["Which town was seized? | Otrar", "Who fled? | The Shah"]);
    let direct = "1. **Direct Question:** Which town was seized?\n   **Indirect Question:** Can you tell which town the Mongols took?\n   **Answer:** Otrar.";
    assert_eq!(exam(direct), ["Which town was seized? / Can you tell which town the Mongols took? | Otrar"]);
    let letters = "Q. Which town was seized?\nA. Otrar\n\nQ. Who fled?\nA. The Shah";
    assert_eq!(exam(letters), ["Which town was seized? | Otrar", "Who fled? | The Shah"]);
    assert_eq!(exam("Who wrote it?\nA. Smith"), ["Who wrote it? | A. Smith"]);
}

#[test]
fn parts_with_a_key_11() {
    let text = "**Part A: Multiple Choice**\n\n1. Which town was seized?\n   a) Otrar\n   b) Merv\n   c) Bukhara\n2. What metal was molten?\n   a) gold\n   \
                b) silver\n\n**Part B: Short Answer**\n\n3. Who fled rather than surrender?\n4. How many men did Subutai and Jebe have?\n\n**Answer Key**\n\n\
                1. a) Otrar\n2. b\n3. The Shah\n4. 20,000";
    let expected = [
        "Which town was seized? | Otrar",
        "What metal was molten? | silver",
        "Who fled rather than surrender? | The Shah",
        "How many men did Subutai and Jebe have? | 20,000",
    ];
    assert_eq!(exam(text), expected);
}

#[test]
fn other_languages_13_14() {
    for (text, expected) in [
        (
            "Frage 1: Welche Stadt nahmen die Mongolen ein?\nAntwort: Otrar",
            "Welche Stadt nahmen die Mongolen ein? | Otrar",
        ),
        ("**Frage 1:** Wer floh?\n**Kurze Antwort:** der Schah", "Wer floh? | der Schah"),
        ("Question 1 : Quelle ville fut prise ?\nRéponse : Otrar", "Quelle ville fut prise ? | Otrar"),
        ("Pregunta 1: ¿Qué ciudad tomaron?\nRespuesta: Otrar", "¿Qué ciudad tomaron? | Otrar"),
        ("问题1：蒙古军队迅速占领了哪座城？\n答案：讹答剌", "蒙古军队迅速占领了哪座城？ | 讹答剌"),
        ("问：哪座城被占领？\n答：讹答剌。", "哪座城被占领？ | 讹答剌"),
        ("**第１题**：哪座城被占领？\n**正确答案**：讹答剌", "哪座城被占领？ | 讹答剌"),
        ("１．哪座城被占领？\n答案：讹答剌", "哪座城被占领？ | 讹答剌"),
        ("質問１：どの町が占領されましたか？\n答え：オトラル", "どの町が占領されましたか？ | オトラル"),
        ("【质問】", ""),
        ("【問題】どの町ですか？\n【回答】オトラル", "どの町ですか？ | オトラル"),
    ] {
        assert_eq!(exam(text).join("; "), expected, "{text}");
    }
    let key = "1、哪座城被占领？\n2、谁逃走了？\n\n答案：\n1、讹答剌\n2、沙阿";
    assert_eq!(exam(key), ["哪座城被占领？ | 讹答剌", "谁逃走了？ | 沙阿"]);
}

#[test]
fn answers_of_several_lines() {
    for (text, expected) in [
        (
            "Question: Why did the Shah lose?\nAnswer: Because the army was split:\n- by feuds\n- by his decision",
            "Because the army was split: by feuds, by his decision",
        ),
        ("Question: Who hunted him?\nAnswer:\n- Subutai\n- Jebe\n\nQuestion: Open?", "Subutai, Jebe"),
        ("1. Who hunted him?\n   - Subutai\n   - Jebe\n2. Open?", "Subutai, Jebe"),
        ("Question: Who hunted him?\nAnswer:\n1. Subutai\n2. Jebe\n", "Subutai, Jebe"),
        (
            "**Question:** Why?\n**Answer:**\nThe army was split by feuds.\nThe Shah divided it.\n\nMore questions follow.",
            "The army was split by feuds. The Shah divided it.",
        ),
        (
            "Question: Why?\nAnswer: The army was split by feuds\nand by the Shah.",
            "The army was split by feuds and by the Shah.",
        ),
    ] {
        let facts = probes(text);
        assert_eq!(facts.iter().map(|fact| fact.answer.as_str()).collect::<Vec<_>>(), [expected], "{text}");
    }
}

#[test]
fn other_dress_of_two_wordings() {
    let expected =
        ["Which town was seized? / What town fell? | Otrar", "Who fled? / Which ruler fled? | The Shah"];
    for (first, second, answer) in [
        ("**Question N (Direct):** ", "**Question N (Paraphrased):** ", "**Answer:** "),
        ("**QNa.** ", "**QNb.** ", "**AN.** "),
        ("QN: ", "QN (alt): ", "AN: "),
        ("N. a) ", "   b) ", "   Answer: "),
        ("N. **Fact:** It is so.\n   - **Question 1:** ", "   - **Question 2:** ", "   - **Answer:** "),
        ("## Fact N\n- Way 1: ", "- Way 2: ", "- Correct answer: "),
    ] {
        let fact = |number: &str, one: &str, two: &str, said: &str| {
            format!("{first}{one}\n{second}{two}\n{answer}{said}\n\n").replace('N', number)
        };
        let text = fact("1", "Which town was seized?", "What town fell?", "Otrar")
            + &fact("2", "Who fled?", "Which ruler fled?", "The Shah");
        assert_eq!(exam(&text), expected, "{text}");
    }
}

#[test]
fn two_numbered_wordings_are_one_fact_but_a_list_is_not() {
    let two = "**Fact 1**\n1. Which town was seized?\n2. What town fell?\nAnswer: Otrar\n**Fact 2**\n1. Who fled?\n2. Which ruler ran?\nAnswer: the Shah";
    assert_eq!(
        exam(two),
        ["Which town was seized? / What town fell? | Otrar", "Who fled? / Which ruler ran? | the Shah"]
    );
    let list = "1. Which town was seized?\n2. What metal was it?\n3. Who fled?\nAnswer: The Shah";
    assert_eq!(exam(list), ["Who fled? | The Shah"]);
}

#[test]
fn a_looping_exam_gives_each_question_once() {
    let text = "Question: Which town was seized?\nAnswer: Otrar\n".repeat(50);
    assert_eq!(exam(&text), ["Which town was seized? | Otrar"]);
}

#[test]
fn question_marks_within_a_question_do_not_end_it() {
    assert_eq!(exam("Question 3: 3) Did it fall?\nAnswer 3: 3) Yes"), ["Did it fall? | Yes"]);
    let text = "Question: Who said \"Shall we flee?\" to the Shah??\nAnswer: Inalchuq";
    assert_eq!(exam(text), ["Who said \"Shall we flee?\" to the Shah? | Inalchuq"]);
    assert_eq!(exam("1. What does `?id=5` mean? the fifth"), ["What does ?id=5 mean? | the fifth"]);
    assert_eq!(
        exam("Question 2: 2. Which town was seized??\nAnswer 2: \"Otrar\""),
        ["Which town was seized? | Otrar"]
    );
}
