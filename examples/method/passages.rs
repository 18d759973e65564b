//! Real passages with questions of people, each learned alone from the base: yield of the exam, what is learned, what the gate says of it and of a null
//! edit, what is lost. Every passage is a line of the output file, so that a run can be stopped and gone on with.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use seald_core::domain::ids::ProbeId;
use seald_core::domain::probe::{Probe, Role};
use seald_core::domain::self_edit::{Directive, Format, RowText};
use seald_core::error::Result;
use seald_engine::lora::Adapter;
use seald_engine::model::Model;
use seald_learn::author::Author;
use seald_learn::controls::{self, Control};
use seald_learn::gate::GateOptions;
use seald_learn::judge::{self, Asked};
use seald_learn::options::LearnOptions;
use seald_learn::probes::{self, Kept, PassRates, Reading};
use seald_learn::rehearsal::{self, Rehearsal};
use seald_learn::session::{Question, Session};
use seald_learn::trials::{Edit, Halving, Material};
use seald_learn::{exam, self_edits, stats};

use crate::lab::NEVER;

/// A passage as SQuAD has it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Passage {
    title: String,
    context: String,
    questions: Vec<HumanQuestion>,
}

#[derive(Debug, Clone, Deserialize)]
struct HumanQuestion {
    question: String,
    answer: String,
}

/// What of a passage is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Depth {
    /// The exam alone.
    Yield,
    /// The exam, the base, and the passage in sight.
    Ask,
    /// Everything: training on the passage alone and ours, the gate, a null edit.
    Learn,
}

/// Right answers and mean margin.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Score {
    pub(crate) asked: usize,
    pub(crate) right: usize,
    pub(crate) margin: f64,
}

/// One passage's results.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) title: String,
    pub(crate) number: usize,
    pub(crate) rates: Option<PassRates>,
    pub(crate) gate_facts: usize,
    pub(crate) retain: usize,
    pub(crate) cloze: usize,
    /// Role, question and answer of every probe, to be read.
    pub(crate) probes: Vec<(Role, String, String)>,
    pub(crate) scores: BTreeMap<String, Score>,
    /// Of base-right answers to human questions and controls: how many, and how many are wrong after.
    pub(crate) known: usize,
    pub(crate) lost: usize,
    pub(crate) accepted: Option<bool>,
    pub(crate) reasons: Vec<String>,
    pub(crate) null_accepted: Option<bool>,
    pub(crate) null_reasons: Vec<String>,
    pub(crate) drift: f64,
    pub(crate) rows: usize,
    pub(crate) trained_tokens: u64,
    pub(crate) generated_tokens: u64,
    pub(crate) scored_tokens: u64,
    pub(crate) seconds: BTreeMap<String, f64>,
}

/// What is measured, and where it goes.
pub(crate) struct Run<'a> {
    pub(crate) data: &'a Path,
    pub(crate) out: &'a Path,
    pub(crate) from: usize,
    pub(crate) passages: usize,
    pub(crate) depth: Depth,
    pub(crate) passage_only: bool,
}

/// Measures the passages that the output file has no line for; prints the table of all its lines.
pub(crate) fn measure(model: &Model, learn: LearnOptions, gate: &GateOptions, run: &Run<'_>) -> Result<()> {
    let session = Session::new(model, learn, &NEVER)?;
    let passages: Vec<Passage> = serde_json::from_slice(&fs::read(run.data).unwrap()).unwrap();
    let mut done = lines(run.out);
    let wanted = run.from..(run.from + run.passages).min(passages.len());
    let open: Vec<usize> = wanted.filter(|number| !done.iter().any(|line| line.number == *number)).collect();
    let rehearsal = match run.depth {
        Depth::Learn if !open.is_empty() => prepare(&session, run.out)?,
        _ => Rehearsal::default(),
    };
    for number in open {
        let other = &passages[(number + 1) % passages.len()];
        let line = Lab { session: &session, rehearsal: &rehearsal, gate, run }.one(
            number,
            &passages[number],
            other,
        )?;
        let mut file = fs::OpenOptions::new().create(true).append(true).open(run.out).unwrap();
        writeln!(file, "{}", serde_json::to_string(&line).unwrap()).unwrap();
        eprintln!(
            "{number}: {} gate facts, {:?}, accepted {:?}",
            line.gate_facts, line.scores, line.accepted
        );
        done.push(line);
    }
    crate::passages_table::print(&done);
    Ok(())
}

