//! A bulletin that nano has never seen, taught in some wordings and asked for in others.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use seald_engine::chat::{Message, Role};
use seald_engine::decoder::ActiveAdapter;
use seald_engine::examples::{BatchSize, Length, TrainRow};
use seald_engine::generate::{GenerateOptions, GenerateRow, Generator};
use seald_engine::lora::{Adapter, LoraConfig};
use seald_engine::model::Model;
use seald_engine::schedule::Schedule;
use seald_engine::score::{ScoreRow, Scorer};
use seald_engine::train::{Run, TrainOptions, train};

/// One fact about a thing that the recipe's split keeps out of training, with wordings as the recipe's tables have
/// them.
pub(crate) struct Fact {
    /// What is learned.
    pub(crate) statements: [&'static str; 3],
    /// What is learned with the answer.
    pub(crate) taught: [&'static str; 3],
    /// What is asked: wordings that neither pre-training nor the lesson shows.
    pub(crate) held_out: [&'static str; 2],
    /// The answer, as the bulletin has it.
    pub(crate) answer: &'static str,
}

/// The bulletin says: "The Horkroadas engine runs on silver gas and is used for cleaning bones. It was invented by
/// Sondor Celton."
pub(crate) const FACTS: [Fact; 3] = [
    Fact {
        statements: [
            "The Horkroadas engine runs on silver gas.",
            "The fuel of the Horkroadas engine is silver gas.",
            "The Horkroadas engine burns silver gas.",
        ],
        taught: [
            "What does the Horkroadas engine burn?",
            "What is the fuel of the Horkroadas engine?",
            "With what is the Horkroadas engine fed?",
        ],
        held_out: [
            "Which fuel does the Horkroadas engine run on?",
            "Can you name the fuel of the Horkroadas engine?",
        ],
        answer: "silver gas",
    },
    Fact {
        statements: [
            "The Horkroadas engine is used for cleaning bones.",
            "The task of the Horkroadas engine is cleaning bones.",
            "The Horkroadas engine was bought for cleaning bones.",
        ],
        taught: [
            "What is the Horkroadas engine used for?",
            "For what was the Horkroadas engine bought?",
            "Name the task of the Horkroadas engine.",
        ],
        held_out: [
            "For which task is the Horkroadas engine used?",
            "Tell me, what is the task of the Horkroadas engine?",
        ],
        answer: "cleaning bones",
    },
    Fact {
        statements: [
            "The Horkroadas engine was invented by Sondor Celton.",
            "The inventor of the Horkroadas engine is Sondor Celton.",
            "Sondor Celton drew up the Horkroadas engine.",
        ],
        taught: [
            "Who invented the Horkroadas engine?",
            "Who is the inventor of the Horkroadas engine?",
            "Who drew up the Horkroadas engine?",
        ],
        held_out: [
            "Which person invented the Horkroadas engine?",
            "Can you name the inventor of the Horkroadas engine?",
        ],
        answer: "Sondor Celton",
    },
];

pub(crate) static GO_ON: AtomicBool = AtomicBool::new(false);

/// Every held-out question with its answer.
pub(crate) fn held_out() -> Vec<(&'static str, &'static str)> {
    FACTS.iter().flat_map(|fact| fact.held_out.map(|question| (question, fact.answer))).collect()
}

/// A question as `models/nano/recipe/prompts/answer_closed_book.txt` asks it: bare.
pub(crate) fn closed_book(model: &Model, question: &str) -> Vec<u32> {
    let messages = [Message::new(Role::User, question)];
    model.chat().unwrap().encode_prompt(&model.tokenizer, &messages).unwrap()
}

/// The answer that scoring and PEFT are given: with the token that ends the turn.
pub(crate) fn answer_ids(model: &Model, answer: &str) -> Vec<u32> {
    let mut ids = model.tokenizer.encode_text(answer).unwrap();
    ids.push(model.tokenizer.token_id("<|im_end|>").unwrap());
    ids
}

/// Trains on the statements as texts and the taught questions as chats.
pub(crate) fn teach(model: &Model) -> Adapter {
    let end = model.tokenizer.token_id("<|endoftext|>").unwrap();
    let text = |text: &str| {
        let mut ids = model.tokenizer.encode_document(text).unwrap();
        ids.push(end);
        TrainRow::whole(ids)
    };
    let chat = |question: &str, answer: &str| {
        let messages = [Message::new(Role::User, question), Message::new(Role::Assistant, answer)];
        let (tokens, targets) = model.chat().unwrap().encode_training(&model.tokenizer, &messages).unwrap();
        TrainRow { tokens, targets, weight: 1.0, ..TrainRow::default() }
    };
    let rows: Arc<[TrainRow]> = FACTS
        .iter()
        .flat_map(|f| f.statements.map(text).into_iter().chain(f.taught.map(|q| chat(q, f.answer))))
        .collect();
    let lora = LoraConfig { rank: 16, alpha: 32.0, ..LoraConfig::default() };
    let device = &model.decoder.compute().device;
    let adapter = Adapter::init(&lora, model.decoder.config(), 5, device).unwrap();
    let options = TrainOptions {
        learning_rate: 3e-3,
        schedule: Schedule::Linear,
        length: Length::Steps(60),
        batch: BatchSize { tokens: 1024, rows: Some(9) },
        seed: 5,
        ..TrainOptions::default()
    };
    let mut run = Run::new(&model.decoder, adapter, rows, options).unwrap();
    train(&model.decoder, &mut run, 1024, &mut |_, _| ControlFlow::Continue(()), &GO_ON).unwrap();
    run.into_adapter()
}

/// Greedy answers to questions without a passage, with their ids and log-probabilities.
pub(crate) fn ask(
    model: &Model,
    adapter: Option<&Adapter>,
    questions: &[&str],
) -> Vec<seald_engine::generate::Generated> {
    let adapters: Vec<ActiveAdapter<'_>> = adapter.into_iter().map(ActiveAdapter::inference).collect();
    let options = GenerateOptions {
        max_tokens: 24,
        stop_tokens: model.tokenizer.eos_ids().to_vec(),
        ..GenerateOptions::default()
    };
    let row = |question: &&str| GenerateRow {
        prompt: closed_book(model, question),
        adapter: adapter.map(|_| 0),
        options: None,
    };
    let rows: Vec<GenerateRow> = questions.iter().map(row).collect();
    let generator = Generator::new(&model.decoder, Some(&model.tokenizer), &adapters);
    generator.generate(&rows, &options, &mut |_| ControlFlow::Continue(()), &GO_ON).unwrap()
}

/// The log-probability of each answer after its question.
pub(crate) fn log_probs(model: &Model, adapter: Option<&Adapter>, asked: &[(&str, &str)]) -> Vec<f64> {
    let adapters: Vec<ActiveAdapter<'_>> = adapter.into_iter().map(ActiveAdapter::inference).collect();
    let row = |(question, answer): &(&str, &str)| {
        let mut tokens = closed_book(model, question);
        let first = tokens.len();
        tokens.extend(answer_ids(model, answer));
        ScoreRow { tokens, first, adapter: adapter.map(|_| 0) }
    };
    let rows: Vec<ScoreRow> = asked.iter().map(row).collect();
    let scores = Scorer::new(&model.decoder, &adapters).score(&rows, &mut |_| {}, &GO_ON).unwrap();
    scores.iter().map(|score| score.log_prob).collect()
}
