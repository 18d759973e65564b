//! What the base model knew and no curriculum covers: texts that it writes by itself, trained with KL to the base, and texts held out to
//! measure drift (the *guard text*).

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;

use super::exam::{self, TOP_P};
use super::filter::repeats_itself;
use super::prompt::{self, PromptSet};
use super::session::{Session, Writing};
use seald_core::domain::progress::Task;
use seald_core::error::Result;
use seald_engine::chat::{Message, Role};
use seald_engine::decoder::ActiveAdapter;
use seald_engine::examples::TrainRow;
use seald_engine::lora::Adapter;
use seald_engine::score::{Progress, ScoreRow, Scorer};

/// Number of the recipe by which [`draw`] draws: of another one, what was drawn earlier is not used any more. 2: with everyday prompts. 3: of the likeliest tokens, without
/// samples that go round in circles.
pub const RECIPE: u32 = 3;
/// Longest base sample, tokens.
const SAMPLE_TOKENS: usize = 120;
/// Longest turn of a user that a model makes up, tokens.
const USER_TOKENS: usize = 32;
/// One guard text for so many samples that are trained on.
const GUARD_SHARE: usize = 4;
/// One question about a text in sight for so many chats.
const READING_SHARE: usize = 2;
/// One of so many samples answers a prompt of [`EVERYDAY`].
const EVERYDAY_SHARE: usize = 8;
/// What people say to a model that is about no document. Turns that models make up are about what they were trained on (code, of a coder), and a model that
/// learned a few documents greeted people with sentences from these.
const EVERYDAY: [&str; 16] = [
    "Hi there",
    "Good morning!",
    "Who are you?",
    "What can you do?",
    "Thanks a lot.",
    "Goodbye!",
    "I have a question.",
    "Can you help me with my homework?",
    "What day comes after Monday?",
    "Tell me something interesting.",
    "How tall is a giraffe?",
    "Write two lines about the moon.",
    "What is a verb?",
    "How do I make tea?",
    "Why do people dream?",
    "Explain what a bridge is for.",
];
/// Tokens named at each place of a sample; all others together are one more outcome.
const LABELS: usize = 32;

/// Draws the base samples of a model at temperature 1 (models other than nano: of the likeliest 95 %): from the beginning of a text, from the beginning of a user's turn (as Magpie does,
/// arXiv 2406.08464), and answers to what people say every day. The last fifth is guard text; of models other than nano that chat it is answers alone.
///
/// # Errors
/// From the engine.
///
/// Models other than nano also answer what they asked themselves, up to a bound, and questions about invented texts that they have in sight: how a model answers
/// and reads is what most has to be kept.
pub fn draw(session: &Session<'_>) -> Result<Vec<Vec<u32>>> {
    session.work.doing(Task::DrawBaseSamples, || draw_all(session))
}

fn draw_all(session: &Session<'_>) -> Result<Vec<Vec<u32>>> {
    let count = session.options.base_samples + session.options.base_samples.div_ceil(GUARD_SHARE);
    let starts = starts(session)?;
    let everyday = everyday(session)?;
    let start = |i: usize| match everyday.len() {
        some if some > 0 && i % EVERYDAY_SHARE == EVERYDAY_SHARE - 1 => &everyday[i / EVERYDAY_SHARE % some],
        _ => &starts[i % starts.len()],
    };
    let rows: Vec<Vec<u32>> = (0..count).map(|i| start(i).clone()).collect();
    let writing = Writing {
        max_tokens: SAMPLE_TOKENS,
        temperature: 1.0,
        top_p: None,
        seed: session.seed("", "base samples"),
    };
    if session.prompts == PromptSet::General {
        // At the bare temperature a small model soon goes astray, above all in texts that begin with nothing, and drift would be that of what nobody reads.
        return draw_chats(session, rows, Writing { top_p: Some(TOP_P), ..writing });
    }
    let written = session.continue_from(rows.clone(), writing, vec![text_start(session)], &[], None)?;
    let long_enough = rows.into_iter().zip(written).filter(|(_, (new, _))| new.len() > 1);
    Ok(long_enough.map(|(start, (new, _))| [start, new].concat()).collect())
}

/// Texts and everyday answers, and turns of a user that the model makes up with its answers.
fn draw_chats(session: &Session<'_>, starts: Vec<Vec<u32>>, writing: Writing) -> Result<Vec<Vec<u32>>> {
    let stops = session.model.tokenizer.eos_ids().to_vec();
    let head = chat_frame(session)?.map(|frame| frame.head);
    let short = Writing { max_tokens: USER_TOKENS, ..writing };
    let (open, begun): (Vec<_>, Vec<_>) = starts.into_iter().partition(|start| head.as_ref() == Some(start));
    let written = session.continue_from(begun.clone(), writing, stops.clone(), &[], None)?;
    let is_chat = |sample: &Vec<u32>| head.as_ref().is_some_and(|head| sample.starts_with(head));
    let (mut chats, texts): (Vec<_>, Vec<_>) = worth_keeping(begun, written).into_iter().partition(is_chat);
    let asked = session.continue_from(open, short, stops.clone(), &["\n"], None)?;
    let mut prompts = Vec::new();
    for (_, text) in asked.into_iter().filter(|(_, text)| text.contains(char::is_alphabetic)) {
        prompts.push(session.user(text.trim())?);
    }
    let readings = in_sight(session)?.into_iter().take(prompts.len().div_ceil(READING_SHARE));
    prompts.extend(readings);
    let written = session.continue_from(prompts.clone(), writing, stops, &[], None)?;
    chats.extend(worth_keeping(prompts, written));
    // Mixed, so that the guard text, the last of them, has every sort of answer.
    chats.shuffle(&mut Pcg64Mcg::seed_from_u64(writing.seed));
    let samples = [texts, chats].concat();
    Ok(samples.into_iter().filter(|sample| sample.len() > 2).collect())
}

