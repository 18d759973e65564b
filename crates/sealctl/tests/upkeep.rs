//! Work that learns no document: its pages against golden files, and what is told of it while it is under way.

use sealctl::client::progress;
use seald_core::domain::generation::Origin;
use seald_core::domain::ids::{DocumentId, JobId};
use seald_core::domain::job::{JobKind, JobState, Stage};
use seald_core::domain::progress::Progress;
use seald_core::domain::self_edit::{Directive, Format};
use seald_core::domain::writer::{Examined, Whose};
use seald_core::protocol::*;
use seald_terminal::feed::Feed;
use seald_terminal::{forget, heatmap, jobs, status, writer};

use crate::made_up::{self, LONG, NOW, WIDE, times};
use crate::pages::check;
use crate::terminal::{golden, matrix, plain};

fn comparison() -> ComparisonView {
    ComparisonView {
        before: Share::of(36, 48),
        after: Share::of(40, 48),
        lost: 2,
        below_base: 1,
        drift_before: 0.0123,
        drift_after: 0.0101,
        accepted: true,
        reasons: vec![],
    }
}

fn consolidation() -> ConsolidationView {
    ConsolidationView {
        job: JobId(31),
        reason: "scheduled".into(),
        against: Some("gen-000012".into()),
        documents: 12,
        rows: 1340,
        learning_rate: 1e-3,
        steps: 2400,
        tokens: 300_000,
        seconds: 425.0,
        loss: 0.5,
        comparison: Some(comparison()),
        generation: Some("gen-000013".into()),
        ended_at: Some(NOW),
    }
}

pub(crate) fn consolidated() -> JobOutcome {
    JobOutcome {
        job: JobId(31),
        kind: JobKind::Consolidate,
        document: None,
        state: JobState::Done,
        stage: Stage::Swap,
        attempts: 1,
        reason: Some("scheduled".into()),
        error: None,
        done: Some(true),
        outcome: Some("gen-000013 takes the place of gen-000012: 40 of 48 questions right, 36 before".into()),
        seconds: Some(630.0),
        consolidation: Some(consolidation()),
        forgotten: None,
    }
}

fn proof(after: usize, keep_history: bool) -> ForgottenView {
    ForgottenView {
        document: DocumentId(10),
        keep_history,
        base: Share::of(1, 12),
        before: Share::of(11, 12),
        after: Share::of(after, 12),
        ended_at: Some(NOW),
    }
}

fn forgotten(after: usize, keep_history: bool) -> JobOutcome {
    JobOutcome {
        kind: JobKind::Forget,
        document: Some(DocumentId(10)),
        stage: Stage::Purge,
        outcome: Some("document 10 is forgotten".into()),
        forgotten: Some(proof(after, keep_history)),
        ..consolidated()
    }
}

pub(crate) fn failed() -> JobOutcome {
    let unproven = ForgottenView { base: None, before: None, after: None, ended_at: None, ..proof(1, false) };
    JobOutcome {
        state: JobState::Failed,
        stage: Stage::Retrain,
        error: Some("given up after 3 attempts: the disk is full\u{1b}[2J: make room".into()),
        done: Some(false),
        consolidation: None,
        forgotten: Some(unproven),
        ..forgotten(1, false)
    }
}

fn text(format: Format, reward: f64, text: &str) -> WriterText {
    let directive = Directive { format, learning_rate: 1e-3, epochs: 10 };
    WriterText { directive, text: text.into(), reward, discarded: None }
}

fn authors() -> WriterView {
    let examined = Examined {
        documents: 12,
        reward_before: 0.42,
        reward_after: 0.61,
        bound: 0.05,
        diversity_before: 0.81,
        diversity_after: 0.8,
        promoted: true,
        reasons: vec!["its texts teach more: right answers are 1.2 times more probable with them".into()],
    };
    let round = RoundView {
        number: 2,
        job: JobId(40),
        reason: "asked for".into(),
        present: Some("writer-000001".into()),
        winners: 24,
        steps: 96,
        tokens: 41_000,
        seconds: 31.0,
        loss: 0.7,
        examined: Some(examined.clone()),
        writer: Some("writer-000002".into()),
        ended_at: Some(NOW),
    };
    let stays = Examined { bound: -0.02, promoted: false, reasons: vec![WIDE.into()], ..examined };
    let first = RoundView { number: 1, present: None, examined: Some(stays), writer: None, ..round.clone() };
    let begun = RoundView { number: 3, examined: None, writer: None, ended_at: None, ..round.clone() };
    let choice = |what: &str, present: usize, new: usize| WriterChoice {
        what: what.into(),
        present: Tally { count: present, of: 60 },
        new: Tally { count: new, of: 60 },
        present_reward: (present > 0).then_some(0.41),
        new_reward: (new > 0).then_some(-12.5),
    };
    let example = WriterExample {
        document: DocumentId(10),
        title: WIDE.into(),
        present: Some(text(Format::Rewrite, 0.5, "The harbour\u{1b}[2J opens\n\nat nine.")),
        new: Some(WriterText {
            discarded: Some("it repeats itself".into()),
            ..text(Format::KeyFacts, 0.0, LONG)
        }),
    };
    let story = RoundStory {
        number: 2,
        present_discarded: Tally { count: 6, of: 60 },
        new_discarded: Tally { count: 0, of: 60 },
        formats: vec![choice("implications_long", 12, 0), choice("key_facts", 48, 60)],
        learning_rates: vec![choice("1e-3", 60, 60)],
        epochs: vec![choice("10", 60, 60)],
        examples: vec![example.clone(), WriterExample { title: LONG.into(), new: None, ..example }],
    };
    WriterView {
        writer: Some("writer-000002".into()),
        since: Some(NOW.plus_seconds(-90_000)),
        documents: vec![LONG.into(), WIDE.into()],
        total: 3,
        rounds: vec![begun, round, first],
        told: Some(story),
    }
}

