//! Calibration: an invented text is taught to the model, as a document would be, at the learning rate that its width suggests, and at half of it where that is too high. How far its answers about the text improve, and how many of its other
//! answers change, tells the rate and the drift that suit the model ([decision 21](../../../docs/decisions/0021-calibration.md)).

use std::time::Instant;

use super::author::Author;
use super::controls::{self, Control, ControlText, QUESTIONS};
use super::gate::UNCALIBRATED_BUDGET;
use super::judge;
use super::options::general_rate;
use super::probes::Reading;
use super::prompt::PromptSet;
use super::rehearsal::Rehearsal;
use super::self_edits;
use super::session::{Question, Session};
use super::stats;
use super::trials::{Edit, Halving, Material};
use super::work::Tally;
use seald_core::clock::Clock;
use seald_core::domain::calibration::{Calibration, DriftSeen, RateTried, Speeds};
use seald_core::domain::progress::{Progress, Task};
use seald_core::domain::self_edit::{Directive, Format, RowText};
use seald_core::error::{Error, Kind, Result};
use seald_engine::lora::Adapter;

/// Rates that are tried, as multiples of what the model's width suggests, a fit over other models: the next one only where one diverges or moves the model beyond the budget.
/// Higher ones are not: twice the rate never gained more, and moved the models by up to five times as much (decision 21).
const FACTORS: [f64; 2] = [1.0, 0.5];
/// Parts of the way to each adapter at which drift is looked at: two, so that small drifts are among them. Beyond its end an adapter harms more than a training that
/// drifts as far (decision 21).
const PARTS: [f64; 2] = [0.5, 1.0];
/// Share of the base's right answers that may be lost. One answer in twenty is what a person would hardly notice; the gate guards each of what was learned.
const LOST_SHARE: f64 = 0.05;
/// Before anything is measured, nano's budget is believed, with the weight of so many nats a token times answers: a model that answers few of the questions
/// right says little about itself. Of 100 right answers at a drift of .08, a fifth of the weight is the belief's.
const BELIEVED: f64 = 2.0;
/// Names the taught text in seeds, so that every rate begins with the same adapter and sees the rows in the same order.
const KEY: &str = "calibration";
/// Writing about a token, and training once on what was written, take as long as reading it so often, about: of a page of 210 tokens Qwen2.5-Coder-0.5B trains on 68,000, three
/// readings each.
const READINGS_OF_WRITING: f64 = 250.0;
/// See [`READINGS_OF_WRITING`].
const READINGS_OF_TRAINING: f64 = 970.0;
/// Reading a text that is in sight, and writing the answers about it, takes as long as reading it so often: answers are short, but come token by token.
const READINGS_OF_ASKING: f64 = 2.0;

/// Calibrates the base model of a session. Nothing is kept; whoever calls this does that.
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
    let measured = session.work.doing(Task::Calibrate, || measure(session, rehearsal, tell))?;
    let drift_budget = budget(&measured.drifts);
    let usual = general_rate(session.model.decoder.config());
    let learning_rate = choose_rate(&measured.rates, usual, drift_budget).ok_or_else(diverged)?;
    let spent = session.tally().since(&before);
    let speeds = Speeds {
        read: per_second(measured.read.scored_tokens, measured.read.scoring_seconds),
        written: per_second(spent.generated_tokens, spent.generation_seconds),
        trained: per_second(spent.trained_tokens, spent.training_seconds),
    };
    Ok(Calibration {
        learning_rate,
        drift_budget,
        rates: measured.rates,
        drifts: measured.drifts,
        speeds,
        seconds: started.elapsed().as_secs_f64(),
        made_at: clock.now(),
    })
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
    let looks = 1 + PARTS.len();
    Ok(lesson * (READINGS_OF_WRITING + READINGS_OF_TRAINING) + (looks * asked) as f64 * READINGS_OF_ASKING)
}

/// What came of the measuring.
#[derive(Default)]
struct Measured {
    rates: Vec<RateTried>,
    drifts: Vec<DriftSeen>,
    /// What reading the guard text cost: there every token is read, elsewhere common beginnings are read once.
    read: Tally,
}

