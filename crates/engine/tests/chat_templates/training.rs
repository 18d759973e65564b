//! What training learns from a conversation: the assistant's words and the end of each turn, nothing else.

use seald_core::Kind;
use seald_engine::chat::{Message, Role};

use super::{Case, NAMES, chat_of, learned, load, read, stream, tokenizer, turns};

#[test]
fn training_learns_the_assistants_words_and_the_end_of_its_turn() {
    let cases: Vec<Case> = read("cases.json");
    for name in NAMES {
        let (tokenizer, chat) = load(name);
        let end = if name == "llama3" { "<|eot_id|>" } else { "<|im_end|>" };
        let of_name = cases.iter().filter(|c| c.tokenizer == name && !c.add_generation_prompt);
        for case in of_name.filter(|c| c.messages.iter().any(|m| m.role == Role::Assistant)) {
            let (ids, mask) = chat.encode_training(&tokenizer, &case.messages).unwrap();
            let said = case.messages.iter().filter(|m| m.role == Role::Assistant).map(|m| {
                let content = if name == "llama3" { m.content.trim() } else { m.content.as_str() };
                format!("{content}{end}")
            });
            assert_eq!(learned(&tokenizer, &ids, &mask), said.collect::<Vec<_>>(), "{name}: {}", case.name);
            // Qwen's normalizer (NFC) composes "e" + U+0301: there the text does not come back letter by letter.
            if (name, case.name.as_str()) != ("qwen", "unicode") {
                assert_eq!(tokenizer.decode(&ids, false).unwrap(), case.text, "{name}: {}", case.name);
            }
            // The last of each run is the real end-of-turn token, not text that looks like it.
            for i in (1..ids.len()).filter(|&i| mask[i - 1] && !mask[i]) {
                assert_eq!(ids[i - 1], tokenizer.token_id(end).unwrap(), "{name}: {}", case.name);
            }
            if case.name != "spaces at the ends" {
                assert_eq!(ids, case.ids, "{name}: {}", case.name);
            }
        }
    }
}

#[test]
fn training_continues_the_prompt_that_generation_sees() {
    // "\n" + "\n\nb" is one token in transformers' ids; generation can only answer a prompt that ends with "\n".
    let answer = turns(&[(Role::User, "a"), (Role::Assistant, "\n\nb")]);
    let (tokenizer, chat) = load("nano");
    let prompt = chat.encode_prompt(&tokenizer, &answer[..1]).unwrap();
    let (ids, mask) = chat.encode_training(&tokenizer, &answer).unwrap();
    assert_ne!(
        ids,
        chat.encode(&tokenizer, &answer, false).unwrap(),
        "the case does not show what it should"
    );
    assert_eq!(ids[..prompt.len()], prompt);
    assert_eq!(mask.iter().position(|&m| m), Some(prompt.len()));
}

#[test]
fn spaces_of_sentencepiece_streams_and_masks() {
    let (tokenizer, chat) = load("llama2");
    let messages = turns(&[
        (Role::User, "Hello </s> there"),
        (Role::Assistant, "日 ships </s>"),
        (Role::User, "How?"),
        (Role::Assistant, "ok"),
    ]);
    let (ids, mask) = chat.encode_training(&tokenizer, &messages).unwrap();
    assert_eq!(learned(&tokenizer, &ids, &mask), ["日 ships </s> </s>", "ok </s>"]);
    let end = tokenizer.token_id("</s>").unwrap();
    assert_eq!(ids.iter().filter(|&&id| id == end).count(), 2);
    assert_eq!(stream(&tokenizer, &ids, false), tokenizer.decode(&ids, false).unwrap());
    assert_eq!(chat.encode(&tokenizer, &messages, false).unwrap(), ids);
}

/// Takes the thinking out of every turn but the last, as Qwen3's template does.
const THINKING: &str = "{% for m in messages %}<|im_start|>{{ m.role }}\n\
    {{ m.content.split('</think>')[-1] if not loop.last else m.content }}<|im_end|>\n{% endfor %}\
    {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

#[test]
fn templates_that_rewrite_earlier_turns_learn_the_last_one_or_nothing() {
    let tokenizer = tokenizer("nano");
    let chat = chat_of(THINKING);
    let mut messages = turns(&[
        (Role::User, "a"),
        (Role::Assistant, "<think>x</think>b"),
        (Role::User, "c"),
        (Role::Assistant, "<think>y</think>d"),
    ]);
    let (ids, mask) = chat.encode_training(&tokenizer, &messages).unwrap();
    assert_eq!(learned(&tokenizer, &ids, &mask), ["<think>y</think>d<|im_end|>"]);
    messages.push(Message::new(Role::User, "e"));
    let error = chat.encode_training(&tokenizer, &messages).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(error.to_string().contains("messages[1]"), "{error}");
    // Without thinking nothing is rewritten, and every turn is learned.
    let plain =
        turns(&[(Role::User, "a"), (Role::Assistant, "b"), (Role::User, "c"), (Role::Assistant, "d")]);
    let (ids, mask) = chat.encode_training(&tokenizer, &plain).unwrap();
    assert_eq!(learned(&tokenizer, &ids, &mask), ["b<|im_end|>", "d<|im_end|>"]);
}

#[test]
fn a_generation_prompt_that_is_not_in_the_conversation_is_refused() {
    let tokenizer = tokenizer("nano");
    let chat = chat_of(
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}\
         {% if add_generation_prompt %}<|im_start|>assistant\n<think>{% endif %}",
    );
    let error =
        chat.encode_training(&tokenizer, &turns(&[(Role::User, "a"), (Role::Assistant, "b")])).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
}

#[test]
fn a_template_without_special_tokens_learns_the_whole_turn() {
    let tokenizer = tokenizer("nano");
    let chat = chat_of(
        "{% for m in messages %}### {{ m.role }}: {{ m.content }}\n\n{% endfor %}\
         {% if add_generation_prompt %}### assistant: {% endif %}",
    );
    let messages =
        turns(&[(Role::User, "a"), (Role::Assistant, " b\n"), (Role::User, "c"), (Role::Assistant, "d")]);
    let (ids, mask) = chat.encode_training(&tokenizer, &messages).unwrap();
    assert_eq!(learned(&tokenizer, &ids, &mask), [" b\n\n\n", "d\n\n"]);
}