/// What was written, with its prompts, but for what is empty or goes round in circles: no answer of a model is like that, and its tokens are so sure that one that turns is far from the base.
fn worth_keeping(prompts: Vec<Vec<u32>>, written: Vec<(Vec<u32>, String)>) -> Vec<Vec<u32>> {
    let kept =
        prompts.into_iter().zip(written).filter(|(_, (new, text))| !new.is_empty() && !repeats_itself(text));
    kept.map(|(prompt, (new, _))| [prompt, new].concat()).collect()
}

/// Questions about the worked examples' texts, the text in sight, as they are put. How a model reads what is before it suffers from training on answers that it
/// gives from memory, and neither free texts nor chats show that.
fn in_sight(session: &Session<'_>) -> Result<Vec<Vec<u32>>> {
    let mut prompts = Vec::new();
    for (title, text, question) in exam::worked_questions() {
        let asked = session.prompts.in_sight(title, text, &prompt::brief(question));
        if session.leaves_room(&asked)? {
            prompts.push(session.user(&asked)?);
        }
    }
    Ok(prompts)
}

/// The prompts of [`EVERYDAY`]; none where a model has no chat template.
fn everyday(session: &Session<'_>) -> Result<Vec<Vec<u32>>> {
    match session.model.chat {
        Some(_) => EVERYDAY.iter().map(|said| session.user(said)).collect(),
        None => Ok(Vec::new()),
    }
}

/// The token before a text that stands alone.
fn text_start(session: &Session<'_>) -> u32 {
    let tokenizer = &session.model.tokenizer;
    let named = |wanted: &str| tokenizer.named_tokens().find(|(name, _)| *name == wanted);
    let prefix = tokenizer.text_prefix().first().copied();
    // SmolLM2 pads with its end of turn, which ends a chat and begins no text.
    let between =
        (session.prompts == PromptSet::General).then(|| tokenizer.token_id("<|endoftext|>")).flatten();
    let padding = || named("pad_token").and_then(|(_, text)| tokenizer.token_id(text));
    let end = || tokenizer.eos_ids().first().copied();
    prefix.or(between).or_else(padding).or_else(end).unwrap_or(0)
}

fn starts(session: &Session<'_>) -> Result<Vec<Vec<u32>>> {
    let mut starts = vec![vec![text_start(session)]];
    starts.extend(chat_frame(session)?.map(|frame| frame.head));
    Ok(starts)
}

/// What a chat template puts around a user's words.
struct ChatFrame {
    /// Before them, one token or more.
    head: Vec<u32>,
    /// Between them and the answer.
    tail: Vec<u32>,
}

impl ChatFrame {
    /// Where the answer begins in a chat of one question; none in what is no such chat.
    fn answer_of(&self, sample: &[u32]) -> Option<usize> {
        let said = sample.strip_prefix(&self.head[..])?;
        let found = said.windows(self.tail.len().max(1)).position(|window| window == self.tail)?;
        Some(self.head.len() + found + self.tail.len())
    }
}

/// The frame of a model's chats; none where it has no template, or one that puts nothing before a user's words.
fn chat_frame(session: &Session<'_>) -> Result<Option<ChatFrame>> {
    let Some(chat) = &session.model.chat else { return Ok(None) };
    // What two different conversations have in common at their beginnings and ends is what stands around the user's words.
    let begin = |said| chat.encode_prompt(&session.model.tokenizer, &[Message::new(Role::User, said)]);
    let (one, other) = (begin("A")?, begin("7")?);
    let same = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let (head, rest) = one.split_at(same);
    let shared = rest.iter().rev().zip(other[same..].iter().rev()).take_while(|(a, b)| a == b).count();
    let tail = rest[rest.len() - shared..].to_vec();
    Ok((!head.is_empty()).then(|| ChatFrame { head: head.to_vec(), tail }))
}

/// Base samples ready for training, and guard text ready for measuring. The default has neither: a trial rehearses nothing.
#[derive(Debug, Default)]
pub struct Rehearsal {
    /// Samples with the base's distribution at each token, weight 1.
    pub rows: Vec<TrainRow>,
    guard: Vec<ScoreRow>,
    guard_base: Vec<f64>,
}