fn anew() -> AdaptersView {
    let mut view = made_up::adapters(5);
    for (place, parent) in [(0, Some("gen-000004")), (3, None)] {
        let generation = &mut view.generations[place];
        (generation.origin, generation.parent) = (Origin::Consolidated, parent.map(String::from));
        generation.documents.clear();
    }
    view
}

#[test]
fn what_came_of_a_job_is_a_page() {
    check("job_consolidated", |look| jobs::render(&consolidated(), look));
    check("job_forgotten", |look| jobs::render(&forgotten(1, true), look));
    check("job_failed", |look| jobs::render(&failed(), look));
    let above = jobs::render(&forgotten(9, false), &plain(80));
    assert!(above.contains("more than the base knows") && !above.contains("Kept"), "{above}");
    let stays = JobOutcome {
        done: Some(false),
        outcome: Some("gen-000012 stays: too much would be lost".into()),
        ..consolidated()
    };
    let stays = jobs::render(&stays, &plain(80));
    assert!(
        stays.contains("✗ changed nothing in 10 min 30 s") && stays.contains("gen-000012 stays"),
        "{stays}"
    );
}

#[test]
fn the_writer_and_its_rounds_are_a_page() {
    check("writer", |look| writer::render(&authors(), times(), look));
    let base = WriterView { writer: None, since: None, total: 0, rounds: vec![], told: None, ..authors() };
    let text = writer::render(&base, times(), &plain(80));
    assert!(text.contains("the base model") && text.contains("`sealctl train-writer` begins one"), "{text}");
}

#[test]
fn generations_that_were_trained_anew_are_marked() {
    check("adapters_anew", |look| seald_terminal::adapters::render(&anew(), times(), look));
    let mut view = matrix(4);
    view.consolidated = vec!["gen-000003".into()];
    golden("sealctl/forgetting_anew", &heatmap::render(&view, &plain(80)));
}

#[test]
fn forgetting_says_what_goes_before_it_is_asked_for() {
    let mut document = made_up::story();
    let live = Some("gen-000005");
    check("forget", |look| forget::question(&document, live, false, look));
    let kept = forget::question(&document, live, true, &plain(80));
    assert!(
        kept.contains("Kept       backups, and 4 adapters that contain it: gen-000002 to gen-000005"),
        "{kept}"
    );
    let went = forget::question(&document, Some("gen-000001"), false, &plain(80));
    assert!(went.contains("nothing: the live model does not contain it"), "{went}");
    document.contained_in.clear();
    let never = forget::question(&document, live, false, &plain(80));
    assert!(never.contains("no adapter: none contains it"), "{never}");
}

/// All that such work tells, in the order in which it comes.
fn told() -> Vec<Progress> {
    let step = |step| Progress::Step { trial: "everything".into(), step, steps: 2, loss: 1.5 };
    let stage = |stage| Progress::Stage { stage };
    let sampled = |written| Progress::Sampled { whose: Whose::New, written, of: 2, reward: 0.4 };
    let ended =
        |kind, done, outcome: &str| Progress::Ended { kind, done, outcome: outcome.into(), seconds: 75.0 };
    let compared = Progress::Compared { asked: 48, before: 36, after: 40, accepted: true, reasons: vec![] };
    vec![
        Progress::Began { kind: JobKind::Forget, reason: "asked\u{1b}[2J for".into() },
        stage(Stage::Retrain),
        step(1),
        step(2),
        stage(Stage::Compare),
        compared,
        stage(Stage::Swap),
        Progress::Live { generation: "gen-000013".into() },
        stage(Stage::Purge),
        Progress::Forgotten { documents: 2, files: 3, adapters: 1 },
        ended(JobKind::Forget, true, "document 10 is forgotten"),
        Progress::Began { kind: JobKind::WriterRound, reason: "scheduled".into() },
        stage(Stage::TrainWriter),
        stage(Stage::Examine),
        sampled(1),
        sampled(2),
        ended(JobKind::WriterRound, false, "the present writer stays: what it earns more could be chance"),
    ]
}

#[test]
fn the_feed_tells_of_work_that_learns_no_document() {
    let mut feed = Feed::new(plain(80));
    let events = told().into_iter().map(|one| {
        let event = EventView { document: None, ..made_up::event(None, 31, &one) };
        assert_eq!(progress(&event).as_ref(), Some(&one), "what is written is read");
        event
    });
    let lines: Vec<String> = events.flat_map(|event| feed.tell(&event, progress(&event).as_ref())).collect();
    golden("sealctl/feed_upkeep", &(lines.join("\n") + "\n"));
}

#[test]
fn status_tells_of_it_with_its_steps() {
    let tending = Tending {
        job: JobId(31),
        kind: JobKind::Consolidate,
        reason: "asked for".into(),
        stage: Stage::Retrain,
        since: NOW.plus_seconds(-300),
        trial: Some(TrialProgress { name: "everything".into(), step: 20, steps: 80, loss: 1.234 }),
    };
    let view = StatusView { activity: Activity::Tending(tending), ..made_up::idle() };
    let text = status::render(&view, times(), &plain(80));
    assert!(text.contains("consolidation: training everything anew, for 5 min (asked for)"), "{text}");
    assert!(text.contains("step 20 of 80 (loss 1.23; everything)"), "{text}");
}
