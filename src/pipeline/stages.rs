//! The stages of learning a document but the last two, one function each. What a stage reads is in the database or in the job's folder; what it
//! computes follows from that alone, so a stage that is done again ends the same.

use std::collections::HashSet;

use super::crash::{self, Place};
use super::questions::{closed, compared};
use super::worker::{Tell, Worker};
use seald_core::domain::document::Document;
use seald_core::domain::evaluation::{Evaluation, Subject};
use seald_core::domain::ids::{GenerationId, ProbeId, SelfEditId};
use seald_core::domain::job::{Job, Stage};
use seald_core::domain::probe::{Probe, Role};
use seald_core::domain::progress::{Progress, Task};
use seald_core::domain::self_edit::{RowText, SelfEdit};
use seald_core::error::{Error, Kind, Result};
use seald_core::files::StagedDir;
use seald_learn::comprehension::Comprehension;
use seald_learn::controls::{self, Control};
use seald_learn::grade::Grade;
use seald_learn::judge::{self, Asked};
use seald_learn::probes::{self, Kept, Reading};
use seald_learn::rows;
use seald_learn::self_edits;
use seald_learn::session::{Answered, Question};
use seald_learn::trials::{Edit, Halving, Material, Outcome};
use seald_store::{Lesson, NewEvaluation, NewProbe, NewSelfEdit, NewTrial};

/// The folder of a trial's adapter within its job's.
pub(super) const TRIAL: &str = "trial";
/// The folder of the adapter that the gate accepted.
pub(super) const CANDIDATE: &str = "candidate";
/// Numbers of facts of the bank begin here, so that none is one of the document's own.
const BANK_FACTS: usize = 1 << 32;

/// What a replay found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    /// Questions asked.
    pub asked: usize,
    /// Right answers.
    pub right: usize,
    /// Right when last asked and wrong now.
    pub lost: usize,
}

