//! Control questions: about twelve invented texts that no document says anything of. What a training changes in their answers is style or luck, and
//! what it changes in a document's own counts only beyond that.

use serde::Deserialize;

use super::exam;
use super::prompt::PromptSet;
use super::session::{Question, Session};
use seald_core::error::Result;

/// Questions about each text.
pub const QUESTIONS: usize = 8;

/// An invented text with its questions.
#[derive(Debug, Clone, Deserialize)]
pub struct ControlText {
    /// What it is about.
    pub title: String,
    /// The text, some 130 words.
    pub passage: String,
    /// Eight questions, each answered by words of the text.
    pub questions: Vec<ControlQuestion>,
}

/// A question that only its text answers.
#[derive(Debug, Clone, Deserialize)]
pub struct ControlQuestion {
    /// The question.
    pub question: String,
    /// The answer.
    pub answer: String,
}

/// A control question ready to be put.
#[derive(Debug, Clone)]
pub struct Control {
    title: String,
    passage: String,
    question: String,
    answers: Vec<String>,
    decoys: Vec<String>,
}

/// Every text.
pub fn texts() -> Vec<ControlText> {
    #[expect(clippy::expect_used, reason = "the file is part of the program, and a test reads it")]
    serde_json::from_str(include_str!("controls.json")).expect("controls.json")
}

/// The controls of a judgement: three of each text, 36. With as many, the error of their mean is small beside that of a document's own facts.
/// None for nano, whose style of answering training leaves as it is.
pub fn of(session: &Session<'_>) -> Vec<Control> {
    match session.prompts {
        PromptSet::Nano => Vec::new(),
        PromptSet::General => all(3),
    }
}

/// Every question, to be put with its text in sight, as far as the model's context holds it. None for nano.
///
/// # Errors
/// From the tokenizer or the chat template.
pub fn in_sight(session: &Session<'_>) -> Result<Vec<Control>> {
    match session.prompts {
        PromptSet::Nano => Ok(Vec::new()),
        PromptSet::General => fitting(session, all(QUESTIONS)),
    }
}

/// Every question twice, with another of the texts in sight before its own and after it, as far as the model's context holds both. None for nano.
///
/// # Errors
/// From the tokenizer or the chat template.
pub fn among_others(session: &Session<'_>) -> Result<Vec<Control>> {
    match session.prompts {
        PromptSet::Nano => Ok(Vec::new()),
        PromptSet::General => fitting(session, with_others()),
    }
}

/// Every question twice, with another of the texts before its own and after it.
fn with_others() -> Vec<Control> {
    let texts = texts();
    let mut controls = Vec::with_capacity(2 * texts.len() * QUESTIONS);
    for (text, other) in texts.iter().zip(texts.iter().cycle().skip(1)) {
        for (first, second) in [(other, text), (text, other)] {
            let passage = format!("{}\n\n{}\n{}", first.passage, second.title, second.passage);
            let both = |control| Control { title: first.title.clone(), passage: passage.clone(), ..control };
            controls.extend(text.controls(QUESTIONS).into_iter().map(both));
        }
    }
    controls
}

/// Those that the model's context holds with their texts and an answer.
pub(super) fn fitting(session: &Session<'_>, controls: Vec<Control>) -> Result<Vec<Control>> {
    let mut found = Vec::with_capacity(controls.len());
    for control in controls {
        if session.leaves_room(&session.prompts.asked(&control.in_sight()))? {
            found.push(control);
        }
    }
    Ok(found)
}

/// `each` questions of every text, spread over it.
pub fn all(each: usize) -> Vec<Control> {
    texts().iter().flat_map(|text| text.controls(each)).collect()
}

impl ControlText {
    /// `each` of its questions at most, 1 or more, spread over the text.
    pub fn controls(&self, each: usize) -> Vec<Control> {
        let step = self.questions.len().div_ceil(each).max(1);
        let control = |ControlQuestion { question, answer }: &ControlQuestion| {
            let answers = vec![answer.clone()];
            let decoys = exam::decoys(question, &answers, &self.passage);
            let (title, passage) = (self.title.clone(), self.passage.clone());
            Control { title, passage, question: question.clone(), answers, decoys }
        };
        self.questions.iter().step_by(step).take(each).map(control).collect()
    }
}

impl Control {
    /// The question, without its text.
    pub fn question(&self) -> Question<'_> {
        Question { text: &self.question, answers: &self.answers, passage: None, decoys: &self.decoys }
    }

    /// The question, its text in sight.
    pub fn in_sight(&self) -> Question<'_> {
        Question { passage: Some((&self.title, &self.passage)), ..self.question() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_answers_its_questions() {
        let texts = texts();
        assert_eq!(texts.len(), 12);
        for text in &texts {
            assert_eq!(text.questions.len(), QUESTIONS, "{}", text.title);
            for ControlQuestion { question, answer } in &text.questions {
                assert!(text.passage.contains(answer), "{answer:?} is not in {}", text.title);
                assert!(!question.to_lowercase().contains(&answer.to_lowercase()), "{question}");
            }
        }
    }

    #[test]
    fn another_text_stands_before_or_after_the_one_that_answers() {
        let controls = with_others();
        assert_eq!(controls.len(), 2 * 12 * QUESTIONS);
        for (texts, asked) in texts().iter().zip(controls.chunks(2 * QUESTIONS)) {
            for (place, control) in asked.iter().enumerate() {
                assert_eq!(control.question, texts.questions[place % QUESTIONS].question);
                let own_is_last =
                    control.passage.ends_with(&format!("\n\n{}\n{}", texts.title, texts.passage));
                assert_eq!(own_is_last, place < QUESTIONS);
                assert_eq!(control.title == texts.title, place >= QUESTIONS);
                assert_eq!(control.passage.starts_with(&texts.passage), place >= QUESTIONS);
            }
        }
    }

    #[test]
    fn every_control_has_its_decoys() {
        let controls = all(3);
        assert_eq!(controls.len(), 36);
        for control in &controls {
            assert_eq!(control.question().decoys.len(), exam::DECOYS, "{}", control.question);
        }
    }
}
