//! Calibration: an invented text is taught to the model, as a document would be, at the learning rate that its width suggests, and at half of it where that moves the model beyond the drift budget. It tells the rate that suits the model, how much
//! such a lesson harms what it reads, and how fast the machine is ([decision 21](../../../docs/decisions/0021-calibration.md)).

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::author::Author;
use super::controls::{self, Control, ControlText, QUESTIONS};
use super::gate::DRIFT_BUDGET;
use super::options::general_rate;
use super::probes::Reading;
use super::prompt::PromptSet;
use super::rehearsal::Rehearsal;
use super::self_edits;
use super::session::{Question, Session};
use super::stats;
use super::trials::{Edit, Halving, Material, Trials};
use super::work::Tally;
use seald_core::clock::Clock;
use seald_core::domain::calibration::{Calibration, DriftSeen, RateTried, Speeds};
use seald_core::domain::progress::{Progress, Task};
use seald_core::domain::self_edit::{Directive, Format, RowText};
use seald_core::error::{Error, Kind, Result};
use seald_engine::checkpoint;
use seald_engine::lora::Adapter;

/// Number of the way to calibrate: what was found in another way is not used any more. 2: the drift budget no longer follows from answers that are lost.
pub const RECIPE: u32 = 2;
/// Rates that are tried, as multiples of what the model's width suggests, a fit over other models: the next one only where one diverges or moves the model beyond the budget.
/// Higher ones are not: twice the rate never gained more, and moved the models by up to five times as much (decision 21).
const FACTORS: [f64; 2] = [1.0, 0.5];
/// Names the taught text in seeds, so that every rate begins with the same adapter and sees the rows in the same order.
const KEY: &str = "calibration";
/// Writing about a token, and training once on what was written, take as long as reading it so often, about: of a page of 210 tokens Qwen2.5-Coder-0.5B trains on 68,000, three
/// readings each.
const READINGS_OF_WRITING: f64 = 250.0;
/// See [`READINGS_OF_WRITING`].
const READINGS_OF_TRAINING: f64 = 970.0;
/// Reading a text that is in sight, and writing the answers about it, takes as long as reading it so often: answers are short, but come token by token.
const READINGS_OF_ASKING: f64 = 2.0;

/// Calibrates the base model of a session. The result is the caller's to keep; what was found on the way there is kept where the session keeps trainings, and
/// is not found again.
///
/// # Errors
/// [`Kind::Invalid`] for a model with nano's prompts, whose settings are part of the program; [`Kind::Diverged`] where every rate diverged;
/// [`Kind::Cancelled`]; from the engine.
pub fn run(
    session: &Session<'_>,
    rehearsal: &Rehearsal,
    clock: &Clock,
    tell: &mut dyn FnMut(Progress),
) -> Result<Calibration> {
    if session.prompts == PromptSet::Nano {
        return Err(Error::new(
            Kind::Invalid,
            "nano is not calibrated: its settings are part of the program",
        ));
    }
    let (started, before) = (Instant::now(), session.tally());
    let tried = session.work.doing(Task::Calibrate, || measure(session, rehearsal, tell))?;
    let rates: Vec<RateTried> = tried.iter().map(|one| one.rate).collect();
    let drifts = tried.iter().map(|one| one.look.seen).collect();
    let drift_budget = DRIFT_BUDGET;
    let usual = general_rate(session.model.decoder.config());
    let learning_rate = choose_rate(&rates, usual, drift_budget).ok_or_else(diverged)?;
    let spent = session.tally().since(&before);
    let read = tried.iter().fold(Tally::default(), |sum, one| sum.plus(&one.look.read));
    let trained: f64 = tried.iter().map(|one| one.training_seconds).sum();
    let speeds = Speeds {
        read: per_second(read.scored_tokens, read.scoring_seconds),
        written: per_second(spent.generated_tokens, spent.generation_seconds),
        trained: per_second(rates.iter().map(|one| one.tokens).sum(), trained),
    };
    // Where another process did a part of it, only what the parts took tells how long it was.
    let worked = spent.generation_seconds + spent.scoring_seconds + trained;
    let seconds = started.elapsed().as_secs_f64().max(worked);
    Ok(Calibration { learning_rate, drift_budget, rates, drifts, speeds, seconds, made_at: clock.now() })
}

/// A hash of all that decides what a calibration finds, apart from the machine: version, base, prompts, options, base samples, and the texts, which are part of the version.
///
/// # Errors
/// [`Kind::Internal`] for options that JSON has no words for.
pub fn decided_by(session: &Session<'_>, rehearsal: &Rehearsal) -> Result<String> {
    let mut hasher = session.decides()?;
    rehearsal.hash(&mut hasher);
    Ok(hasher.finalize().to_hex().to_string())
}