impl Worker<'_> {
    pub(super) fn make_probes(&mut self, job: &Job, document: &Document, tell: Tell<'_>) -> Result<Job> {
        let texts = self.cut(document);
        if let Some(reason) = too_long(texts.len(), self.session.options.max_passages) {
            return self.store.reject(job, &[reason]);
        }
        let passages = self.store.cut(job, &texts)?;
        let supplied = self.store.supplied_probes(document.id)?;
        let pairs: Vec<_> = supplied.into_iter().map(|p| (p.question, p.answers)).collect();
        let reading = Reading { key: &document.hash, title: &document.title, passages: &texts };
        let (kept, rates) = probes::make(&self.session, reading, &pairs, self.live(), self.examiner())?;
        let live = self.live_id();
        let facts = kept.iter().map(|k| k.fact).collect::<HashSet<_>>().len();
        let new = kept.into_iter().map(|k| new_probe(k, live, |passage| passages.get(passage).map(|p| p.id)));
        let new: Vec<NewProbe> = new.collect();
        let stats = serde_json::to_value(rates).unwrap_or_default();
        crash::point(Stage::Probes, Place::AfterFiles);
        let job = self.store.finish_probes(job, &new, &stats)?;
        tell(Progress::Probes { supplied: pairs.len(), written: rates.written, kept: rates.kept, facts });
        Ok(job)
    }

    pub(super) fn write_self_edits(&mut self, job: &Job, document: &Document, tell: Tell<'_>) -> Result<Job> {
        let asked = self.store.probes(document.id, None)?;
        let ranks = !self.session.options.rung_steps.is_empty();
        if let Some(reason) = nothing_to_ask(&asked, self.session.gate.facts_needed, ranks) {
            return self.store.reject(job, &[reason]);
        }
        let passages = self.store.passages(document.id)?;
        let texts: Vec<String> = passages.iter().map(|p| p.text.clone()).collect();
        let reading = Reading { key: &document.hash, title: &document.title, passages: &texts };
        let (author, name) = (self.author(), self.author_name());
        // What is read to choose among forms, and to check the texts, is part of it.
        let write = || self_edits::write(&self.session, reading, &asked, author, tell);
        let drafts = self.session.work.doing(Task::WriteTexts, write)?;
        let new = drafts.into_iter().map(|d| NewSelfEdit {
            passage: passages[d.passage].id,
            candidate: d.candidate,
            directive: d.directive,
            prompt_version: d.prompt_version,
            writer: name.clone(),
            text: d.text,
            rows: d.rows,
            discarded: d.discarded,
            dropped: d.dropped,
        });
        let new: Vec<NewSelfEdit> = new.collect();
        crash::point(Stage::SelfEdits, Place::AfterFiles);
        self.store.finish_self_edits(job, &new)
    }

    pub(super) fn run_trials(&mut self, job: &Job, document: &Document, tell: Tell<'_>) -> Result<Job> {
        let written = self.store.self_edits(document.id)?;
        let passages = self.store.passages(document.id)?;
        let place = |edit: &SelfEdit| passages.iter().position(|p| p.id == edit.passage).unwrap_or(0);
        let edits = edits(&written, &place);
        if edits.is_empty() {
            let reasons = written.iter().filter_map(|e| e.discarded.clone());
            let mut reasons: Vec<String> =
                reasons.map(|r| format!("a self-edit was discarded: {r}")).collect();
            reasons.dedup();
            reasons.insert(0, "nothing that the model wrote about it can be trained on".into());
            return self.store.reject(job, &reasons);
        }
        let texts: Vec<String> = passages.iter().map(|p| p.text.clone()).collect();
        let curriculum = self.curriculum()?;
        let select = self.store.probes(document.id, Some(Role::Select))?;
        let decoys = self.decoys(document, &select)?;
        let asked: Vec<Question<'_>> = select.iter().zip(&decoys).map(compared).collect();
        let material = Material {
            key: &document.hash,
            title: &document.title,
            passages: &texts,
            curriculum: &curriculum,
            rehearsal: &self.rehearsal,
        };
        let run = || Halving::new(&self.session, material, self.live(), &asked)?.run(edits, tell);
        let trials = self.session.work.doing(Task::AnswerDocument, run)?;
        let staged = StagedDir::replacing(&self.root.job(job.id), TRIAL)?;
        self.session.write_adapter(&trials.adapter, &staged)?;
        staged.publish()?;
        crash::point(Stage::Trials, Place::AfterFiles);
        let rows = trials.outcomes.into_iter().enumerate();
        let new: Vec<NewTrial> = rows.map(|(i, o)| new_trial(o, i == 0, &written)).collect();
        self.store.finish_trials(job, &new)
    }

    /// Training rows of everything that the live chain has learned.
    fn curriculum(&self) -> Result<Vec<seald_learn::TrainRow>> {
        self.rows_of(&self.store.curriculum()?)
    }

    /// Training rows of some lessons, the passages among them.
    pub(super) fn rows_of(&self, lessons: &[Lesson]) -> Result<Vec<seald_learn::TrainRow>> {
        let mut found = Vec::new();
        for lesson in lessons {
            let passages = lesson.passages.iter().map(|p| RowText::Text(format!("{}\n{p}", lesson.title)));
            for text in passages.chain(lesson.rows.iter().cloned()) {
                found.push(rows::row(&self.session, &text)?);
            }
        }
        found.retain(rows::has_target);
        Ok(found)
    }

    pub(super) fn judge(&mut self, job: &Job, document: &Document, tell: Tell<'_>) -> Result<Job> {
        let live = self.live_id();
        let candidate = self.session.load_adapter(&self.root.job(job.id).join(TRIAL))?;
        let gate = self.store.probes(document.id, Some(Role::Gate))?;
        let decoys = self.decoys(document, &gate)?;
        let gate_questions: Vec<Question<'_>> = gate.iter().zip(&decoys).map(compared).collect();
        let recorded = self.store.evaluations(document.id, Subject::Before)?;
        let before = gate.iter().map(|p| before(p, &recorded, live)).collect::<Option<Vec<_>>>();
        let before = match before {
            Some(before) => before,
            // Somebody rolled back since the probes were asked.
            None => self.session.ask_as(Task::AnswerDocument, &gate_questions, self.live())?,
        };
        let controls = controls::of(&self.session);
        let control_questions: Vec<Question<'_>> = controls.iter().map(Control::question).collect();
        let controls_before = match self.controls.take().filter(|(id, _)| *id == live) {
            Some((_, answered)) => answered,
            None => self.session.ask_as(Task::AnswerControls, &control_questions, self.live())?,
        };
        let reading = match self.reading.take() {
            Some(reading) => reading,
            None => Comprehension::new(&self.session)?,
        };
        let bank = self.bank()?;
        let bank_questions: Vec<Question<'_>> = bank.iter().map(closed).collect();
        let bank_before = self.session.ask_as(Task::AnswerEarlier, &bank_questions, self.live())?;
        let gate_asked = asked(&gate_questions, &before, |place| gate[place].fact);
        let control_asked = asked(&control_questions, &controls_before, |place| place);
        let bank_asked = asked(&bank_questions, &bank_before, |place| BANK_FACTS + place);
        let probes = judge::Probes {
            gate: &gate_asked,
            controls: &control_asked,
            bank: &bank_asked,
            reading: Some(&reading),
        };
        let judged = judge::judge(&self.session, self.live(), &candidate, probes, &self.rehearsal)?;
        self.controls = Some((live, controls_before));
        self.reading = Some(reading);
        let mut evaluations = evaluations(&gate, &before, Subject::Before, live);
        evaluations.extend(self::evaluations(&bank, &bank_before, Subject::Before, live));
        evaluations.extend(self::evaluations(&gate, &judged.gate, Subject::Candidate, live));
        evaluations.extend(self::evaluations(&bank, &judged.bank, Subject::Candidate, live));
        if judged.decision.accepted {
            let staged = StagedDir::replacing(&self.root.job(job.id), CANDIDATE)?;
            self.session.write_adapter(&judged.adapter, &staged)?;
            staged.publish()?;
        }
        crash::point(Stage::Gate, Place::AfterFiles);
        let next = self.store.finish_gate(job, &evaluations, &judged.decision)?;
        let (accepted, reasons) = (judged.decision.accepted, judged.decision.reasons());
        if !accepted {
            super::publish::clear(&self.root, job.id);
        }
        tell(Progress::Decided { accepted, reasons });
        Ok(next)
    }

    pub(super) fn bank(&self) -> Result<Vec<Probe>> {
        self.store.bank(self.session.options.bank_probes, self.session.options.seed)
    }

    pub(super) fn replay(&mut self, job: &Job, tell: Tell<'_>) -> Result<Job> {
        let parent = self.store.generation(self.live_id())?.parent;
        let (done, evaluations) = self.ask_bank(&self.bank()?, &self.store.replay_row(parent)?)?;
        crash::point(Stage::Replay, Place::AfterFiles);
        let job = self.store.finish_replay(job, &evaluations)?;
        super::publish::clear(&self.root, job.id);
        let Replayed { asked, right, lost } = done;
        tell(Progress::Replayed { asked, right, lost });
        Ok(job)
    }

    /// Puts the bank to the live generation; what is wrong and was right `earlier` is lost.
    pub(super) fn ask_bank(
        &self,
        bank: &[Probe],
        earlier: &[Evaluation],
    ) -> Result<(Replayed, Vec<Evaluation>)> {
        let questions: Vec<_> = bank.iter().map(closed).collect();
        let answered = self.session.ask_as(Task::AnswerEarlier, &questions, self.live())?;
        let was_right: HashSet<ProbeId> = earlier.iter().filter(|e| e.right).map(|e| e.probe).collect();
        let lost =
            bank.iter().zip(&answered).filter(|(p, a)| was_right.contains(&p.id) && !a.grade.right).count();
        let right = answered.iter().filter(|a| a.grade.right).count();
        let evaluations = evaluations(bank, &answered, Subject::Replay, self.live_id());
        Ok((Replayed { asked: bank.len(), right, lost }, evaluations))
    }
}

