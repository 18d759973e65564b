//! Passages with the questions that people asked about them.

use serde::{Deserialize, Serialize};

use seald_core::error::Result;
use seald_engine::lora::Adapter;
use seald_learn::session::{Question, Session};
use seald_learn::{exam, stats};

/// A passage as SQuAD has it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Passage {
    pub(crate) title: String,
    pub(crate) context: String,
    questions: Vec<HumanQuestion>,
}

#[derive(Debug, Clone, Deserialize)]
struct HumanQuestion {
    question: String,
    answer: String,
}

/// Right answers and mean margin.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Score {
    pub(crate) asked: usize,
    pub(crate) right: usize,
    pub(crate) margin: f64,
}

/// What was said to the questions of people.
pub(crate) struct Said {
    pub(crate) score: Score,
    /// Which answers are right.
    pub(crate) right: Vec<bool>,
    /// Question, accepted answer, answer.
    pub(crate) answers: Vec<(String, String, String)>,
}

/// The questions of people, with decoys.
pub(crate) struct Human {
    questions: Vec<(String, Vec<String>, Vec<String>)>,
}

impl Human {
    pub(crate) fn new(passage: &Passage) -> Self {
        let of = |q: &HumanQuestion| {
            let answers = vec![q.answer.clone()];
            let decoys = exam::decoys(&q.question, &answers, &passage.context);
            (q.question.clone(), answers, decoys)
        };
        Self { questions: passage.questions.iter().map(of).collect() }
    }

    /// What is said with an adapter, or with the passage in sight.
    pub(crate) fn ask(
        &self,
        session: &Session<'_>,
        adapter: Option<&Adapter>,
        sight: Option<&Passage>,
    ) -> Result<Said> {
        let passage = sight.map(|p| (p.title.as_str(), p.context.as_str()));
        let questions: Vec<Question<'_>> = self
            .questions
            .iter()
            .map(|(text, answers, decoys)| Question { text, answers, passage, decoys })
            .collect();
        let answered = session.ask(&questions, adapter)?;
        let right: Vec<bool> = answered.iter().map(|a| a.grade.right).collect();
        let margin = stats::mean(&answered.iter().map(|a| a.score()).collect::<Vec<_>>());
        let said = self.questions.iter().zip(answered);
        let said = said.map(|((question, answers, _), a)| (question.clone(), answers[0].clone(), a.text));
        let score = Score { asked: right.len(), right: right.iter().filter(|r| **r).count(), margin };
        Ok(Said { score, right, answers: said.collect() })
    }
}