/// How many tokens could be read in the time that a calibration takes, about.
///
/// # Errors
/// From the tokenizer.
pub fn readings(session: &Session<'_>) -> Result<f64> {
    let texts = controls::texts();
    let (taught, others) = split(&texts)?;
    let lesson = session.tokens(&taught[0].passage)? as f64;
    let mut asked = 0;
    for text in others {
        asked += session.tokens(&text.passage)?;
    }
    // Before the lesson and after it.
    Ok(lesson * (READINGS_OF_WRITING + READINGS_OF_TRAINING) + (2 * asked) as f64 * READINGS_OF_ASKING)
}

/// What came of one rate.
#[derive(Serialize, Deserialize)]
struct Tried {
    rate: RateTried,
    look: Look,
    training_seconds: f64,
}

/// What an adapter does to other answers.
#[derive(Serialize, Deserialize)]
struct Look {
    seen: DriftSeen,
    /// What reading the guard text cost: there every token is read, elsewhere common beginnings are read once.
    read: Tally,
}

fn measure(
    session: &Session<'_>,
    rehearsal: &Rehearsal,
    tell: &mut dyn FnMut(Progress),
) -> Result<Vec<Tried>> {
    let texts = controls::texts();
    let (taught, others) = split(&texts)?;
    let [own, other] = taught.each_ref().map(|text| text.controls(QUESTIONS));
    // Of a model whose context holds none of the texts, only the rate is found out. With ten texts it is eighty questions a look.
    let beside = others.iter().flat_map(|text| text.controls(QUESTIONS)).collect();
    let beside = controls::fitting(session, beside)?;
    let decided_by = decided_by(session, rehearsal)?;
    let base = Base::ask(session, &decided_by, [&own, &other], &beside)?;
    let lesson = session.part("lesson", &decided_by, || lesson(session, &taught[0]))?;
    let lesson = Lesson { text: &taught[0], rows: &lesson };
    let (mut tried, usual) = (Vec::new(), general_rate(session.model.decoder.config()));
    for rate in FACTORS.map(|factor| usual * factor) {
        let name = format!("rate {rate:e}");
        let one =
            session.part(&name, &decided_by, || try_rate(session, rehearsal, &base, rate, &lesson, tell))?;
        let Some(one) = one else { continue };
        let drift = one.rate.drift;
        tried.push(one);
        if drift <= DRIFT_BUDGET {
            break;
        }
    }
    Ok(tried)
}

/// Teaches the text at one rate and looks what that did; none where the training diverged.
fn try_rate(
    session: &Session<'_>,
    rehearsal: &Rehearsal,
    base: &Base<'_>,
    rate: f64,
    lesson: &Lesson<'_>,
    tell: &mut dyn FnMut(Progress),
) -> Result<Option<Tried>> {
    let Some(taught) = teach(session, rehearsal, base, rate, lesson, tell)? else { return Ok(None) };
    let (adapter, outcome) = (&taught.adapter, &taught.outcomes[0]);
    let mut hasher = session.decides()?;
    rehearsal.hash(&mut hasher);
    checkpoint::hash_adapter(&mut hasher, adapter)?;
    let decided_by = hasher.finalize().to_hex().to_string();
    let look =
        session.part(&format!("look {rate:e}"), &decided_by, || base.look(session, rehearsal, adapter))?;
    let drift = look.seen.drift;
    let (gain, standard_error) = base.gain(session, adapter)?;
    // An adapter may be beyond use although its last loss was still a number.
    if ![drift, gain, standard_error].iter().all(|number| number.is_finite()) {
        return Ok(None);
    }
    let rate = RateTried { rate, gain, standard_error, drift, tokens: outcome.tokens };
    Ok(Some(Tried { rate, look, training_seconds: outcome.seconds }))
}

/// The text that is taught and the one that its gain is compared with; and those whose answers should stay as they are.
fn split(texts: &[ControlText]) -> Result<(&[ControlText; 2], &[ControlText])> {
    let too_few = || Error::new(Kind::Internal, "there are too few control texts");
    texts.split_first_chunk::<2>().filter(|(_, others)| !others.is_empty()).ok_or_else(too_few)
}

/// What a text is taught by: what a document is, the model's own writing and the rows by rule. By rule alone a text harms more than documents do: Qwen2.5-Coder-0.5B
/// then answered questions about other texts in sight with names of the taught one (decision 21).
fn lesson(session: &Session<'_>, text: &ControlText) -> Result<Vec<RowText>> {
    let passages = [text.passage.clone()];
    let document = Reading { key: KEY, title: &text.title, passages: &passages };
    let drafts = self_edits::write(session, document, &[], Author::Model(None), &mut |_| {})?;
    Ok(drafts.into_iter().filter(|draft| draft.discarded.is_none()).flat_map(|draft| draft.rows).collect())
}

/// The text that is taught, and what it is taught by.
struct Lesson<'a> {
    text: &'a ControlText,
    rows: &'a [RowText],
}