/// Why a document of so many passages is not learned, if so.
fn too_long(passages: usize, most: usize) -> Option<String> {
    (passages > most).then(|| {
        format!(
            "it is too long to be learned as one: it comes to {passages} passages for this model, at most {most} are taken: \
             split it into parts (its chapters, say), or allow more (--max-passages {passages}, or `max_passages` in \
             seald.toml), each of which takes its time"
        )
    })
}

/// Why probes cannot rank and judge, if they cannot.
fn nothing_to_ask(probes: &[Probe], facts_needed: usize, ranks: bool) -> Option<String> {
    let of = |role| probes.iter().filter(|p| p.role == role).count();
    let select = if ranks { of(Role::Select) } else { of(Role::Select) + of(Role::Gate) };
    match (of(Role::Gate), select, of(Role::Preserve)) {
        (0, 0, 0) => Some(
            "no question about it survived: the model could not answer its own questions with the document in sight; \
             give some in a file NAME.probes.jsonl beside it"
                .into(),
        ),
        (0, 0, known) => Some(format!("the model knows it already: it answered all {known} questions without the document")),
        (0, _, _) | (_, 0, _) => Some(
            "too few questions about it survived to both choose a training and judge it; \
             give more in a file NAME.probes.jsonl beside it"
                .into(),
        ),
        (_, _, known) if known > probes.len() / 2 => {
            let facts: HashSet<_> = probes.iter().filter(|p| p.role == Role::Gate).map(|p| p.fact).collect();
            (facts.len() < facts_needed).then(|| {
                let all = probes.len();
                format!(
                    "the model knows nearly all of it already: it answered {known} of {all} questions without the document, and the \
                     others ask for too little to judge by; where something in it is new, give questions about that in a file \
                     NAME.probes.jsonl beside it"
                )
            })
        }
        _ => None,
    }
}

fn new_probe(
    kept: Kept,
    live: GenerationId,
    passage: impl Fn(usize) -> Option<seald_core::domain::ids::PassageId>,
) -> NewProbe {
    let evaluations = vec![
        new_evaluation(&kept.base, Subject::Base, GenerationId::BASE),
        new_evaluation(&kept.in_context, Subject::InContext, GenerationId::BASE),
        new_evaluation(&kept.before, Subject::Before, live),
    ];
    let Kept { fact, question, answers, role, source, .. } = kept;
    NewProbe { passage: kept.passage.and_then(passage), fact, question, answers, role, source, evaluations }
}

