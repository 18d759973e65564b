//! The judgement of a candidate: its probes are asked, what was known is asked again, its drift is measured, and the gate decides; where only
//! old knowledge suffers, a smaller scale is tried.

use super::gate::{self, BankProbe, GateInput, GateOptions, GateProbe};
use super::rehearsal::Rehearsal;
use super::session::{Answered, Question, Session};
use crate::domain::decision::Decision;
use crate::engine::lora::Adapter;
use crate::error::{Error, Kind, Result};

/// Halvings of the scale's interval.
const BISECTIONS: usize = 4;

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
    /// About what was known before.
    pub bank: &'a [Asked<'a>],
}

/// A judged candidate.
#[derive(Debug)]
pub struct Judged {
    /// What the gate says.
    pub decision: Decision,
    /// The candidate at the decision's scale.
    pub adapter: Adapter,
    /// Its answers to the gate probes.
    pub gate: Vec<Answered>,
    /// Its answers to the bank.
    pub bank: Vec<Answered>,
}

/// Judges `candidate`: whole, and if only old knowledge suffers, at the largest smaller scale that is accepted.
///
/// # Errors
/// From the engine.
pub fn judge(
    session: &Session<'_>,
    candidate: Adapter,
    probes: Probes<'_>,
    rehearsal: &Rehearsal,
    options: &GateOptions,
) -> Result<Judged> {
    let (mut whole, mut best) = (None, None);
    let mut decide_at = |scale: f64| -> Result<Decision> {
        let judged = judge_at(session, &candidate, scale, probes, rehearsal, options)?;
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

fn judge_at(
    session: &Session<'_>,
    candidate: &Adapter,
    scale: f64,
    probes: Probes<'_>,
    rehearsal: &Rehearsal,
    options: &GateOptions,
) -> Result<Judged> {
    let adapter = scaled(candidate, scale)?;
    let ask = |probes: &[Asked<'_>]| {
        let questions: Vec<Question<'_>> = probes.iter().map(|p| p.question).collect();
        session.ask(&questions, Some(&adapter))
    };
    let (gate, bank) = (ask(probes.gate)?, ask(probes.bank)?);
    let drift = rehearsal.drift(session, Some(&adapter))?;
    let input = GateInput {
        probes: gate_probes(probes.gate, &gate),
        bank: bank_probes(probes.bank, &bank),
        drift,
        scale,
    };
    let decision = gate::decide(&input, options);
    Ok(Judged { decision, adapter, gate, bank })
}

fn gate_probes(probes: &[Asked<'_>], after: &[Answered]) -> Vec<GateProbe> {
    let pair = |(asked, after): (&Asked<'_>, &Answered)| GateProbe {
        fact: asked.fact,
        right_before: asked.before.grade.right,
        right_after: after.grade.right,
        log_prob_before: asked.before.log_prob,
        log_prob_after: after.log_prob,
    };
    probes.iter().zip(after).map(pair).collect()
}

fn bank_probes(probes: &[Asked<'_>], after: &[Answered]) -> Vec<BankProbe> {
    let pair = |(asked, after): (&Asked<'_>, &Answered)| BankProbe {
        right_before: asked.before.grade.right,
        right_after: after.grade.right,
    };
    probes.iter().zip(after).map(pair).collect()
}

/// The adapter with its update multiplied by `scale`: B is, so that rank and alpha stay what its files say.
///
/// # Errors
/// From the tensor library.
pub fn scaled(adapter: &Adapter, scale: f64) -> Result<Adapter> {
    let mut scaled = adapter.clone();
    if scale != 1.0 {
        for matrices in scaled.layers.iter_mut().flatten().flatten() {
            matrices.b = matrices.b.affine(scale, 0.0)?;
        }
    }
    Ok(scaled)
}
