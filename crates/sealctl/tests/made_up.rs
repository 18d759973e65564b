//! Made-up answers of a daemon, hard on a terminal: wide text, escapes, much and nothing.

use seald_core::clock::Timestamp;
use seald_core::domain::decision::{Finding, Rule};
use seald_core::domain::document::{DocumentFormat, DocumentState};
use seald_core::domain::evaluation::Subject;
use seald_core::domain::generation::Origin;
use seald_core::domain::ids::{DocumentId, JobId};
use seald_core::domain::job::{JobState, Stage};
use seald_core::domain::probe::{ProbeSource, Role};
use seald_core::domain::self_edit::{Directive, DroppedLine, Format, RowText};
use seald_core::protocol::*;
use seald_terminal::{Times, Zone};

/// A title that no line has room for, and one that a terminal would obey.
pub(crate) const LONG: &str =
    "Proceedings of the Committee for the Uniform Marking of Lighthouses and Buoys, Volume the Second";
pub(crate) const WIDE: &str = "漁業組合の規則集 👩‍👩‍👧‍👦\nsecond\u{1b}[2J line";

/// 2026-11-22 17:40 UTC.
pub(crate) const NOW: Timestamp = Timestamp(1_795_369_200_000);

pub(crate) fn times() -> Times {
    Times { now: NOW, zone: Zone::Utc }
}

pub(crate) fn before(seconds: i64) -> Timestamp {
    NOW.plus_seconds(-seconds)
}

/// A daemon that has as much to say as there can be.
pub(crate) fn status() -> StatusView {
    let fading = |title: &str| Fading { title: title.into(), was_right: 8, right: 5, asked: 9 };
    let next = |what: &str, hours: i64, last| NextRun {
        what: what.into(),
        at: NOW.plus_seconds(hours * 3600),
        last,
    };
    StatusView {
        version: "0.1.0".into(),
        pid: 4711,
        started_at: before(11_520),
        root: "/var/lib/seald".into(),
        inbox: "/var/lib/seald/inbox".into(),
        activity: Activity::Learning(Learning {
            document: DocumentId(12),
            title: WIDE.into(),
            stage: Stage::Trials,
            since: before(185),
            seconds: Some(560.0),
            trial: Some(TrialProgress { name: "key_facts 1e-3 x10".into(), step: 20, steps: 80, loss: 1.234 }),
        }),
        work: None,
        time_left: TimeLeft { document: Some(375.0), all: Some(1250.0) },
        held: Some(Held::Paused { since: before(60), until: Some(NOW.plus_seconds(1800)) }),
        model: ModelState { name: "nano".into(), loaded: true, resident_bytes: 312 << 20 },
        documents: DocumentCounts { waiting: 3, learned: 12, rejected: 2, failed: 1, refused: 0, unreadable: 0 },
        knowledge: KnowledgeView {
            live: Some("gen-000012".into()),
            live_since: Some(before(7200)),
            documents: 12,
            now: Share::of(36, 48),
            base: Share::of(3, 48),
            backward_transfer: Some(-0.041),
            fading: vec![fading("Harbour rules"), fading(LONG), fading(WIDE), fading("Hokra"), fading("Yiltonrk")],
        },
        next: vec![
            next("replay", 9, Some(before(54_000))),
            next("backup", 10, Some(before(50_000))),
            next("prune", 30, None),
        ],
        serve_to: vec![
            ServingView {
                url: "http://127.0.0.1:8000".into(),
                name: "seald".into(),
                generation: Some("gen-000012".into()),
                at: Some(before(7190)),
                ..ServingView::default()
            },
            ServingView {
                url: "https://gpu.example".into(),
                name: "tides".into(),
                failures: 7,
                error: Some("https://gpu.example refuses the connection: see whether it runs and whether url is right".into()),
                again_at: Some(NOW.plus_seconds(90)),
                ..ServingView::default()
            },
        ],
        problems: vec![
            "the disk of /var/lib/seald is nearly full, 312 MiB are left: make room, else nothing can be learned from tomorrow on or so, and old generations go first".into(),
            "the inbox cannot be watched (inotify limit): it is looked at every 30 s instead".into(),
            "adapters/gen-000009 is damaged: its parent answers".into(),
            "a fourth".into(),
        ],
    }
}

/// A daemon on its first day.
pub(crate) fn idle() -> StatusView {
    StatusView {
        activity: Activity::Idle,
        time_left: TimeLeft::default(),
        held: None,
        documents: DocumentCounts::default(),
        knowledge: KnowledgeView::default(),
        next: vec![],
        serve_to: vec![],
        problems: vec![],
        ..status()
    }
}

