//! The gate: accepts or rejects a candidate by six rules over recorded answers, and gives its reasons in words.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::comprehension::Tolerance;
use super::paired::{Changes, Paired};
use super::stats;
use seald_core::domain::decision::{Decision, Finding, Rule};
use seald_core::domain::number::probable_words;
use seald_core::error::{Error, Kind, Result};

/// A gate probe, answered before and after.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GateProbe {
    /// Number of the fact it asks for; wordings of one fact share it.
    pub fact: usize,
    /// Whether the live model answered right.
    pub right_before: bool,
    /// Whether the candidate answers right.
    pub right_after: bool,
    /// How well the live model knows the accepted answer, nats: [`crate::session::Answered::score`].
    pub score_before: f64,
    /// How well the candidate does.
    pub score_after: f64,
}

/// What was recorded of one candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateInput {
    /// The document's gate probes. No trial saw them.
    pub probes: Vec<GateProbe>,
    /// Questions about things that the document says nothing of ([`crate::controls`]): what changes there is not learned. Empty for a model whose
    /// style of answering no training shifts.
    pub controls: Vec<GateProbe>,
    /// A sample of the retention bank, one wording a fact.
    pub bank: Vec<Paired>,
    /// Questions about other texts, the text in sight ([`crate::comprehension`]); before is what the base answered, so that small losses of many
    /// documents add up here. Empty for a model with nano's prompts.
    #[serde(default)]
    pub reading: Vec<Paired>,
    /// Mean KL divergence of candidate from base on the guard text, nats a token, 0 or more.
    pub drift: f64,
    /// Factor on the candidate's scale at which all this was recorded, (0, 1].
    pub scale: f64,
}

/// What the gate demands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GateOptions {
    /// Facts that the gate probes must ask for, at least, 1 to 1,000. Over two facts the bound of the gain stands 4.5 standard deviations
    /// beneath the mean and rests on one difference; over three, 1.7.
    pub facts_needed: usize,
    /// Confidence of the lower bound of the gain, one-sided, in (0, 1). It decides for nano; for models that have controls the answers do. Noise passes this rule once in `1 / (1 -
    /// confidence)`; noise of mean 0 with few large losses and many small gains more often (exponential losses, 3 to 20
    /// facts: 10 to 17 % at .95), for so few facts do not show the losses. `gain_floor` or a higher confidence guard
    /// against it.
    pub confidence: f64,
    /// What the lower bound of the gain must exceed, nats a fact, 0 or more. Above 0 it asks for more than the ease that
    /// any training on the same form of answer brings.
    pub gain_floor: f64,
    /// Log-probability of an answer, nats, below 0, under which differences say nothing: at -10 or at -60 the answer is not known. Without it a
    /// few answers that were absurd before and are not after decide the mean, and their spread hides a gain that every fact shares.
    pub log_floor: f64,
    /// Rate of earlier answers that a candidate may lose, 0 to 1.
    pub loss_budget: f64,
    /// Losses are too many when the budget explains as many or more with this probability or less, in (0, 1).
    pub loss_level: f64,
    /// Mean KL from the base that is allowed, nats a token, above 0. 0: .1.
    pub drift_budget: f64,
    /// Seed of the bootstrap that finds the bound of the gain, 0 or more.
    pub seed: u64,
}

impl Default for GateOptions {
    fn default() -> Self {
        Self {
            facts_needed: 3,
            confidence: 0.95,
            gain_floor: 0.0,
            log_floor: -10.0,
            loss_budget: 0.03,
            loss_level: 0.05,
            drift_budget: 0.0,
            seed: 0x5ea1,
        }
    }
}

/// Drift that is allowed where nobody sets another, nats a token: nano's ([decision 8](../../../docs/decisions/0008-drift-from-the-bases-own-words.md)), and that at which Qwen2.5-Coder-0.5B's everyday answers are about a fifth shorter
/// ([decision 21](../../../docs/decisions/0021-calibration.md)).
pub const DRIFT_BUDGET: f64 = 0.1;

impl GateOptions {
    /// Mean KL from the base that is allowed, nats a token, above 0.
    pub fn budget(&self) -> f64 {
        if self.drift_budget > 0.0 { self.drift_budget } else { DRIFT_BUDGET }
    }

