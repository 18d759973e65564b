//! The judgement of a candidate: its probes are asked, what was known is asked again, its drift is measured, and the gate decides; where only
//! old knowledge suffers, only a part of the way from the live adapter to it is gone.

use super::comprehension::Comprehension;
use super::gate::{self, GateInput, GateProbe};
use super::paired::Paired;
use super::rehearsal::Rehearsal;
use super::session::{Answered, Question, Session};
use candle_core::Tensor;

use seald_core::domain::decision::Decision;
use seald_core::domain::progress::Task;
use seald_core::error::{Error, Kind, Result};
use seald_engine::lora::Adapter;

/// Halvings of the scale's interval.
const BISECTIONS: usize = 4;
/// Of the budget of drift, so much is used at least where a candidate goes beyond it: each closer look reads the guard text once more.
const OF_BUDGET: f64 = 0.9;

/// A probe with what the live model said before.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The question, without passage.
    pub question: Question<'a>,
    /// Number of its fact within its document.
    pub fact: usize,
    /// The live model's answer.
    pub before: &'a Answered,
}

/// What a candidate is asked.
#[derive(Debug, Clone, Copy)]
pub struct Probes<'a> {
    /// About the document; no trial saw them.
    pub gate: &'a [Asked<'a>],
    /// About things that the document says nothing of; none where no training shifts how the model answers.
    pub controls: &'a [Asked<'a>],
    /// About what was known before.
    pub bank: &'a [Asked<'a>],
    /// About other texts, the text in sight; none where training leaves alone how the model reads.
    pub reading: Option<&'a Comprehension>,
}

/// A judged candidate.
#[derive(Debug)]
pub struct Judged {
    /// What the gate was told.
    pub input: GateInput,
    /// What it says of it.
    pub decision: Decision,
    /// The candidate at the decision's scale.
    pub adapter: Adapter,
    /// Its answers to the gate probes.
    pub gate: Vec<Answered>,
    /// Its answers to the bank.
    pub bank: Vec<Answered>,
}

/// Judges `candidate`, which continues `live`: whole, or as much of the way to it as its drift allows; and if only old knowledge suffers there, at the
/// largest part of that which is accepted.
///
/// # Errors
/// From the engine.
pub fn judge(
    session: &Session<'_>,
    live: Option<&Adapter>,
    candidate: &Adapter,
    probes: Probes<'_>,
    rehearsal: &Rehearsal,
) -> Result<Judged> {
    let (mut whole, mut best) = (None, None);
    let reach = reach(session, live, candidate, rehearsal)?;
    let mut decide_at = |part: f64| -> Result<Decision> {
        let scale = part * reach;
        let adapter = between(live, candidate, scale)?;
        let judged = judge_at(session, adapter, scale, probes, rehearsal)?;
        let decision = judged.decision.clone();
        // Bisection begins with the whole candidate and goes up from an accepted scale, so the last accepted one is the largest.
        if decision.accepted {
            best = Some(judged);
        } else if whole.is_none() {
            whole = Some(judged);
        }
        Ok(decision)
    };
    gate::bisect_scale(&mut decide_at, BISECTIONS)?;
    best.or(whole).ok_or_else(|| Error::new(Kind::Internal, "the gate judged nothing"))
}