fn measure(session: &Session<'_>, rehearsal: &Rehearsal, tell: &mut dyn FnMut(Progress)) -> Result<Measured> {
    let texts = controls::texts();
    let (taught, others) = split(&texts)?;
    let [own, other] = taught.each_ref().map(|text| text.controls(QUESTIONS));
    // Of a model whose context holds none of the texts, only the rate is found out. With ten texts it is eighty questions a look.
    let beside = others.iter().flat_map(|text| text.controls(QUESTIONS)).collect();
    let beside = controls::fitting(session, beside)?;
    let base = Base::ask(session, [&own, &other], &beside)?;
    let lesson = lesson(session, &taught[0])?;
    let mut measured = Measured::default();
    for factor in FACTORS {
        let rate = general_rate(session.model.decoder.config()) * factor;
        let name = format!("calibration {rate:.1e}");
        let Some((adapter, tokens)) =
            teach(session, rehearsal, &base, rate, &name, (&taught[0], &lesson), tell)?
        else {
            continue;
        };
        let mut seen = Vec::with_capacity(PARTS.len());
        for part in PARTS {
            seen.push(base.look(session, rehearsal, &adapter, part, &mut measured.read)?);
        }
        let drift = seen.last().map_or(f64::NAN, |one| one.drift);
        let (gain, standard_error) = base.gain(session, &adapter)?;
        // An adapter may be beyond use although its last loss was still a number.
        if [drift, gain, standard_error].iter().all(|number| number.is_finite()) {
            measured.rates.push(RateTried { rate, gain, standard_error, drift, tokens });
            measured.drifts.extend(seen);
            if drift <= budget(&measured.drifts) {
                break;
            }
        }
    }
    Ok(measured)
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

/// Teaches the text to the base at one rate, as a document of one passage would be. The adapter and the tokens trained on; none if it diverged.
fn teach(
    session: &Session<'_>,
    rehearsal: &Rehearsal,
    base: &Base<'_>,
    learning_rate: f64,
    name: &str,
    (text, lesson): (&ControlText, &[RowText]),
    tell: &mut dyn FnMut(Progress),
) -> Result<Option<(Adapter, u64)>> {
    let rows = lesson.iter().map(|row| (0, row.clone())).collect();
    // The format names nothing here; how long it goes on follows from the presentations.
    let directive = Directive { format: Format::KeyFacts, learning_rate, epochs: usize::MAX };
    let passages = [text.passage.clone()];
    let material = Material { key: KEY, title: &text.title, passages: &passages, curriculum: &[], rehearsal };
    // Where somebody has trials ranked, they want questions to rank by.
    let probes = if session.options.rung_steps.is_empty() { &[][..] } else { &base.own };
    let mut tell_steps = |event| {
        if let Progress::Step { step, steps, loss, .. } = event {
            tell(Progress::Step { trial: name.to_string(), step, steps, loss });
        }
    };
    let edit = Edit { candidates: Vec::new(), directive, rows };
    let trained =
        Halving::new(session, material, None, probes).and_then(|one| one.only(edit, &mut tell_steps));
    match trained {
        Ok(trained) => Ok(Some((trained.adapter, trained.outcomes.iter().map(|one| one.tokens).sum()))),
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
    fn ask(session: &Session<'_>, [own, other]: [&'q [Control]; 2], beside: &'q [Control]) -> Result<Self> {
        let closed = |controls: &'q [Control]| controls.iter().map(Control::question).collect::<Vec<_>>();
        let (own, other) = (closed(own), closed(other));
        let (own_scores, other_scores) = (session.scores(&own, None)?, session.scores(&other, None)?);
        let in_sight: Vec<Question<'q>> = beside.iter().map(Control::in_sight).collect();
        let right = count_right(&session.right(&in_sight, None)?);
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

    /// How far a part of the way to an adapter drifts, and how many answers are lost there.
    fn look(
        &self,
        session: &Session<'_>,
        rehearsal: &Rehearsal,
        adapter: &Adapter,
        part: f64,
        read: &mut Tally,
    ) -> Result<DriftSeen> {
        let adapter = judge::between(None, adapter, part)?;
        let before = session.tally();
        let drift = rehearsal.drift(session, Some(&adapter))?;
        let spent = session.tally().since(&before);
        read.scored_tokens += spent.scored_tokens;
        read.scoring_seconds += spent.scoring_seconds;
        let now = session.right(&self.in_sight, Some(&adapter))?;
        // What a model guessed right it guesses wrong after any training, and the other way round: what counts is by how many fewer are right, and where
        // more are, that counts as much.
        let lost = self.right as i64 - count_right(&now) as i64;
        Ok(DriftSeen { drift, asked: self.right, lost })
    }
}

fn count_right(answers: &[bool]) -> usize {
    answers.iter().filter(|right| **right).count()
}

/// The drift at which [`LOST_SHARE`] of the answers are lost. While both are small, the share is proportional to the drift; the number of losses among many
/// answers is then Poisson's, and with a Gamma distribution for what is believed the mean of the slope is
/// `([`BELIEVED`] · believed slope + Σ lost) / ([`BELIEVED`] + Σ drift · asked)`. No further than was looked, or than what is believed beforehand: that nothing was lost
/// nearer does not speak against it.
fn budget(seen: &[DriftSeen]) -> f64 {
    let largest = seen.iter().map(|one| one.drift).fold(0.0, f64::max);
    if largest == 0.0 {
        // Where no adapter drifted, nothing was found out.
        return UNCALIBRATED_BUDGET;
    }
    let lost = seen.iter().map(|one| one.lost).sum::<i64>().max(0);
    let exposed: f64 = seen.iter().map(|one| one.drift.max(0.0) * one.asked as f64).sum();
    let believed = BELIEVED * LOST_SHARE / UNCALIBRATED_BUDGET;
    let budget = LOST_SHARE * (BELIEVED + exposed) / (believed + lost as f64);
    budget.min(largest.max(UNCALIBRATED_BUDGET))
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
mod tests {
    use super::*;

    fn seen(drift: f64, lost: i64) -> DriftSeen {
        DriftSeen { drift, asked: 30, lost }
    }

    fn tried(rate: f64, gain: f64, standard_error: f64, drift: f64) -> RateTried {
        RateTried { rate, gain, standard_error, drift, tokens: 9000 }
    }

    #[test]
    fn the_budget_is_where_one_answer_in_twenty_is_lost() {
        // A tenth of the answers for each .1 nats; with so many asked, what was believed moves it little.
        let many = |drift, lost| DriftSeen { drift, asked: 3000, lost };
        let found = budget(&[many(0.1, 300), many(0.2, 600), many(0.3, 900)]);
        assert!((found - 0.05).abs() < 1e-3, "{found}");
        // What is guessed differently is no loss: three fewer here and three more there.
        let guessed = budget(&[many(0.1, 203), many(0.2, 397), many(0.3, 600)]);
        assert!((guessed - budget(&[many(0.1, 200), many(0.2, 400), many(0.3, 600)])).abs() < 1e-9);
        assert_eq!(budget(&[seen(0.2, 2), seen(0.4, -3)]), 0.4, "nothing was lost");
        // Without any answer to lose, the belief stands.
        let none = DriftSeen { drift: 0.4, asked: 0, lost: 0 };
        assert!((budget(&[none]) - UNCALIBRATED_BUDGET).abs() < 1e-9);
    }

    #[test]
    fn the_budget_goes_no_further_than_was_looked_or_believed() {
        assert_eq!(budget(&[seen(0.2, 0), seen(0.4, 0)]), 0.4, "nothing was lost");
        assert_eq!(budget(&[seen(0.02, 0), seen(0.04, 0)]), UNCALIBRATED_BUDGET, "nor nearer");
        // An estimate below 0 is no drift.
        assert_eq!(budget(&[seen(-0.01, 0), seen(0.4, 0)]), 0.4);
        assert_eq!(budget(&[seen(0.0, 0), seen(-0.01, 0)]), UNCALIBRATED_BUDGET, "no adapter moved");
        assert_eq!(budget(&[]), UNCALIBRATED_BUDGET);
    }

    #[test]
    fn the_formulas_rate_is_left_only_for_one_that_is_surely_better() {
        let rates = [tried(1e-3, 1.0, 0.3, 0.02), tried(2e-3, 1.8, 0.4, 0.05), tried(4e-3, 2.0, 0.5, 0.08)];
        assert_eq!(choose_rate(&rates, 2e-3, 0.1), Some(2e-3), "1.8 is within .5 of 2");
        assert_eq!(choose_rate(&rates, 1e-3, 0.1), Some(4e-3), "1 is not");
        assert_eq!(choose_rate(&rates, 4e-3, 0.05), Some(2e-3), "the formula's own is too far from the base");
        assert_eq!(choose_rate(&rates, 2e-3, 0.01), Some(1e-3), "the lowest, where every one is too far");
        let worse = [rates[0], tried(2e-3, 0.2, 0.1, 0.05)];
        assert_eq!(choose_rate(&worse, 2e-3, 0.1), Some(1e-3), "more is not always better");
        assert_eq!(choose_rate(&[], 2e-3, 0.1), None);
    }

    #[test]
    fn what_was_not_done_has_no_speed() {
        assert_eq!((per_second(100, 2.0), per_second(0, 2.0), per_second(3, 0.0)), (Some(50.0), None, None));
    }
}