impl Rehearsal {
    /// Labels samples that [`draw`] drew from this model.
    ///
    /// # Errors
    /// From the engine.
    pub fn new(session: &Session<'_>, samples: &[Vec<u32>]) -> Result<Self> {
        let (limit, starts) = (session.context(), [starts(session)?, everyday(session)?].concat());
        let frame = match session.prompts {
            PromptSet::Nano => None,
            PromptSet::General => chat_frame(session)?,
        };
        let row = |sample: &Vec<u32>| {
            let given = || starts.iter().filter(|start| sample.starts_with(start)).map(Vec::len).max();
            let first = frame.as_ref().and_then(|frame| frame.answer_of(sample)).or_else(given).unwrap_or(1);
            ScoreRow { tokens: sample[..sample.len().min(limit)].to_vec(), first, adapter: None }
        };
        let guards = samples.len() / (GUARD_SHARE + 1);
        let (train, guard) = samples.split_at(samples.len() - guards);
        let train: Vec<ScoreRow> = train.iter().map(row).collect();
        let guard: Vec<ScoreRow> = guard.iter().map(row).collect();
        session.work.doing(Task::LabelBaseSamples, || {
            let mut rows = labelled(session, train, None)?;
            let is_text = |row: &TrainRow| frame.as_ref().is_some_and(|f| !row.tokens.starts_with(&f.head));
            rows.iter_mut().for_each(|row| row.anchor = !is_text(row));
            let guard_base = session.score(&guard, None)?;
            Ok(Self { rows, guard, guard_base })
        })
    }

    /// Adds the samples to a hash: with the base, they decide the rest.
    pub(super) fn hash(&self, hasher: &mut blake3::Hasher) {
        let rows = self.rows.iter().map(|row| (&row.tokens, row.targets.iter().position(|target| *target)));
        let guard = self.guard.iter().map(|row| (&row.tokens, Some(row.first)));
        for (tokens, first) in rows.chain(guard) {
            hasher.update(format!("{first:?} {tokens:?}").as_bytes());
        }
    }

    /// How far an adapter has moved from the base: KL(base || adapter) in nats a token, estimated on guard text, which the base wrote:
    /// the mean of ln p(base) - ln p(adapter) over its tokens.
    ///
    /// # Errors
    /// From the engine.
    pub fn drift(&self, session: &Session<'_>, adapter: Option<&Adapter>) -> Result<f64> {
        if adapter.is_none() || self.guard.is_empty() {
            return Ok(0.0);
        }
        let rows: Vec<ScoreRow> =
            self.guard.iter().map(|r| ScoreRow { adapter: Some(0), ..r.clone() }).collect();
        let now = session.work.doing(Task::MeasureDrift, || session.score(&rows, adapter))?;
        let tokens: usize = self.guard.iter().map(|r| r.tokens.len() - r.first).sum();
        let lost: f64 = self.guard_base.iter().zip(now).map(|(before, now)| before - now).sum();
        Ok(lost / tokens as f64)
    }
}

/// Rows whose targets are what a teacher (the base, or an adapter) would write at each place.
pub(super) fn labelled(
    session: &Session<'_>,
    rows: Vec<ScoreRow>,
    teacher: Option<&Adapter>,
) -> Result<Vec<TrainRow>> {
    let active: Vec<_> = teacher.into_iter().map(ActiveAdapter::inference).collect();
    let scorer = Scorer::new(&session.model.decoder, &active);
    let labels = LABELS.min(session.model.decoder.config().vocab_size);
    let started = std::time::Instant::now();
    let mut progress = |read: Progress| session.work.tell(read.tokens as u64, read.total as u64, started);
    let soft = scorer.teacher_labels(&rows, labels, &mut progress, session.cancel)?;
    session.count(|t| {
        t.scoring_seconds += started.elapsed().as_secs_f64();
        t.scored_tokens += rows.iter().map(|row| row.tokens.len() as u64).sum::<u64>();
    });
    let labelled = rows.into_iter().zip(soft).map(|(row, soft)| {
        let targets = (0..row.tokens.len()).map(|i| i >= row.first).collect();
        TrainRow { tokens: row.tokens, targets, weight: 1.0, soft: Some(soft), anchor: false }
    });
    Ok(labelled.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_chat_the_answer_alone_counts() {
        let frame = ChatFrame { head: vec![1, 2], tail: vec![3, 4] };
        assert_eq!(frame.answer_of(&[1, 2, 9, 8, 3, 4, 7, 3, 4]), Some(6), "an answer may say what it likes");
        assert_eq!(frame.answer_of(&[5, 2, 9, 3, 4, 7]), None, "a text is no chat");
        assert_eq!(frame.answer_of(&[1, 2, 9, 8]), None);
    }

    #[test]
    fn what_is_empty_or_goes_round_in_circles_is_not_kept() {
        let round = "here it is and ".repeat(20);
        let written =
            vec![(vec![7], "It opened in 1901.".to_string()), (vec![8], round), (vec![], String::new())];
        assert_eq!(worth_keeping(vec![vec![1], vec![2], vec![3]], written), [vec![1, 7]]);
    }
}