    /// What explains that a few of many answers are lost.
    pub fn tolerance(&self) -> Tolerance {
        Tolerance { rate: self.loss_budget, level: self.loss_level }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`Kind::Invalid`] naming the option.
    pub fn validate(&self) -> Result<()> {
        let Self {
            facts_needed,
            confidence,
            gain_floor,
            log_floor,
            loss_budget,
            loss_level,
            drift_budget,
            seed: _,
        } = self;
        let inside = |n: f64| n > 0.0 && n < 1.0;
        let rules = [
            ("facts_needed", *facts_needed as f64, (1..=1_000).contains(facts_needed), "1 to 1000"),
            ("confidence", *confidence, inside(*confidence), "a number above 0 and below 1"),
            ("gain_floor", *gain_floor, *gain_floor >= 0.0, "a number of 0 or more"),
            ("log_floor", *log_floor, *log_floor < 0.0, "a number below 0"),
            ("loss_budget", *loss_budget, (0.0..=1.0).contains(loss_budget), "0 to 1"),
            ("loss_level", *loss_level, inside(*loss_level), "a number above 0 and below 1"),
            ("drift_budget", *drift_budget, *drift_budget >= 0.0, "a number of 0 or more"),
        ];
        for (name, value, good, range) in rules {
            if !(good && value.is_finite()) {
                return Err(Error::new(Kind::Invalid, format!("{name} is {value}: give {range}")));
            }
        }
        Ok(())
    }
}

/// One row of [`RULES`].
pub struct RuleRow {
    /// Which rule.
    pub rule: Rule,
    /// What it demands.
    pub demand: &'static str,
    /// Why so.
    pub reason: &'static str,
    judge: fn(&GateInput, &GateOptions) -> Finding,
}

/// All that the gate demands, in the order of its findings.
pub const RULES: [RuleRow; 6] = [
    RuleRow {
        rule: Rule::EnoughProbes,
        demand: "the gate probes ask for 3 facts or more",
        reason: "over two facts, one difference decides",
        judge: enough_probes,
    },
    RuleRow {
        rule: Rule::Gain,
        demand: "the one-sided lower 95 % bound of the mean gain over facts is above 0; where there are controls, the mean itself is \
                 above what they gained by the same training",
        reason: "the preference for the right answer moves long before the answer does, and a bound passes noise once in twenty \
                 times; facts are resampled because wordings of one fact rise together; what also rises where nothing was taught \
                 is style. Where there are controls, the answers are the proof: over five facts of which three are learned \
                 surely and two are not, the mean has no bound above 0",
        judge: gain,
    },
    RuleRow {
        rule: Rule::Accuracy,
        demand: "more gate probes are answered right, closed book, than before, and, where there are controls, more facts turned \
                 right than the share of controls that did explains (exact one-sided binomial test at 5 %)",
        reason: "a gain that changes no answer is of no use to who asks, and a guess is no answer",
        judge: accuracy,
    },
    RuleRow {
        rule: Rule::Retention,
        demand: "of the bank's probes that were right, no more are lost than a loss rate of 3 % explains (exact \
                 one-sided binomial test at 5 %)",
        reason: "asking for proof of at most 3 % would turn away every candidate while the bank has fewer than 99 \
                 probes; allowing what 3 % explains lets one of 2 to 12 be lost, two of 13 to 27, three of 28 to 40, \
                 6 of 100, 10 of 200; an edit that loses 38 %, as SEAL's, is rejected 9 times in 10 once ten are \
                 asked",
        judge: retention,
    },
    RuleRow {
        rule: Rule::Reading,
        demand: "of questions about other texts, the text in sight, no fewer are answered right than by the base, but for what a loss rate \
                 of 3 % and as many turning one way as the other explain (exact one-sided test at 5 %)",
        reason: "a model taught facts may say one of them to whoever asks for a fact, whatever is in sight; drift on free \
                 text does not show it: 20 of 51 right answers were lost at a drift of .02 as at .22. What a weak model \
                 guesses turns one way and the other: without that, lessons that do no harm failed once in seven. Where more are lost than the \
                 rate alone explains, three times as many questions decide (decision 20)",
        judge: reading,
    },
    RuleRow {
        rule: Rule::Drift,
        demand: "mean KL from the base on the guard text is within its budget",
        reason: "the bank and the questions are samples of what was known; the guard text stands for the rest",
        judge: drift,
    },
];

/// Judges a candidate by every rule of [`RULES`]. Pure: the same input and options give the same decision.
pub fn decide(input: &GateInput, options: &GateOptions) -> Decision {
    let findings: Vec<Finding> = RULES.iter().map(|row| (row.judge)(input, options)).collect();
    Decision { accepted: findings.iter().all(|finding| finding.holds), findings, scale: input.scale }
}

