//! Answering a person: the prompt that learning trained for, after what was said before.

use super::Model;
use super::prompt::{self, Fill};
use seald_core::error::Result;
use seald_engine::chat::{Message, Role};

/// Tokens of a conversation up to where the model answers. A model without chat template gets the texts, each with a line end.
///
/// # Errors
/// From the tokenizer and the template.
pub fn prompt_tokens(model: &Model, messages: &[Message]) -> Result<Vec<u32>> {
    match &model.chat {
        Some(chat) => chat.encode_prompt(&model.tokenizer, messages),
        None => {
            let text: String = messages.iter().map(|m| format!("{}\n", m.content)).collect();
            model.tokenizer.encode_document(&text)
        }
    }
}

/// Tokens of a question after earlier questions and answers, the oldest of which are left out where fewer than `room` tokens would be left
/// for the answer.
///
/// # Errors
/// As [`prompt_tokens`].
pub fn question_tokens(
    model: &Model,
    question: &str,
    earlier: &[(String, String)],
    room: usize,
) -> Result<Vec<u32>> {
    let context = model.decoder.config().max_position_embeddings;
    let asked = |question: &str| prompt::CLOSED_BOOK.fill(Fill { question, ..Fill::default() });
    let mut first = 0;
    loop {
        let mut messages: Vec<Message> = earlier[first..]
            .iter()
            .flat_map(|(q, a)| [Message::new(Role::User, asked(q)), Message::new(Role::Assistant, a)])
            .collect();
        messages.push(Message::new(Role::User, asked(question)));
        let tokens = prompt_tokens(model, &messages)?;
        if tokens.len() + room <= context || first == earlier.len() {
            return Ok(tokens);
        }
        first += 1;
    }
}
