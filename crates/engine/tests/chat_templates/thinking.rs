//! Thinking is off: the empty think block belongs to the prompt, in training too, and is never learned. And a date that
//! templates write is always the same.

use seald_core::Kind;
use seald_engine::chat::{ChatTemplate, Message, Role};
use seald_engine::tokenizer::Tokenizer;

use super::{Case, chat_of, learned, load, read, tokenizer, turns};

const USER: Role = Role::User;
const MODEL: Role = Role::Assistant;

/// Checks that only the last answer is learned, and that the ids are those of its prompt, the answer and the end.
fn assert_prompt_answer_end(tokenizer: &Tokenizer, chat: &ChatTemplate, messages: &[Message], name: &str) {
    let (last, before) = messages.split_last().unwrap();
    let (ids, mask) = chat.encode_training(tokenizer, messages).unwrap();
    let runs = learned(tokenizer, &ids, &mask);
    assert_eq!(runs.last(), Some(&format!("{}<|im_end|>", last.content)), "{name}");
    assert!(!runs.concat().contains("think>"), "{name}: {runs:?}");
    let mut expected = chat.encode_prompt(tokenizer, before).unwrap();
    expected.extend(tokenizer.encode_text(&last.content).unwrap());
    expected.push(tokenizer.token_id("<|im_end|>").unwrap());
    let end = mask.iter().rposition(|&m| m).unwrap() + 1;
    assert_eq!(ids[..end], expected, "{name}");
}

#[test]
fn qwen3_renders_without_thinking_as_in_transformers() {
    let (tokenizer, chat) = load("qwen3");
    let cases: Vec<Case> = read("thinking.json");
    assert!(cases.len() >= 18);
    for case in cases {
        let text = chat.render(&case.messages, case.add_generation_prompt).unwrap();
        assert_eq!(text, case.text, "{}", case.name);
        let ids = chat.encode(&tokenizer, &case.messages, case.add_generation_prompt).unwrap();
        assert_eq!(ids, case.ids, "{}: {text:?}", case.name);
        let empty = "<|im_start|>assistant\n<think>\n\n</think>\n\n";
        assert!(!case.add_generation_prompt || text.ends_with(empty), "{}: {text:?}", case.name);
    }
}

#[test]
fn qwen3_learns_the_last_answer_and_never_the_think_block() {
    let (tokenizer, chat) = load("qwen3");
    let examples = [(USER, "Who?"), (MODEL, "The keeper."), (USER, "How many?"), (MODEL, "42 ships.")];
    let system = [(Role::System, "Be brief."), (USER, "How many?"), (MODEL, "740 people.")];
    let tool = [(USER, "a"), (Role::Tool, "b"), (MODEL, "日本語 c")];
    let cases: [(&str, &[(Role, &str)]); 5] = [
        ("one turn", &examples[..2]),
        ("two turns", &examples),
        ("three turns", &[&examples[..], &[(USER, "And then?"), (MODEL, "1999.\n\nMore.")]].concat()),
        ("a system message", &system),
        ("the result of a tool", &tool),
    ];
    let block = ["<think>", "</think>"].map(|token| tokenizer.token_id(token).unwrap());
    for (name, case) in cases {
        let messages = turns(case);
        assert_prompt_answer_end(&tokenizer, &chat, &messages, name);
        let (ids, mask) = chat.encode_training(&tokenizer, &messages).unwrap();
        assert_eq!(learned(&tokenizer, &ids, &mask).len(), 1, "{name}: the last turn alone");
        let of_block: Vec<bool> =
            ids.iter().zip(&mask).filter(|(id, _)| block.contains(id)).map(|(_, &m)| m).collect();
        assert_eq!(of_block, [false, false], "{name}: one block, none of it learned");
    }
    // A block that the row itself brings is the same block.
    let answered =
        |answer| chat.encode_training(&tokenizer, &turns(&[(USER, "a"), (MODEL, answer)])).unwrap();
    assert_eq!(answered("<think>\n\n</think>\n\nb"), answered("b"));
    assert_eq!(answered("\n\nb"), answered("b"), "the template trims it");
}

#[test]
fn an_answer_that_thinks_aloud_is_refused_with_the_remedy() {
    let (tokenizer, chat) = load("qwen3");
    for messages in [
        turns(&[(USER, "a"), (MODEL, "<think>so</think>b")]),
        turns(&[(USER, "a"), (MODEL, "b"), (USER, "c"), (MODEL, "<think>\nso\n</think>\n\nd")]),
    ] {
        let error = chat.encode_training(&tokenizer, &messages).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsupported);
        assert!(error.to_string().contains("take <think>...</think> out"), "{error}");
    }
    // In what came before it is the template's affair.
    let earlier = turns(&[(USER, "a"), (MODEL, "<think>so</think>b"), (USER, "c"), (MODEL, "d")]);
    assert_prompt_answer_end(&tokenizer, &chat, &earlier, "an earlier thought");
}

/// A family's way with thinking, in ChatML.
struct Way {
    name: &'static str,
    /// What stands before the turns.
    head: &'static str,
    /// What stands before an answer that is there.
    before_answer: &'static str,
    /// What stands before an answer that is to come.
    before_prompt: &'static str,
    /// What `head` comes to.
    said: &'static str,
    /// The block between the assistant's name and its answer, in prompt and training.
    block: &'static str,
}