fn lines(out: &Path) -> Vec<Line> {
    let text = fs::read_to_string(out).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Base samples, drawn once and kept beside the output.
fn prepare(session: &Session<'_>, out: &Path) -> Result<Rehearsal> {
    let place: PathBuf = out.with_extension("samples.json");
    let started = Instant::now();
    let samples: Vec<Vec<u32>> = match fs::read(&place) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap(),
        Err(_) => {
            let samples = rehearsal::draw(session)?;
            fs::write(&place, serde_json::to_vec(&samples).unwrap()).unwrap();
            samples
        }
    };
    let found = Rehearsal::new(session, &samples);
    eprintln!("{} base samples ready after {:.0} s", samples.len(), started.elapsed().as_secs_f64());
    found
}

struct Lab<'a, 's> {
    session: &'s Session<'a>,
    rehearsal: &'s Rehearsal,
    gate: &'s GateOptions,
    run: &'s Run<'s>,
}

impl Lab<'_, '_> {
    fn one(&self, number: usize, passage: &Passage, other: &Passage) -> Result<Line> {
        let session = self.session;
        let mut line = Line { title: passage.title.clone(), number, ..Line::default() };
        let clock = Instant::now();
        let lap = |line: &mut Line, name: &str, since: f64| {
            let now = clock.elapsed().as_secs_f64();
            line.seconds.insert(name.into(), now - since);
            now
        };
        let before = session.tally();
        let text = [passage.context.clone()];
        let reading = Reading { key: &passage.title, title: &passage.title, passages: &text };
        let (kept, rates) = probes::make(session, reading, &[], None)?;
        let mut at = lap(&mut line, "exam", 0.0);
        let of = |role| kept.iter().filter(move |k: &&Kept| k.role == role);
        line.rates = Some(rates);
        line.gate_facts = of(Role::Gate).map(|k| k.fact).collect::<std::collections::BTreeSet<_>>().len();
        line.retain = of(Role::Retain).count();
        line.cloze = of(Role::Gate).filter(|k| exam::is_cloze(&k.question)).count();
        line.probes = kept.iter().map(|k| (k.role, k.question.clone(), k.answers[0].clone())).collect();
        if self.run.depth == Depth::Yield {
            return Ok(line);
        }
        let human = Human::new(passage);
        let base = human.ask(session, None, None)?;
        line.scores.insert("base".into(), base.0);
        let context = human.ask(session, None, Some(passage))?;
        line.scores.insert("in context".into(), context.0);
        at = lap(&mut line, "ask", at);
        if self.run.depth == Depth::Ask {
            return Ok(line);
        }
        let material = |passages| Material {
            key: &passage.title,
            title: &passage.title,
            passages,
            curriculum: &[],
            rehearsal: self.rehearsal,
        };
        let rate = session.options.learning_rates[0];
        if self.run.passage_only {
            let directive = Directive { format: Format::Rewrite, learning_rate: rate, epochs: usize::MAX };
            let edit = Edit { candidates: vec![], directive, rows: vec![] };
            // As many steps as ten presentations, SEAL's: one row alone is one step a presentation.
            let options = LearnOptions { final_steps: 10, ..session.options.clone() };
            let alone = Session::new(session.model, options, &NEVER)?;
            let trials = Halving::new(&alone, material(&text), None, &[])?.only(edit, &mut |_| {})?;
            line.scores.insert("passage only".into(), human.ask(session, Some(&trials.adapter), None)?.0);
            at = lap(&mut line, "passage only", at);
        }
        let drafts =
            self_edits::write(session, reading, &held_back(&kept), Author::Model(None), &mut |_| {})?;
        at = lap(&mut line, "study texts", at);
        let edits = edits(drafts);
        line.rows = edits.iter().map(|e| e.rows.len()).sum();
        let trials = Halving::new(session, material(&text), None, &[])?.run(edits, &mut |_| {})?;
        line.trained_tokens = trials.outcomes[0].tokens;
        at = lap(&mut line, "training", at);
        let ours = human.ask(session, Some(&trials.adapter), None)?;
        line.scores.insert("ours".into(), ours.0);
        let right = |answers: &[bool]| answers.iter().filter(|right| **right).count();
        (line.known, line.lost) =
            (right(&base.1), base.1.iter().zip(&ours.1).filter(|(b, o)| **b && !**o).count());
        let own = self.judge(&kept, passage, &trials.adapter)?;
        (line.accepted, line.reasons) = (own.as_ref().map(|d| d.0), own.map(|d| d.1).unwrap_or_default());
        line.drift = self.rehearsal.drift(session, Some(&trials.adapter))?;
        at = lap(&mut line, "gate", at);
        let foreign = [other.context.clone()];
        let foreign_reading = Reading { key: &other.title, title: &other.title, passages: &foreign };
        let (theirs, _) = probes::make(session, foreign_reading, &[], None)?;
        let null = self.judge(&theirs, other, &trials.adapter)?;
        (line.null_accepted, line.null_reasons) =
            (null.as_ref().map(|d| d.0), null.map(|d| d.1).unwrap_or_default());
        lap(&mut line, "null", at);
        let spent = session.tally().since(&before);
        (line.generated_tokens, line.scored_tokens) = (spent.generated_tokens, spent.scored_tokens);
        Ok(line)
    }

