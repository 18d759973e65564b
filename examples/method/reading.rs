//! How well a model answers questions about a text that it has in sight, which training on answers from memory may spoil.

use seald_core::error::Result;
use seald_engine::lora::Adapter;
use seald_learn::controls::{self, Control};
use seald_learn::session::{Question, Session};

/// Which of the questions about the twelve invented texts are answered right, the text in sight.
pub(crate) fn right(session: &Session<'_>, adapter: Option<&Adapter>) -> Result<Vec<bool>> {
    let controls = controls::in_sight(session)?;
    let questions: Vec<Question<'_>> = controls.iter().map(Control::in_sight).collect();
    session.right(&questions, adapter)
}