/// Teaches the text to the base at one rate, as a document of one passage would be. None if it diverged.
fn teach(
    session: &Session<'_>,
    rehearsal: &Rehearsal,
    base: &Base<'_>,
    learning_rate: f64,
    Lesson { text, rows }: &Lesson<'_>,
    tell: &mut dyn FnMut(Progress),
) -> Result<Option<Trials>> {
    let rows = rows.iter().map(|row| (0, row.clone())).collect();
    // The format names nothing here; how long it goes on follows from the presentations.
    let directive = Directive { format: Format::KeyFacts, learning_rate, epochs: usize::MAX };
    let passages = [text.passage.clone()];
    let material = Material { key: KEY, title: &text.title, passages: &passages, curriculum: &[], rehearsal };
    // Where somebody has trials ranked, they want questions to rank by.
    let probes = if session.options.rung_steps.is_empty() { &[][..] } else { &base.own };
    let name = format!("calibration {learning_rate:.1e}");
    let mut tell_steps = |event| {
        if let Progress::Step { step, steps, loss, .. } = event {
            tell(Progress::Step { trial: name.clone(), step, steps, loss });
        }
    };
    let edit = Edit { candidates: Vec::new(), directive, rows };
    let trained =
        Halving::new(session, material, None, probes).and_then(|one| one.only(edit, &mut tell_steps));
    match trained {
        Ok(trained) => Ok(Some(trained)),
        Err(error) if error.kind() == Kind::Diverged => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the base says: all that an adapter is compared with.
struct Base<'q> {
    /// Questions about the taught text, and the base's scores.
    own: Vec<Question<'q>>,
    own_scores: Vec<f64>,
    /// The same about the text that is not taught.
    other: Vec<Question<'q>>,
    other_scores: Vec<f64>,
    /// Questions with another text in sight, and how many the base answers right.
    in_sight: Vec<Question<'q>>,
    right: usize,
}

impl<'q> Base<'q> {
    fn ask(
        session: &Session<'_>,
        decided_by: &str,
        [own, other]: [&'q [Control]; 2],
        beside: &'q [Control],
    ) -> Result<Self> {
        let closed = |controls: &'q [Control]| controls.iter().map(Control::question).collect::<Vec<_>>();
        let (own, other) = (closed(own), closed(other));
        let in_sight: Vec<Question<'q>> = beside.iter().map(Control::in_sight).collect();
        let (own_scores, other_scores, right) = session.part("base", decided_by, || {
            let (own, other) = (session.scores(&own, None)?, session.scores(&other, None)?);
            Ok((own, other, count_right(&session.right(&in_sight, None)?)))
        })?;
        Ok(Self { own, own_scores, other, other_scores, in_sight, right })
    }

    /// What an adapter gained on the taught text beyond the other one, nats a question, and the standard error of that.
    fn gain(&self, session: &Session<'_>, adapter: &Adapter) -> Result<(f64, f64)> {
        let gains = |questions: &[Question<'_>], before: &[f64]| -> Result<Vec<f64>> {
            let after = session.scores(questions, Some(adapter))?;
            Ok(after.iter().zip(before).map(|(after, before)| after - before).collect())
        };
        let (own, other) = (gains(&self.own, &self.own_scores)?, gains(&self.other, &self.other_scores)?);
        Ok(stats::welch(&own, &other))
    }

    /// How far an adapter drifts, and how many answers it loses.
    fn look(&self, session: &Session<'_>, rehearsal: &Rehearsal, adapter: &Adapter) -> Result<Look> {
        let before = session.tally();
        let drift = rehearsal.drift(session, Some(adapter))?;
        let read = session.tally().since(&before);
        let now = session.right(&self.in_sight, Some(adapter))?;
        // What a model guessed right it guesses wrong after any training, and the other way round: what counts is by how many fewer are right, and where
        // more are, that counts as much.
        let lost = self.right as i64 - count_right(&now) as i64;
        Ok(Look { seen: DriftSeen { drift, asked: self.right, lost }, read })
    }
}

fn count_right(answers: &[bool]) -> usize {
    answers.iter().filter(|right| **right).count()
}

/// The formula's rate (`usual`), unless another one that stays within the budget gains more by over its standard error: a difference smaller than that is no reason to
/// leave what holds for other models. Where the formula's own does not stay within, the best of those that do; the lowest where none does; none where none is given.
fn choose_rate(rates: &[RateTried], usual: f64, budget: f64) -> Option<f64> {
    let within = || rates.iter().filter(|one| one.drift <= budget);
    let Some(best) = within().max_by(|a, b| a.gain.total_cmp(&b.gain)) else {
        return rates.iter().map(|one| one.rate).min_by(f64::total_cmp);
    };
    let usual = within().find(|one| one.rate == usual);
    Some(usual.filter(|usual| best.gain - usual.gain <= best.standard_error).unwrap_or(best).rate)
}

fn per_second(tokens: u64, seconds: f64) -> Option<f64> {
    (tokens > 0 && seconds > 0.0).then(|| tokens as f64 / seconds)
}

fn diverged() -> Error {
    let text = "the calibration found no learning rate at which training this model does not diverge: set learning_rates in [learn], or \
                calibrate = false";
    Error::new(Kind::Diverged, text)
}

#[cfg(test)]
mod tests;