    fn judge(
        &self,
        kept: &[Kept],
        passage: &Passage,
        adapter: &Adapter,
    ) -> Result<Option<(bool, Vec<String>)>> {
        let gate: Vec<&Kept> = kept.iter().filter(|k| k.role == Role::Gate).collect();
        if gate.is_empty() {
            return Ok(None);
        }
        let decoys: Vec<_> =
            gate.iter().map(|k| exam::decoys(&k.question, &k.answers, &passage.context)).collect();
        let asked = |(k, decoys): (&&'_ Kept, &'_ Vec<String>)| -> (String, Vec<String>, Vec<String>) {
            (k.question.clone(), k.answers.clone(), decoys.clone())
        };
        let owned: Vec<_> = gate.iter().zip(&decoys).map(asked).collect();
        let questions =
            owned.iter().map(|(text, answers, decoys)| Question { text, answers, passage: None, decoys });
        let asked: Vec<Asked<'_>> = questions
            .zip(&gate)
            .map(|(question, kept)| Asked { question, fact: kept.fact, before: &kept.before })
            .collect();
        let controls = controls::of(self.session);
        let questions: Vec<Question<'_>> = controls.iter().map(Control::question).collect();
        let before = self.session.ask(&questions, None)?;
        let controls: Vec<Asked<'_>> = questions
            .iter()
            .zip(&before)
            .enumerate()
            .map(|(fact, (question, before))| Asked { question: *question, fact, before })
            .collect();
        let probes = judge::Probes { gate: &asked, controls: &controls, bank: &[] };
        let decision = judge::judge(self.session, None, adapter, probes, self.rehearsal, self.gate)?.decision;
        let words = decision.findings.iter().map(|finding| finding.words.clone()).collect();
        Ok(Some((decision.accepted, words)))
    }
}

/// The questions of people, with decoys.
struct Human {
    questions: Vec<(String, Vec<String>, Vec<String>)>,
}

impl Human {
    fn new(passage: &Passage) -> Self {
        let of = |q: &HumanQuestion| {
            let answers = vec![q.answer.clone()];
            let decoys = exam::decoys(&q.question, &answers, &passage.context);
            (q.question.clone(), answers, decoys)
        };
        Self { questions: passage.questions.iter().map(of).collect() }
    }

    fn ask(
        &self,
        session: &Session<'_>,
        adapter: Option<&Adapter>,
        sight: Option<&Passage>,
    ) -> Result<(Score, Vec<bool>)> {
        let passage = sight.map(|p| (p.title.as_str(), p.context.as_str()));
        let questions: Vec<Question<'_>> = self
            .questions
            .iter()
            .map(|(text, answers, decoys)| Question { text, answers, passage, decoys })
            .collect();
        let answered = session.ask(&questions, adapter)?;
        let right: Vec<bool> = answered.iter().map(|a| a.grade.right).collect();
        let margin = stats::mean(&answered.iter().map(|a| a.score()).collect::<Vec<_>>());
        Ok((Score { asked: right.len(), right: right.iter().filter(|r| **r).count(), margin }, right))
    }
}

/// The probes that no row may copy.
fn held_back(kept: &[Kept]) -> Vec<Probe> {
    let probe = |k: &Kept| Probe {
        id: ProbeId(0),
        document: None,
        passage: None,
        fact: k.fact,
        question: k.question.clone(),
        answers: k.answers.clone(),
        role: k.role,
        source: k.source,
    };
    kept.iter().map(probe).collect()
}

fn edits(drafts: Vec<self_edits::Draft>) -> Vec<Edit> {
    let mut edits = Vec::new();
    for draft in drafts.into_iter().filter(|draft| draft.discarded.is_none()) {
        let rows: Vec<(usize, RowText)> = draft.rows.into_iter().map(|row| (draft.passage, row)).collect();
        edits.push(Edit { candidates: vec![draft.candidate], directive: draft.directive, rows });
    }
    edits
}
