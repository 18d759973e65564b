//! Thinking, which is always off: how templates are told so, and the empty block by which some of them tell the model.
//!
//! A model that thinks before it answers spends an answer's tokens on the thought, and would learn the form of thinking
//! instead of what a document says. With thinking off, many templates put an empty block, `<think>\n\n</think>\n\n`,
//! before the answer. It belongs to the prompt, in training as in generation: as a target it would be worth more than
//! the answer, and the first step of any training would earn it (huggingface/trl#3387).
//!
//! Not all templates write it on both occasions, so what is missing on one is taken from the other.

/// What templates read to leave thinking out. One that reads neither is not changed by them.
///
/// - `enable_thinking`: Qwen3 and Qwen3.5, SmolLM3, Hunyuan, GLM 4.5, EXAONE 4, Nemotron 3, Intern-S1, Cogito
/// - `thinking`: Granite 3, DeepSeek V3.1, Hermes 4
///
/// Switches whose value is a word (`reasoning_effort`, `thinking_mode`) are left alone: families disagree on the words,
/// and some templates refuse one that they do not know. SmolLM3's `/no_think` in a system message does what its variable
/// does.
pub(super) const SWITCHES: [(&str, bool); 2] = [("enable_thinking", false), ("thinking", false)];

/// An answer without thinking, to see what a template writes before one. Not in any empty block, and nothing to trim.
pub(super) const ANSWER: &str = "x";

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Whether a template or a message has to do with such blocks at all.
pub(super) fn is_named_in(text: &str) -> bool {
    text.contains(CLOSE)
}

/// The empty block, or the end of the one that `prompt` opens, that a template writes before an answer but not into its
/// prompt. `answered` is the conversation of `prompt` with [`ANSWER`] behind it.
pub(super) fn missing_in_prompt<'t>(prompt: &str, answered: &'t str) -> Option<&'t str> {
    let rest = answered.strip_prefix(prompt)?;
    let before = &rest[..rest.find(ANSWER)?];
    is_empty_block(before).then_some(before)
}

/// `rendered`, a conversation that ends with an answer, with the empty block of the answer's prompt put in where the
/// template left it out. An answer that has a block of its own stays as it is.
pub(super) fn completed(rendered: String, prompt: &str) -> String {
    let Some(at) = block_at_end(prompt).filter(|_| !rendered.starts_with(prompt)) else { return rendered };
    match rendered.strip_prefix(&prompt[..at]) {
        Some(answer) if !answer.trim_start().starts_with(OPEN) => format!("{prompt}{answer}"),
        _ => rendered,
    }
}

/// Where the empty block begins with which `prompt` ends.
fn block_at_end(prompt: &str) -> Option<usize> {
    prompt.rfind(OPEN).filter(|&at| is_empty_block(&prompt[at..]))
}

/// Whether `text` is a block without a thought, white space aside; its beginning may stand elsewhere.
fn is_empty_block(text: &str) -> bool {
    let text = text.trim();
    text.strip_prefix(OPEN).unwrap_or(text).trim_start() == CLOSE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_prompt_lacks_is_an_empty_block_and_nothing_else() {
        for (prompt, answered, missing) in [
            ("A:", "A:<think>\n\n</think>\n\nx.", Some("<think>\n\n</think>\n\n")),
            ("A:<think>\n", "A:<think>\n\n</think>\n\nx.", Some("\n</think>\n\n")),
            ("A:", "A:</think>x.", Some("</think>")),
            ("A:<think>\n\n</think>\n\n", "A:<think>\n\n</think>\n\nx.", None),
            ("A:", "A: x.", None),
            ("A:", "A:<think>so</think>x.", None),
            ("A:", "A:<reasoning></think>x.", None),
            ("A:<think>\n", "A:x.", None),
            ("A:", "B:<think></think>x.", None),
            ("A:", "A:<think></think>", None),
        ] {
            assert_eq!(missing_in_prompt(prompt, answered), missing, "{prompt:?} {answered:?}");
        }
    }

    #[test]
    fn a_conversation_gets_the_block_of_its_prompt_once() {
        for (rendered, prompt, expected) in [
            ("A:b.", "A:<think>\n\n</think>\n\n", "A:<think>\n\n</think>\n\nb."),
            ("A:<think></think>b.", "A:<think></think>", "A:<think></think>b."),
            ("A:<think>so</think>b.", "A:<think></think>", "A:<think>so</think>b."),
            ("A:b.", "A:<think>\n", "A:b."),
            ("A:b.", "A:</think>", "A:b."),
            ("A:b.", "A:", "A:b."),
            ("B:b.", "A:<think></think>", "B:b."),
        ] {
            assert_eq!(completed(rendered.to_string(), prompt), expected, "{rendered:?} {prompt:?}");
        }
    }
}
