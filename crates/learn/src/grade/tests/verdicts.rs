//! Measures the grader against a judge's verdicts, which are not part of this repository. `SEALD_VERDICTS` names a file with one
//! JSON object a line: `question`, `accepted`, `answer` and `right`. Run with
//! `SEALD_VERDICTS=verdicts.jsonl cargo test -p seald-learn --lib verdicts -- --ignored --nocapture`.
//! `SEALD_SHOW=wrong` or `SEALD_SHOW=missed` lists what the grader takes for right, or misses, against the judge, in the half of
//! the questions that the rules were tuned on.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::{grade, grade_with_rivals};

/// Answers on which the grader and the judge agree and not.
#[derive(Default)]
struct Count {
    all: u32,
    wrongly_right: u32,
    missed: u32,
}

impl Count {
    fn add(&mut self, ours: bool, judge: bool) {
        self.all += 1;
        self.wrongly_right += u32::from(ours && !judge);
        self.missed += u32::from(judge && !ours);
    }

    fn line(&self) -> String {
        let share = |count: u32| 100.0 * f64::from(count) / f64::from(self.all.max(1));
        let agree = self.all - self.wrongly_right - self.missed;
        format!(
            "{} answers: agreement {:.1} %, false accepts {:.1} %, false rejects {:.1} %",
            self.all,
            share(agree),
            share(self.wrongly_right),
            share(self.missed)
        )
    }
}

/// Questions are halved, not answers: the same question comes with some seventeen answers.
fn held_out(question: &str) -> bool {
    let hash = question
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    (hash >> 32) & 1 == 1
}

#[test]
#[ignore = "needs the file of verdicts in SEALD_VERDICTS"]
fn against_a_judge() {
    let path = std::env::var("SEALD_VERDICTS").expect("SEALD_VERDICTS names the file of verdicts");
    let show = std::env::var("SEALD_SHOW").unwrap_or_default();
    let text = std::fs::read_to_string(&path).unwrap();
    let mut counts: BTreeMap<(&str, &str), Count> = BTreeMap::new();
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let field = |name: &str| row[name].as_str().unwrap();
        let (question, answer, judge) = (field("question"), field("answer"), row["right"].as_bool().unwrap());
        let accepted = [field("accepted").to_string()];
        let half = if held_out(question) { "held out" } else { "tuned on" };
        let bare = grade(answer, &accepted);
        let asked = grade_with_rivals(question, answer, &accepted, &[]);
        for (name, ours) in [("grade", bare.right), ("with the question", asked.right)] {
            counts.entry((name, half)).or_default().add(ours, judge);
        }
        let differs = match show.as_str() {
            "wrong" => asked.right && !judge,
            "missed" => judge && !asked.right,
            _ => false,
        };
        if differs && half == "tuned on" {
            eprintln!("{:.2} | {question} | {} | {answer:?}", asked.recall, accepted[0]);
        }
    }
    for ((name, half), count) in counts {
        eprintln!("{name}, {half}: {}", count.line());
    }
}
