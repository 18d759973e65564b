//! The prompts, one file each in `prompts/`, and the places in them that text is put into.
//!
//! nano's recipe reads the same files, so that the embedded model knows the very prompts that it is given. A file ends with one line end
//! that is not part of the prompt. What other models are given is in `exam` and `study`; only questions are put to both alike.

use super::session::Question;
use seald_core::domain::self_edit::Format;
use seald_engine::embedded::NANO;
use seald_engine::model::Model;

/// A prompt: its text with `{title}`, `{passage}` and `{question}` in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prompt(&'static str);

macro_rules! prompt {
    ($name:literal) => {
        Prompt(include_str!(concat!("prompts/", $name, ".txt")))
    };
}

/// Which prompts a model gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PromptSet {
    /// Those that nano's recipe taught it: one line of instruction, no example.
    Nano,
    /// For every other model, base or instruct: texts that go on after worked examples, and questions that ask for brevity.
    General,
}

impl PromptSet {
    /// The set for a model. Whoever was made by nano's recipe has nano's chat template.
    pub fn of(model: &Model) -> Self {
        let nano = NANO.tokenizer.chat_template;
        let same =
            |source: &str| nano.is_some_and(|nano| source.trim_end().as_bytes() == nano.trim_ascii_end());
        let taught = model.chat.as_ref().is_some_and(|chat| same(chat.source()));
        if taught { PromptSet::Nano } else { PromptSet::General }
    }

    /// What a user says to ask a question that is graded. Without a word on it an instruct model answers in sentences, and how it words them
    /// would be measured in place of what it knows.
    pub fn asked(self, question: &Question<'_>) -> String {
        match (self, question.passage) {
            (Self::Nano, Some((title, passage))) => self.in_sight(title, passage, question.text),
            (Self::Nano, None) => CLOSED_BOOK.fill(Fill { question: question.text, ..Fill::default() }),
            (Self::General, Some((title, passage))) => self.in_sight(title, passage, &brief(question.text)),
            (Self::General, None) => brief(question.text),
        }
    }

    /// What a user says who shows a passage and asks about it.
    pub fn in_sight(self, title: &str, passage: &str, question: &str) -> String {
        match self {
            Self::Nano => OPEN_BOOK.fill(Fill { title, passage, question }),
            // The passage comes first, so that it is read once for all its questions.
            Self::General => format!("{title}\n{passage}\n\n{question}"),
        }
    }
}

/// A question with the wish for a short answer.
pub fn brief(question: &str) -> String {
    format!("{question}\nAnswer with as few words as possible.")
}

/// Asks for probes.
pub const PROBES: Prompt = prompt!("probes");
/// Asks how to train on a passage.
pub const DIRECTIVE: Prompt = prompt!("directive");
/// A question with the passage in sight.
pub const OPEN_BOOK: Prompt = prompt!("answer_open_book");
/// A question alone.
pub const CLOSED_BOOK: Prompt = prompt!("answer_closed_book");

/// Asks for a self-edit.
pub fn self_edit(format: Format) -> Prompt {
    match format {
        Format::Implications => prompt!("implications"),
        Format::ImplicationsLong => prompt!("implications_long"),
        Format::Rewrite => prompt!("rewrite"),
        Format::SelfQa => prompt!("self_qa"),
        Format::KeyFacts => prompt!("key_facts"),
        Format::StudyNote => prompt!("study_note"),
    }
}

/// What a prompt is filled with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fill<'a> {
    /// Title of the document.
    pub title: &'a str,
    /// The passage.
    pub passage: &'a str,
    /// The question.
    pub question: &'a str,
}

impl Prompt {
    /// The prompt with its places filled, in one pass: a document that has `{question}` in it keeps it.
    pub fn fill(self, fill: Fill<'_>) -> String {
        let mut out = String::new();
        let mut rest = self.text();
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let (value, after) = match after.split_once('}') {
                Some(("title", after)) => (fill.title, after),
                Some(("passage", after)) => (fill.passage, after),
                Some(("question", after)) => (fill.question, after),
                _ => ("{", after),
            };
            out.push_str(value);
            rest = after;
        }
        out.push_str(rest);
        out
    }

    /// BLAKE3 of the prompt's text, 16 hexadecimal digits: records say which wording was used.
    pub fn version(self) -> String {
        blake3::hash(self.text().as_bytes()).to_hex()[..16].to_string()
    }

    fn text(self) -> &'static str {
        self.0.strip_suffix('\n').unwrap_or(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fills_a_place_is_not_filled_again() {
        let fill = Fill { title: "{passage}", passage: "a {question} b {", question: "Who?" };
        let text = OPEN_BOOK.fill(fill);
        assert!(text.ends_with("\n{passage}\na {question} b {\n\nQuestion: Who?"), "{text:?}");
    }

    #[test]
    fn every_format_has_its_own_prompt() {
        let mut versions: Vec<_> = Format::ALL.iter().map(|f| self_edit(*f).version()).collect();
        versions.extend([PROBES, DIRECTIVE, OPEN_BOOK, CLOSED_BOOK].map(Prompt::version));
        let all = versions.len();
        versions.sort();
        versions.dedup();
        assert_eq!(versions.len(), all);
        for format in Format::ALL {
            assert!(
                self_edit(*format)
                    .fill(Fill { passage: "THE PASSAGE", ..Fill::default() })
                    .contains("THE PASSAGE")
            );
        }
    }
}