pub(crate) fn line(id: i64, title: &str, state: DocumentState) -> DocumentLine {
    let judged = matches!(state, DocumentState::Learned | DocumentState::Rejected);
    let reasons = match state {
        DocumentState::Rejected => {
            vec!["the gain could be chance: its lower bound is -0.12 nats\na question".into()]
        }
        DocumentState::Failed => {
            vec!["there is no text in it, only pictures: run it through OCR first".into()]
        }
        _ => vec![],
    };
    DocumentLine {
        id: DocumentId(id),
        name: "harbour.md".into(),
        title: title.into(),
        tag: (id % 2 == 0).then(|| "reports".into()),
        format: DocumentFormat::Markdown,
        state,
        reasons,
        received_at: before(id * 4000),
        replaced_by: (id == 3).then_some(DocumentId(9)),
        generation: (state == DocumentState::Learned).then(|| format!("gen-{id:06}")),
        before: judged.then_some(0.0625),
        after: judged.then_some(1.0),
    }
}

/// A document of each state.
pub(crate) fn documents() -> DocumentsPage {
    use DocumentState::{Failed, Learned, Learning, Rejected, Waiting};
    let documents = vec![
        line(13, "Tide tables", Waiting),
        line(12, WIDE, Learning),
        line(11, LONG, Learned),
        line(10, "Harbour rules", Rejected),
        line(4, "", Failed),
        line(3, "Hokra", Learned),
    ];
    DocumentsPage { documents, next_before: Some(DocumentId(3)), total: 10_000 }
}

fn given(subject: Subject, answer: &str, right: bool) -> GivenAnswer {
    GivenAnswer {
        subject,
        generation: Some("gen-000011".into()),
        answer: answer.into(),
        right,
        log_prob: -1.5,
    }
}

/// A document with all that can be told of it.
pub(crate) fn story() -> DocumentView {
    let finding =
        |holds, words: &str| Finding { rule: Rule::Gain, holds, value: 1.0, bound: 0.0, words: words.into() };
    let trial = |name: &str, gain, accuracy, chosen| TrialReport {
        name: name.into(),
        rung: 1,
        gain,
        accuracy,
        loss: 0.75,
        tokens: 9000,
        seconds: 2.5,
        chosen,
    };
    let probe = |role, source, answers: Vec<GivenAnswer>| ProbeView {
        question: "When does the office of the harbour open on Sundays\u{9b}31m, and who has the key?".into(),
        answers: vec!["at nine".into(), "9 o'clock".into()],
        role,
        source,
        given: answers,
    };
    let report = DocumentReport {
        verdict: DocumentState::Learned,
        probe_counts: ProbeCounts { supplied: 4, written: 30, kept: 20, facts: 8 },
        accuracies: Accuracies {
            baseline: Share::of(0, 16),
            in_context: Share::of(16, 16),
            before: Share::of(1, 16),
            adapter: Share::of(15, 16),
        },
        self_edits: SelfEditCounts { written: 8, discarded: 1, rows: 96, dropped_lines: 3 },
        trials: vec![trial("key_facts 1e-3 x10", 3.5, Some(0.75), true), trial("union", 0.5, None, false)],
        findings: vec![
            finding(true, "the gain in log p(answer) is 2.25 nats a question at least"),
            finding(false, "5 of 40 earlier answers would be lost, and 2 are the most that are allowed"),
        ],
        scale: Some(0.5),
        generation: Some("gen-000012".into()),
        ..DocumentReport::unread("harbour.md".into(), String::new())
    };
    let decided = vec![
        given(Subject::Base, "", false),
        given(Subject::Before, "At\u{1b}]0;x\u{7} noon.", false),
        given(Subject::Candidate, "at nine", true),
        given(Subject::Replay, "at ten", false),
        given(Subject::Replay, "at nine", true),
    ];
    DocumentView {
        line: line(10, "Harbour rules", DocumentState::Learned),
        job: JobView { id: JobId(10), state: JobState::Done, stage: Stage::Replay, attempts: 1, error: None },
        characters: 7120,
        passages: 4,
        contained_in: (2..=5).map(|i| format!("gen-{i:06}")).collect(),
        report,
        probes: vec![
            probe(Role::Retain, ProbeSource::Generated, vec![]),
            probe(Role::Gate, ProbeSource::Supplied, decided),
        ],
    }
}

/// A document that waits and was tried before.
pub(crate) fn waiting() -> DocumentView {
    DocumentView {
        line: line(12, WIDE, DocumentState::Waiting),
        job: JobView {
            id: JobId(12),
            state: JobState::Queued,
            stage: Stage::Probes,
            attempts: 2,
            error: Some("the model file\nis not there".into()),
        },
        passages: 0,
        report: DocumentReport {
            verdict: DocumentState::Waiting,
            ..DocumentReport::unread("a.md".into(), String::new())
        },
        probes: vec![],
        ..story()
    }
}