/// The largest scale in (0, 1] that is accepted, with its decision; none if there is none. `decide_at` evaluates the
/// candidate at a scale and decides. It is called at scale 1 and, where only old knowledge fails there, up to `steps`
/// times more: half-way down where old knowledge fails, half-way up where all is well or too little is learned. Where
/// both fail, no smaller or larger scale helps.
///
/// # Errors Those of `decide_at`.
pub fn bisect_scale(
    decide_at: &mut dyn FnMut(f64) -> Result<Decision>,
    steps: usize,
) -> Result<Option<(f64, Decision)>> {
    let whole = decide_at(1.0)?;
    if whole.accepted {
        return Ok(Some((1.0, Decision { scale: 1.0, ..whole })));
    }
    if !whole.fails_only_old_knowledge() {
        return Ok(None);
    }
    let (mut low, mut high, mut best) = (0.0, 1.0, None);
    for _ in 0..steps {
        let scale = (low + high) / 2.0;
        let decision = decide_at(scale)?;
        if decision.accepted {
            low = scale;
            best = Some((scale, Decision { scale, ..decision }));
        } else if decision.fails_only_old_knowledge() {
            high = scale;
        } else if best.is_none() && keeps_old_knowledge(&decision) {
            low = scale;
        } else {
            break;
        }
    }
    Ok(best)
}

fn keeps_old_knowledge(decision: &Decision) -> bool {
    decision.findings.iter().all(|finding| finding.holds || !finding.rule.guards_old_knowledge())
}

fn enough_probes(input: &GateInput, options: &GateOptions) -> Finding {
    let facts = input.probes.iter().map(|probe| probe.fact).collect::<BTreeSet<_>>().len();
    let (asked, needed) = (count(facts, "fact"), options.facts_needed);
    let remedy = if facts < needed { ": give more questions beside the document" } else { "" };
    let words = format!("the gate probes ask for {asked}; {needed} are needed{remedy}");
    finding(Rule::EnoughProbes, facts >= needed, facts as f64, needed as f64, words)
}

fn gain(input: &GateInput, options: &GateOptions) -> Finding {
    let known = |score: f64| score.max(options.log_floor);
    let gain_of = |probe: &GateProbe| known(probe.score_after) - known(probe.score_before);
    let gains: Vec<(usize, f64)> = input.probes.iter().map(|probe| (probe.fact, gain_of(probe))).collect();
    let controls: Vec<f64> = input.controls.iter().map(gain_of).collect();
    let floor = options.gain_floor;
    let finite = |probe: &&GateProbe| probe.score_before.is_finite() && probe.score_after.is_finite();
    let broken = input.probes.len() - input.probes.iter().filter(finite).count();
    if broken > 0 {
        let words = format!("the score of {} is not a finite number", count(broken, "gate probe"));
        return finding(Rule::Gain, false, f64::NEG_INFINITY, floor, words);
    }
    // One-sided: what a two-sided interval leaves out on both sides lies beneath here.
    let confidence = 2.0 * options.confidence - 1.0;
    let got = match controls.len() {
        0 => stats::clustered_mean(&gains, confidence, options.seed),
        _ => stats::difference_of_means(&gains, &controls, confidence),
    };
    let (mean, low) = (got.mean, got.interval.low);
    let percent = options.confidence * 100.0;
    let (now, others) = (probable_words(mean), count(controls.len(), "question"));
    if !controls.is_empty() {
        let words = format!(
            "right answers are {now} now, beyond what {others} about other things gained ({mean:+.2} nats a fact, with {percent:.0} % confidence more than {low:+.2}; it must be more than {floor})"
        );
        return finding(Rule::Gain, mean > floor, mean, floor, words);
    }
    let words = if got.count < 2 {
        format!("the gain has no bound over {}", count(got.count, "fact"))
    } else {
        let chance = if low > floor { "" } else { "what was gained could be chance: " };
        format!(
            "{chance}right answers are {now} now ({mean:+.2} nats a fact; with {percent:.0} % confidence more than {low:+.2}, and that must be more than {floor})"
        )
    };
    finding(Rule::Gain, low > floor, low, floor, words)
}