fn new_evaluation(answered: &Answered, subject: Subject, generation: GenerationId) -> NewEvaluation {
    let Answered { text, grade: Grade { right, recall, f1, exact }, log_prob, margin } = answered.clone();
    NewEvaluation { subject, generation, answer: text, right, recall, f1, exact, log_prob, margin }
}

pub(super) fn evaluations(
    probes: &[Probe],
    answered: &[Answered],
    subject: Subject,
    generation: GenerationId,
) -> Vec<Evaluation> {
    let each = probes.iter().zip(answered);
    each.map(|(probe, answered)| new_evaluation(answered, subject, generation).of(probe.id)).collect()
}

/// What the live generation answered when the probes were made; none if another one was live then.
fn before(probe: &Probe, recorded: &[Evaluation], live: GenerationId) -> Option<Answered> {
    let found = recorded.iter().find(|e| e.probe == probe.id && e.generation == live)?;
    let grade = Grade { right: found.right, recall: found.recall, f1: found.f1, exact: found.exact };
    Some(Answered { text: found.answer.clone(), grade, log_prob: found.log_prob, margin: found.margin })
}

fn asked<'a>(
    questions: &[Question<'a>],
    before: &'a [Answered],
    fact: impl Fn(usize) -> usize,
) -> Vec<Asked<'a>> {
    let each = questions.iter().zip(before).enumerate();
    each.map(|(place, (question, before))| Asked { question: *question, fact: fact(place), before }).collect()
}

/// One edit a candidate, from the self-edits that were not discarded.
fn edits(written: &[SelfEdit], place: &dyn Fn(&SelfEdit) -> usize) -> Vec<Edit> {
    let mut edits: Vec<Edit> = Vec::new();
    for one in written.iter().filter(|e| e.discarded.is_none()) {
        let rows = one.rows.iter().map(|row| (place(one), row.clone()));
        match edits.iter_mut().find(|e| e.candidates == [one.candidate]) {
            Some(edit) => edit.rows.extend(rows),
            None => {
                let (candidates, directive) = (vec![one.candidate], one.directive.clone());
                edits.push(Edit { candidates, directive, rows: rows.collect() });
            }
        }
    }
    edits
}

fn new_trial(outcome: Outcome, chosen: bool, written: &[SelfEdit]) -> NewTrial {
    let of_it = |e: &&SelfEdit| outcome.candidates.contains(&e.candidate) && e.discarded.is_none();
    let self_edits: Vec<SelfEditId> = written.iter().filter(of_it).map(|e| e.id).collect();
    let Outcome { name, learning_rate, rung, steps, tokens, seconds, loss, gain, accuracy, .. } = outcome;
    NewTrial { name, self_edits, learning_rate, rung, steps, tokens, seconds, loss, gain, accuracy, chosen }
}

impl Worker<'_> {
    /// The error for files of a stage that are gone.
    pub(super) fn missing(&self, what: &str, job: &Job) -> Error {
        let text = format!(
            "{what} of job {} is gone from {}: retry the document",
            job.id,
            self.root.job(job.id).display()
        );
        Error::new(Kind::Corrupt, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_model_knows_is_rejected_in_words() {
        let probe = |fact: usize, role: Role| Probe {
            id: ProbeId(0),
            document: None,
            passage: None,
            fact,
            question: "When?".into(),
            answers: vec!["noon".into()],
            role,
            source: seald_core::domain::probe::ProbeSource::Generated,
        };
        let mut probes = vec![probe(0, Role::Gate), probe(0, Role::Select), probe(1, Role::Gate)];
        assert_eq!(nothing_to_ask(&probes, 3, true), None, "the gate says that these are too few");
        probes.extend((2..9).map(|fact| probe(fact, Role::Preserve)));
        assert!(nothing_to_ask(&probes, 3, true).unwrap().contains("it answered 7 of 10 questions"));
        assert_eq!(nothing_to_ask(&probes, 2, true), None);
        assert!(nothing_to_ask(&probes[3..], 3, true).unwrap().contains("all 7 questions"));
        assert!(nothing_to_ask(&[], 3, true).unwrap().contains("no question"));
    }

    #[test]
    fn a_document_of_too_many_passages_is_rejected_with_a_remedy() {
        assert_eq!(too_long(32, 32), None);
        let reason = too_long(33, 32).unwrap();
        for words in ["33 passages", "at most 32", "split it", "--max-passages 33", "max_passages"] {
            assert!(reason.contains(words), "no `{words}` in: {reason}");
        }
    }
}
