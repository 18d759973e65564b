//! Real passages with questions of people, each learned alone from the base: yield of the exam, what is learned, what the gate says of it and of a null
//! edit, what is lost. Every passage is a line of the output file, so that a run can be stopped and gone on with.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use seald_core::domain::ids::ProbeId;
use seald_core::domain::probe::{Probe, Role};
use seald_core::domain::progress::Progress;
use seald_core::domain::self_edit::{Directive, Format, RowText};
use seald_core::error::Result;
use seald_engine::lora::Adapter;
use seald_engine::model::Model;
use seald_learn::author::Author;
use seald_learn::comprehension::Comprehension;
use seald_learn::controls::{self, Control};
use seald_learn::gate::GateOptions;
use seald_learn::judge::{self, Asked, Judged};
use seald_learn::options::LearnOptions;
use seald_learn::paired::Paired;
use seald_learn::probes::{self, Kept, PassRates, Reading};
use seald_learn::rehearsal::{self, Rehearsal};
use seald_learn::session::{Question, Session};
use seald_learn::trials::{Edit, Halving, Material};
use seald_learn::work::Tally;
use seald_learn::{exam, self_edits};

use crate::cache::kept_in;
use crate::everyday;
use crate::lab::NEVER;
use crate::passages_line::{Depth, Line, Run, lines};
use crate::people::{Human, Passage};
use crate::record;