pub(crate) fn edits() -> SelfEditsView {
    let directive = Directive { format: Format::KeyFacts, learning_rate: 1e-3, epochs: 10 };
    let edit = SelfEditView {
        candidate: 0,
        passage: 1,
        directive,
        text: "Opening hours: at nine\nKey: the harbour master".into(),
        rows: vec![
            RowText::Text("The office opens at nine.".into()),
            RowText::Turn { question: "Who has the key?".into(), answer: WIDE.into() },
        ],
        discarded: None,
        dropped: vec![DroppedLine { line: "When does it open?".into(), reason: "it copies a probe".into() }],
        chosen: true,
    };
    let discarded = SelfEditView {
        candidate: 1,
        rows: vec![],
        discarded: Some("it repeats itself".into()),
        dropped: vec![],
        chosen: false,
        ..edit.clone()
    };
    SelfEditsView { id: DocumentId(10), title: "Harbour rules".into(), self_edits: vec![edit, discarded] }
}

/// `n` generations, the third newest of which was rolled back.
pub(crate) fn adapters(n: usize) -> AdaptersView {
    let name = |i: usize| format!("gen-{i:06}");
    let one = |i: usize| GenerationView {
        name: name(i),
        origin: Origin::Learned,
        parent: (i > 1).then(|| name(i - 1)),
        other_base: (i + 1 == n).then(|| "/models/qwen".into()),
        live: i == n,
        in_live_chain: i + 2 != n,
        created_at: before((n - i) as i64 * 40_000),
        documents: vec![["Hokra", LONG, WIDE][i % 3].into(), "Harbour rules".into()],
        path: format!("/var/lib/seald/adapters/{}", name(i)),
        bytes: (i != 2).then_some(3 << 20),
        findings: vec![],
    };
    AdaptersView { live: (n > 0).then(|| name(n)), generations: (1..=n).rev().map(one).collect() }
}

pub(crate) fn why() -> WhyView {
    let weighed = |model: &str, log_prob| Weighed { model: model.into(), log_prob };
    let source = |number, title: &str, name: &str| Source {
        document: DocumentId(number),
        title: title.into(),
        name: name.into(),
    };
    let rows = vec![
        WhyRow {
            format: Format::SelfQa,
            row: RowText::Turn { question: "When does the harbour open?".into(), answer: "at nine".into() },
        },
        WhyRow { format: Format::KeyFacts, row: RowText::Text("Opening of the harbour: at nine".into()) },
    ];
    let probe = |question: &str, right| WhyProbe {
        question: question.into(),
        answers: vec!["at nine".into(), "9".into()],
        right,
    };
    let first = WhyDocument {
        source: source(3, "Harbour rules", "harbour\u{1b}[2J.md"),
        learned_in: Some("gen-000003".into()),
        share: Some(DocumentShare {
            before: weighed("gen-000002", -14.5),
            after: weighed("gen-000003", -0.5),
        }),
        quotes: vec![
            "The harbour opens at nine, and ships that come earlier wait outside of the wall.".into(),
        ],
        rows,
        probes: vec![
            probe("When may ships come in?", Some(true)),
            probe("When does it open?", Some(false)),
            probe("And when?", None),
        ],
    };
    let second = WhyDocument {
        source: source(5, "Town hall", "hall.md"),
        learned_in: Some("gen-000004".into()),
        share: None,
        quotes: vec![],
        rows: vec![],
        probes: vec![],
    };
    WhyView {
        answer: answer(),
        known: Some(weighed("gen-000012", -0.6)),
        base: Some(weighed("base", -2.6)),
        documents: vec![first, second],
    }
}

pub(crate) fn answer() -> AskView {
    let source =
        |title: &str| Source { document: DocumentId(10), title: title.into(), name: "harbour.md".into() };
    AskView {
        answer: "At nine.".into(),
        model: "gen-000012".into(),
        tokens: 4,
        mean_log_prob: -0.25,
        sources: vec![source("Harbour rules"), source(WIDE)],
        unlearned: vec![],
        seconds: 0.42,
    }
}

/// An event that carries progress, with a number where it is kept.
pub(crate) fn event(
    id: Option<i64>,
    document: i64,
    progress: &seald_core::domain::progress::Progress,
) -> EventView {
    EventView {
        id,
        at: NOW,
        job: Some(JobId(document)),
        document: Some(DocumentId(document)),
        kind: "progress".into(),
        body: serde_json::to_value(progress).unwrap(),
    }
}

/// An event as it stands in the stream.
pub(crate) fn sse(event: &EventView) -> String {
    let id = event.id.map_or_else(String::new, |id| format!("id: {id}\n"));
    format!("{id}event: {}\ndata: {}\n\n", event.kind, serde_json::to_string(event).unwrap())
}