/// The largest part of the way to the candidate on which the drift stays within its budget, as far as uses [`OF_BUDGET`] of it; 1 where no part does. Drift is
/// measured in a fraction of the time that the questions take, so they are put there and not at every part on the way.
fn reach(
    session: &Session<'_>,
    live: Option<&Adapter>,
    candidate: &Adapter,
    rehearsal: &Rehearsal,
) -> Result<f64> {
    let budget = session.gate.budget();
    let drift = |part: f64| rehearsal.drift(session, Some(&between(live, candidate, part)?));
    let mut high = (1.0, drift(1.0)?);
    if high.1 <= budget {
        return Ok(1.0);
    }
    let mut low = (0.0, rehearsal.drift(session, live)?);
    for turn in 0..2 * BISECTIONS {
        if low.1 > budget || (low.0 > 0.0 && low.1 >= OF_BUDGET * budget) {
            break;
        }
        // A KL divergence grows with the square of a small step. A little less, so that what is found is more often within than beyond. Where it does not
        // grow so, halving gets on.
        let share = match turn % 2 {
            0 => ((budget - low.1) / (high.1 - low.1)).sqrt() * OF_BUDGET.sqrt(),
            _ => 0.5,
        };
        let part = low.0 + (high.0 - low.0) * share;
        let found = (part, drift(part)?);
        if found.1 <= budget { low = found } else { high = found }
    }
    Ok(if low.0 > 0.0 { low.0 } else { 1.0 })
}

fn judge_at(
    session: &Session<'_>,
    adapter: Adapter,
    scale: f64,
    probes: Probes<'_>,
    rehearsal: &Rehearsal,
) -> Result<Judged> {
    let ask = |task: Task, probes: &[Asked<'_>]| {
        let questions: Vec<Question<'_>> = probes.iter().map(|p| p.question).collect();
        session.ask_as(task, &questions, Some(&adapter))
    };
    let gate = ask(Task::AnswerDocument, probes.gate)?;
    let controls = ask(Task::AnswerControls, probes.controls)?;
    let bank = ask(Task::AnswerEarlier, probes.bank)?;
    let compare =
        |questions: &Comprehension| questions.compare(session, Some(&adapter), session.gate.tolerance());
    let reading = probes.reading.map(compare).transpose()?.unwrap_or_default();
    let drift = rehearsal.drift(session, Some(&adapter))?;
    let input = GateInput {
        probes: gate_probes(probes.gate, &gate),
        controls: gate_probes(probes.controls, &controls),
        bank: bank_probes(probes.bank, &bank),
        reading,
        drift,
        scale,
    };
    let decision = gate::decide(&input, &session.gate);
    Ok(Judged { input, decision, adapter, gate, bank })
}

fn gate_probes(probes: &[Asked<'_>], after: &[Answered]) -> Vec<GateProbe> {
    let pair = |(asked, after): (&Asked<'_>, &Answered)| GateProbe {
        fact: asked.fact,
        right_before: asked.before.grade.right,
        right_after: after.grade.right,
        score_before: asked.before.score(),
        score_after: after.score(),
    };
    probes.iter().zip(after).map(pair).collect()
}

fn bank_probes(probes: &[Asked<'_>], after: &[Answered]) -> Vec<Paired> {
    let pair = |(asked, after): (&Asked<'_>, &Answered)| Paired {
        right_before: asked.before.grade.right,
        right_after: after.grade.right,
    };
    probes.iter().zip(after).map(pair).collect()
}

/// A part of the way, 0 to 1, from the live adapter (none: the base) to one that continues it. From the base, B is multiplied; otherwise A and B
/// go as far each (Wortsman et al. 2022 interpolate weights of a model and its fine-tuned successor, arXiv 2109.01903).
///
/// # Errors
/// From the tensor library.
pub fn between(live: Option<&Adapter>, candidate: &Adapter, part: f64) -> Result<Adapter> {
    let mut found = candidate.clone();
    if part == 1.0 {
        return Ok(found);
    }
    let toward = |from: &Tensor, to: &Tensor| -> Result<Tensor> { Ok((from + ((to - from)? * part)?)?) };
    let mut earlier = live.map(|live| live.layers.iter().flatten().flatten());
    for matrices in found.layers.iter_mut().flatten().flatten() {
        match earlier.as_mut().and_then(Iterator::next) {
            Some(live) => {
                matrices.a = toward(&live.a, &matrices.a)?;
                matrices.b = toward(&live.b, &matrices.b)?;
            }
            None => matrices.b = matrices.b.affine(part, 0.0)?,
        }
    }
    Ok(found)
}