/// Measures the passages that the output file has no line for; prints the table of all its lines.
pub(crate) fn measure(model: &Model, learn: LearnOptions, gate: GateOptions, run: &Run) -> Result<()> {
    let mut session = Session::new(model, learn, &NEVER)?;
    session.gate = gate;
    let passages: Vec<Passage> = serde_json::from_slice(&fs::read(&run.data).unwrap()).unwrap();
    let mut done = lines(&run.out);
    let wanted = run.from..(run.from + run.passages).min(passages.len());
    let open: Vec<usize> = wanted.filter(|number| !done.iter().any(|line| line.number == *number)).collect();
    let rehearsal = match run.depth {
        Depth::Train | Depth::Learn if !open.is_empty() => prepare(&session, &run.cache())?,
        _ => Rehearsal::default(),
    };
    let comprehension = Comprehension::new(&session)?;
    let lab = Lab {
        session: &session,
        rehearsal: &rehearsal,
        run,
        passages: &passages,
        comprehension: &comprehension,
    };
    for number in open {
        let line = lab.one(number)?;
        let mut file = fs::OpenOptions::new().create(true).append(true).open(&run.out).unwrap();
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

/// Base samples.
fn prepare(session: &Session<'_>, cache: &Path) -> Result<Rehearsal> {
    let started = Instant::now();
    let samples: Vec<Vec<u32>> = kept_in(cache, "samples.json", || rehearsal::draw(session))?;
    let found = Rehearsal::new(session, &samples);
    eprintln!("{} base samples ready after {:.0} s", samples.len(), started.elapsed().as_secs_f64());
    found
}

struct Lab<'a, 's> {
    session: &'s Session<'a>,
    rehearsal: &'s Rehearsal,
    run: &'s Run,
    passages: &'s [Passage],
    comprehension: &'s Comprehension,
}

/// An exam, with the seconds and tokens that it took.
#[derive(Serialize, Deserialize)]
struct Exam {
    kept: Vec<Kept>,
    rates: PassRates,
    cost: Tally,
    seconds: f64,
}

/// Study texts, likewise.
#[derive(Serialize, Deserialize)]
struct Texts {
    edits: Vec<Edit>,
    /// What was written, in its format.
    texts: Vec<(Format, String)>,
    discarded: Vec<String>,
    cost: Tally,
    seconds: f64,
}

impl Lab<'_, '_> {
    fn exam(&self, number: usize) -> Result<Exam> {
        let passage = &self.passages[number];
        kept_in(&self.run.cache(), &format!("exam-{number}.json"), || {
            let (clock, before) = (Instant::now(), self.session.tally());
            let text = [passage.context.clone()];
            let document = Reading { key: &passage.title, title: &passage.title, passages: &text };
            let (kept, rates) = probes::make(self.session, document, &[], None, Author::Model(None))?;
            let cost = self.session.tally().since(&before);
            Ok(Exam { kept, rates, cost, seconds: clock.elapsed().as_secs_f64() })
        })
    }

    fn texts(&self, number: usize, kept: &[Kept]) -> Result<Texts> {
        let passage = &self.passages[number];
        kept_in(&self.run.cache(), &format!("texts-{number}.json"), || {
            let (clock, before) = (Instant::now(), self.session.tally());
            let text = [passage.context.clone()];
            let document = Reading { key: &passage.title, title: &passage.title, passages: &text };
            let author = Author::Model(None);
            let drafts = self_edits::write(self.session, document, &held_back(kept), author, &mut |_| {})?;
            let discarded = drafts.iter().filter_map(|draft| draft.discarded.clone()).collect();
            let texts = drafts.iter().map(|draft| (draft.directive.format, draft.text.clone())).collect();
            let (cost, seconds) = (self.session.tally().since(&before), clock.elapsed().as_secs_f64());
            Ok(Texts { edits: edits(drafts), texts, discarded, cost, seconds })
        })
    }

    fn one(&self, number: usize) -> Result<Line> {
        let session = self.session;
        let passage = &self.passages[number];
        let mut line = Line { title: passage.title.clone(), number, ..Line::default() };
        let clock = Instant::now();
        let lap = |line: &mut Line, name: &str, since: f64| {
            let now = clock.elapsed().as_secs_f64();
            line.seconds.insert(name.into(), now - since);
            now
        };
        let before = session.tally();
        let text = [passage.context.clone()];
        let document = Reading { key: &passage.title, title: &passage.title, passages: &text };
        let Exam { kept, rates, cost: exam_cost, seconds } = self.exam(number)?;
        line.seconds.insert("exam".into(), seconds);
        let mut at = clock.elapsed().as_secs_f64();
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
        line.scores.insert("base".into(), base.score);
        let context = human.ask(session, None, Some(passage))?;
        line.scores.insert("in context".into(), context.score);
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
            let mut alone = Session::new(session.model, options, &NEVER)?;
            alone.gate = session.gate.clone();
            let trials = Halving::new(&alone, material(&text), None, &[])?.only(edit, &mut |_| {})?;
            line.scores.insert("passage only".into(), human.ask(session, Some(&trials.adapter), None)?.score);
            lap(&mut line, "passage only", at);
        }
        let Texts { mut edits, texts, cost: texts_cost, seconds, .. } = self.texts(number, &kept)?;
        // The cache may be of a time with another rate.
        edits.iter_mut().for_each(|edit| edit.directive.learning_rate = rate);
        line.seconds.insert("study texts".into(), seconds);
        at = clock.elapsed().as_secs_f64();
        line.rows = edits.iter().map(|e| e.rows.len()).sum();
        let trials = Halving::new(session, material(&text), None, &[])?.run(edits, &mut say_step)?;
        line.trained_tokens = trials.outcomes[0].tokens;
        line.anchors = trials.outcomes[0].anchors;
        at = lap(&mut line, "training", at);
        let ours = human.ask(session, Some(&trials.adapter), None)?;
        line.scores.insert("ours".into(), ours.score);
        line.known = count_right(&base.right);
        line.lost = base.right.iter().zip(&ours.right).filter(|(b, o)| **b && !**o).count();
        line.drift = self.rehearsal.drift(session, Some(&trials.adapter))?;
        at = lap(&mut line, "ask", at);
        self.look_beside(&mut line, &trials.adapter)?;
        at = lap(&mut line, "everyday", at);
        if self.run.depth == Depth::Train {
            line.answers = ours.answers;
            return Ok(line);
        }
        let own = self.judge(&kept, passage, &trials.adapter)?;
        (line.accepted, line.reasons) = said(own.as_ref());
        let gate = kept.iter().filter(|k| k.role == Role::Gate);
        let given = own.iter().flat_map(|judged| &judged.gate);
        line.answers = gate
            .zip(given)
            .map(|(k, a)| (k.question.clone(), k.answers[0].clone(), a.text.clone()))
            .collect();
        line.answers.extend(ours.answers);
        if let Some(folder) = &self.run.record {
            let place = folder.join(format!("{number}.json"));
            let record = record::record(session, document, &kept, texts, own.map(|judged| judged.input))?;
            fs::create_dir_all(folder).unwrap();
            fs::write(place, serde_json::to_string_pretty(&record).unwrap() + "\n").unwrap();
        }
        lap(&mut line, "gate", at);
        // Its own exam, put to what learned this passage.
        let other = (number + 1) % self.passages.len();
        let theirs = self.exam(other)?.kept;
        let other = &self.passages[other];
        at = clock.elapsed().as_secs_f64();
        let null = self.judge(&theirs, other, &trials.adapter)?;
        (line.null_accepted, line.null_reasons) = said(null.as_ref());
        lap(&mut line, "null", at);
        // Of what came from the cache, what it took then.
        let spent = session.tally().since(&before);
        let sum = |of: &dyn Fn(&Tally) -> u64| [spent, exam_cost, texts_cost].iter().map(of).sum();
        line.generated_tokens = sum(&|t| t.generated_tokens);
        line.scored_tokens = sum(&|t| t.scored_tokens);
        Ok(line)
    }

    /// Conversation and questions about other texts in sight.
    fn look_beside(&self, line: &mut Line, adapter: &Adapter) -> Result<()> {
        let usual = kept_in(&self.run.cache(), "everyday.json", || everyday::answers(self.session, None))?;
        let now = everyday::answers(self.session, Some(adapter))?;
        line.everyday = Some(everyday::compare(&usual, &now));
        let pairs = self.comprehension.first(self.session, Some(adapter))?;
        let right = |of: fn(&Paired) -> bool| pairs.iter().filter(|pair| of(pair)).count();
        line.reading = Some((right(|pair| pair.right_before), right(|pair| pair.right_after), pairs.len()));
        Ok(())
    }

    fn judge(&self, kept: &[Kept], passage: &Passage, adapter: &Adapter) -> Result<Option<Judged>> {
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
        let before = kept_in(&self.run.cache(), "controls.json", || self.session.ask(&questions, None))?;
        let controls: Vec<Asked<'_>> = questions
            .iter()
            .zip(&before)
            .enumerate()
            .map(|(fact, (question, before))| Asked { question: *question, fact, before })
            .collect();
        let reading = Some(self.comprehension);
        let probes = judge::Probes { gate: &asked, controls: &controls, bank: &[], reading };
        Ok(Some(judge::judge(self.session, None, adapter, probes, self.rehearsal)?))
    }
}

fn count_right(answers: &[bool]) -> usize {
    answers.iter().filter(|right| **right).count()
}

/// Every tenth step of a training, to whoever waits for it.
fn say_step(progress: Progress) {
    if let Progress::Step { step, steps, loss, .. } = progress
        && step % 10 == 0
    {
        eprintln!("step {step} of {steps}: loss {loss:.3}");
    }
}

/// A judgement in words.
fn said(judged: Option<&Judged>) -> (Option<bool>, Vec<String>) {
    let words = |judged: &Judged| judged.decision.findings.iter().map(|f| f.words.clone()).collect();
    (judged.map(|judged| judged.decision.accepted), judged.map(words).unwrap_or_default())
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