fn accuracy(input: &GateInput, _: &GateOptions) -> Finding {
    let before = input.probes.iter().filter(|probe| probe.right_before).count();
    let after = input.probes.iter().filter(|probe| probe.right_after).count();
    let asked = count(input.probes.len(), "gate question");
    let (turned, needed) = turned(input);
    let demand = match needed {
        0 | 1 => "there must be more than before".to_string(),
        _ => format!("at least {} must turn from wrong to right: fewer may be luck", count(needed, "fact")),
    };
    let words =
        format!("{after} of {asked} answered right, {before} before; {demand}{}", strength(input.scale));
    finding(Rule::Accuracy, after > before && turned >= needed, after as f64, before as f64, words)
}

/// What a reader must know of a candidate of which only a part is judged.
fn strength(scale: f64) -> String {
    match scale {
        whole if whole >= 1.0 => String::new(),
        part => format!(
            ". It was judged at {:.0} % of its strength, for at more it changes what has nothing to do with the document",
            100.0 * part
        ),
    }
}

/// Level of the test that wrong answers turned right more often than those to the controls did.
const GUESS_LEVEL: f64 = 0.05;

/// How many facts turned right, and how many must. The rate at which the controls did is taken one higher than seen (Laplace's rule of succession), for
/// few controls may show none. Wordings of one fact turn together, so it counts once, and only if all of them that were wrong did.
fn turned(input: &GateInput) -> (usize, usize) {
    let wrong = |probe: &&GateProbe| !probe.right_before;
    let mut facts: BTreeMap<usize, bool> = BTreeMap::new();
    for probe in input.probes.iter().filter(wrong) {
        *facts.entry(probe.fact).or_insert(true) &= probe.right_after;
    }
    let turned = facts.values().filter(|all| **all).count();
    if input.controls.is_empty() {
        return (turned, 0);
    }
    let guesses = input.controls.iter().filter(wrong).count();
    let guessed = input.controls.iter().filter(wrong).filter(|probe| probe.right_after).count();
    let rate = (guessed + 1) as f64 / (guesses + 2) as f64;
    (turned, stats::losses_allowed(facts.len(), rate, GUESS_LEVEL) + 1)
}

fn retention(input: &GateInput, options: &GateOptions) -> Finding {
    let Changes { known, lost, .. } = Changes::of(&input.bank);
    let allowed = stats::losses_allowed(known, options.loss_budget, options.loss_level);
    let words = if known == 0 {
        "no earlier answer was right, so none could be lost".to_string()
    } else {
        format!("{lost} of {} lost; the budget allows {allowed}", count(known, "earlier answer"))
    };
    finding(Rule::Retention, lost <= allowed, lost as f64, allowed as f64, words)
}

fn reading(input: &GateInput, options: &GateOptions) -> Finding {
    let changes = Changes::of(&input.reading);
    let (Changes { known, lost, gained }, fewer) = (changes, changes.fewer());
    let allowed = stats::net_losses_allowed(known, lost + gained, options.loss_budget, options.loss_level);
    let words = if known == 0 {
        "no question about another text in sight was answered right, so none could be lost".to_string()
    } else {
        format!(
            "{lost} of {} about other texts in sight lost, {gained} turned right: {fewer} fewer; the budget allows {allowed}",
            count(known, "right answer")
        )
    };
    finding(Rule::Reading, fewer <= allowed, fewer as f64, allowed as f64, words)
}

fn drift(input: &GateInput, options: &GateOptions) -> Finding {
    let (drift, budget) = (input.drift, options.budget());
    let shown = two_digits(budget);
    let words = format!(
        "on text about other things it is {drift:.3} nats a token away from the base; at most {shown} are allowed"
    );
    finding(Rule::Drift, drift <= budget, drift, budget, words)
}

/// A budget as it is told, to two digits: a measured one has more than it is worth.
pub(super) fn two_digits(budget: f64) -> f64 {
    format!("{budget:.1e}").parse().unwrap_or(budget)
}

/// A finding whose numbers survive JSON, which has no infinities: the largest finite number stands for them, and for no
/// number at all.
fn finding(rule: Rule, holds: bool, value: f64, bound: f64, words: String) -> Finding {
    let finite = |number: f64| match (number.is_finite(), rule) {
        (true, _) => number,
        (false, Rule::Drift) => f64::MAX,
        (false, _) if number == f64::INFINITY => f64::MAX,
        (false, _) => f64::MIN,
    };
    Finding { rule, holds, value: finite(value), bound: finite(bound), words }
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
