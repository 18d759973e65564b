//! Copies of probes in scripts without spaces.

use super::super::leaks::Leaks;
use super::*;

#[test]
fn a_statement_in_chinese_or_japanese_is_no_copy_of_a_question_about_it() {
    for (question, answer, statement) in [
        ("蒙古军队迅速占领了哪座城？", "讹答剌", "蒙古军队迅速占领了讹答剌城。"),
        ("成吉思汗命令谁去追捕沙阿？", "速不台和哲别", "成吉思汗命令速不台和哲别去追捕沙阿。"),
        (
            "モンゴル軍がすぐに占領した町はどこですか？",
            "オトラル",
            "モンゴル軍はすぐにオトラルの町を占領した。",
        ),
    ] {
        let leaks = Leaks::new(&[probe(question, answer)], "");
        assert_eq!(leaks.of_statement(statement), None, "{statement}");
        assert!(leaks.of_statement(question).is_some());
        assert!(leaks.of_turn(question, answer).is_some());
    }
}

#[test]
fn twenty_four_signs_in_a_row_are_a_copy() {
    let question = "在战斗快要结束的时候宁愿逃走也不愿意向蒙古人投降的统治者究竟是谁？";
    let leaks = Leaks::new(&[probe(question, "沙阿")], "");
    let long = "沙阿：在战斗快要结束的时候宁愿逃走也不愿意向蒙古人投降的统治者，后来他在自己帝国境内的一个小岛上神秘地死去了。";
    assert_eq!(leaks.of_statement(long).as_deref(), Some("shares 8 words in a row with a probe"));
    let short = "在战斗快要结束的时候宁愿逃走的沙阿，后来他在自己帝国境内的一个小岛上神秘地死去了。";
    assert_eq!(leaks.of_statement(short), None);
}

#[test]
fn the_title_before_a_question_makes_no_copy_of_another() {
    let title = "Minutes of the Harrow Lane garden committee, 14 October";
    let asked = |question: &str| format!("In \"{title}\": {question}");
    let leaks = Leaks::new(&[probe(&asked("What did the new shed cost?"), "1,840 pounds")], title);
    assert_eq!(leaks.of_turn("How many pounds were paid for the shed?", "1,840 pounds"), None);
    assert!(leaks.of_turn("What did the new shed cost?", "1,840 pounds").is_some());
    let other = turn(&asked("How many pounds were paid for the shed?"), "1,840 pounds");
    let copy = turn(&asked("What did the new shed cost?"), "1,840 pounds");
    let parsed = Parsed { rows: vec![other.clone(), copy], dropped: vec![] };
    // The probe needs no title; its copy has one before it.
    let probes = [probe("What did the new shed cost?", "1,840 pounds")];
    let passage = "The new shed cost 1,840 pounds, which were paid in October.";
    let kept = filter(parsed, title, passage, &probes, &FilterOptions::default(), &mut |_| 10);
    assert_eq!(kept.rows, [other], "{:?}", kept.dropped);
    assert_eq!(kept.dropped[0].reason, "asks what a probe asks, word for word");
}
