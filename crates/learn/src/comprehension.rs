//! Whether a model still reads what is before it: questions about invented texts, the text in sight, asked of the base and of a candidate.

use std::cell::OnceCell;

use super::controls::{self, Control};
use super::paired::{Changes, Paired};
use super::session::{Question, Session};
use super::stats;
use seald_core::domain::progress::Task;
use seald_core::error::Result;
use seald_engine::lora::Adapter;

/// The questions, with what the base makes of them: asked of the base once.
#[derive(Debug, Default)]
pub struct Comprehension {
    first: Part,
    further: Part,
}

/// Questions that are asked together.
#[derive(Debug, Default)]
struct Part {
    controls: Vec<Control>,
    right_before: OnceCell<Vec<bool>>,
}

/// What explains losses: a rate, and chance at a level.
#[derive(Debug, Clone, Copy)]
pub struct Tolerance {
    /// Share of right answers that may be lost, 0 to 1.
    pub rate: f64,
    /// Losses are too many when the rate explains as many or more with this probability or less, in (0, 1).
    pub level: f64,
}

impl Comprehension {
    /// The questions that fit this model's context; none for a model with nano's prompts.
    ///
    /// # Errors
    /// From the tokenizer or the chat template.
    pub fn new(session: &Session<'_>) -> Result<Self> {
        let part = |controls| Part { controls, right_before: OnceCell::new() };
        Ok(Self {
            first: part(controls::in_sight(session)?),
            further: part(controls::among_others(session)?),
        })
    }

    /// What the base and `adapter` answer to the first questions alone, 96 where the context holds them.
    ///
    /// # Errors
    /// From the engine.
    pub fn first(&self, session: &Session<'_>, adapter: Option<&Adapter>) -> Result<Vec<Paired>> {
        self.first.compare(session, adapter)
    }

    /// What the base and `adapter` answer to the first questions; where `tolerance` alone does not explain what is lost, to the further ones too: some of the
    /// answers turn one way or the other after any training, and more of them tell harm from chance.
    ///
    /// # Errors
    /// From the engine.
    pub fn compare(
        &self,
        session: &Session<'_>,
        adapter: Option<&Adapter>,
        tolerance: Tolerance,
    ) -> Result<Vec<Paired>> {
        let mut pairs = self.first(session, adapter)?;
        let changes = Changes::of(&pairs);
        if changes.fewer() > stats::losses_allowed(changes.known, tolerance.rate, tolerance.level) {
            pairs.extend(self.further.compare(session, adapter)?);
        }
        Ok(pairs)
    }
}

impl Part {
    fn compare(&self, session: &Session<'_>, adapter: Option<&Adapter>) -> Result<Vec<Paired>> {
        session.work.doing(Task::AnswerReading, || self.ask_both(session, adapter))
    }

    fn ask_both(&self, session: &Session<'_>, adapter: Option<&Adapter>) -> Result<Vec<Paired>> {
        let questions: Vec<Question<'_>> = self.controls.iter().map(Control::in_sight).collect();
        let before = match self.right_before.get() {
            Some(before) => before,
            None => {
                let right = session.right(&questions, None)?;
                self.right_before.get_or_init(|| right)
            }
        };
        let after = session.right(&questions, adapter)?;
        let pair =
            |(right_before, right_after): (&bool, bool)| Paired { right_before: *right_before, right_after };
        Ok(before.iter().zip(after).map(pair).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::AtomicBool;

    use seald_engine::kernels::cpu::Isa;
    use seald_engine::kernels::{Compute, Precision};
    use seald_engine::model::Model;

    use super::*;
    use crate::options::LearnOptions;
    use crate::prompt::PromptSet;

    #[test]
    fn where_more_are_lost_than_allowed_three_times_as_many_are_asked() {
        static NEVER: AtomicBool = AtomicBool::new(false);
        let compute = Compute::cpu(Precision::F32, Isa::detect(), 1).unwrap();
        let model = Model::open(Path::new("nano"), &compute).unwrap();
        let mut session = Session::new(&model, LearnOptions::default(), &NEVER).unwrap();
        session.prompts = PromptSet::General;
        let tolerance = Tolerance { rate: 0.03, level: 0.05 };
        let asked = Comprehension::new(&session).unwrap();
        let first = asked.compare(&session, None, tolerance).unwrap();
        assert!(first.len() > 90 && first.len() == asked.first.controls.len());
        assert!(asked.further.right_before.get().is_none(), "asked only where they are needed");
        // As if the base had answered every one: nano, with prompts that are not its own, answers next to none. Two texts are beyond its context.
        let mut asked = Comprehension::new(&session).unwrap();
        asked.further.controls = [asked.first.controls.clone(), asked.first.controls.clone()].concat();
        asked.first.right_before.set(vec![true; first.len()]).unwrap();
        let all = asked.compare(&session, None, tolerance).unwrap();
        assert_eq!(all.len(), 3 * first.len());
    }
}