const WAYS: [Way; 8] = [
    Way {
        name: "a system message about thinking (Granite: thinking)",
        head: "{% if thinking %}Think first.{% else %}Answer.{% endif %}",
        before_answer: "",
        before_prompt: "",
        said: "Answer.",
        block: "",
    },
    Way {
        name: "off by default, the end alone (DeepSeek V3.1: thinking)",
        head: "{% if not thinking is defined %}{% set thinking = false %}{% endif %}",
        before_answer: "</think>",
        before_prompt: "{{ '<think>' if thinking else '</think>' }}",
        said: "",
        block: "</think>",
    },
    Way {
        name: "on by default, all answers alike, and a date (SmolLM3: enable_thinking)",
        head: "{% if enable_thinking is not defined %}{% set enable_thinking = true %}{% endif %}\
               {{ strftime_now('%d %B %Y') }}{{ '/think' if enable_thinking else '/no_think' }}",
        before_answer: "{{ '<think>\\n\\n</think>\\n' if not enable_thinking }}",
        before_prompt: "{{ '<think>\\n\\n</think>\\n' if not enable_thinking }}",
        said: "26 July 2024/no_think",
        block: "<think>\n\n</think>\n",
    },
    Way {
        name: "the block in prompts alone (Hunyuan: enable_thinking)",
        head: "",
        before_answer: "",
        before_prompt: "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n' }}{% endif %}",
        said: "",
        block: "<think>\n\n</think>\n",
    },
    Way {
        name: "a prompt that thinks unless told otherwise (Qwen3.5: enable_thinking)",
        head: "",
        before_answer: "{{ '<think>\\n\\n</think>\\n\\n' if loop.last }}",
        before_prompt: "{{ '<think>\\n\\n</think>\\n\\n' if enable_thinking is false else '<think>\\n' }}",
        said: "",
        block: "<think>\n\n</think>\n\n",
    },
    Way {
        name: "the block in conversations alone",
        head: "",
        before_answer: "{{ '<think>\\n\\n</think>\\n\\n' if loop.last }}",
        before_prompt: "",
        said: "",
        block: "<think>\n\n</think>\n\n",
    },
    Way {
        name: "a prompt that always thinks, a block in conversations (Qwen3 2507 Thinking)",
        head: "",
        before_answer: "{{ '<think>\\n\\n</think>\\n\\n' if loop.last }}",
        before_prompt: "{{ '<think>\\n' }}",
        said: "",
        block: "<think>\n\n</think>\n\n",
    },
    Way {
        name: "the line break of the block is the answer's (GLM 4.5: enable_thinking)",
        head: "",
        before_answer: "{{ '<think></think>\\n' }}",
        before_prompt: "{{ '<think></think>\\n' if enable_thinking is false }}",
        said: "",
        block: "<think></think>\n",
    },
];

impl Way {
    fn chat(&self) -> ChatTemplate {
        let Self { head, before_answer, before_prompt, .. } = self;
        chat_of(&format!(
            "{head}{{% for m in messages %}}{{{{ '<|im_start|>' + m.role + '\\n' }}}}\
             {{% if m.role == 'assistant' %}}{before_answer}{{% endif %}}\
             {{{{ m.content + '<|im_end|>\\n' }}}}{{% endfor %}}\
             {{% if add_generation_prompt %}}{{{{ '<|im_start|>assistant\\n' }}}}{before_prompt}{{% endif %}}"
        ))
    }
}

#[test]
fn every_way_of_thinking_is_off_in_prompt_and_training() {
    let tokenizer = tokenizer("nano");
    for way in &WAYS {
        let chat = way.chat();
        let asked = turns(&[(USER, "a")]);
        let prompt = chat.render(&asked, true).unwrap();
        let turn = "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n";
        assert_eq!(prompt, format!("{}{turn}{}", way.said, way.block), "{}", way.name);
        let one = turns(&[(USER, "a"), (MODEL, "b c")]);
        assert_prompt_answer_end(&tokenizer, &chat, &one, way.name);
        let (ids, _) = chat.encode_training(&tokenizer, &one).unwrap();
        let text = tokenizer.decode(&ids, false).unwrap();
        assert_eq!(text, format!("{prompt}b c<|im_end|>\n"), "{}", way.name);
        let many = turns(&[(USER, "a"), (MODEL, "b"), (USER, "c"), (MODEL, "d"), (USER, "e"), (MODEL, "f")]);
        assert_prompt_answer_end(&tokenizer, &chat, &many, way.name);
    }
}

#[test]
fn a_date_is_the_same_on_all_days() {
    let llama = ChatTemplate::from_tokenizer(&tokenizer("llama3")).unwrap();
    let said = llama.render(&turns(&[(USER, "a")]), true).unwrap();
    assert!(said.contains("Today Date: 26 Jul 2024\n"), "{said}");
    for (format, expected) in [
        ("%d %b %Y", "26 Jul 2024"),
        ("%Y-%m-%d", "2024-07-26"),
        ("%A, %B %d, %Y", "Friday, July 26, 2024"),
        ("%H:%M:%S", "00:00:00"),
    ] {
        let chat = chat_of(&format!("{{{{ strftime_now('{format}') }}}}"));
        assert_eq!(chat.render(&turns(&[(USER, "a")]), false).unwrap(), expected);
    }
}
