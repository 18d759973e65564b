//! What a seed draws, all of it before anything begins: lives of the daemon, each with a fault, damage beforehand, and what is asked of it.

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use seald::pipeline::crash;
use seald_core::domain::job::{JobKind, Stage};
use serde::Serialize;

/// A seed's whole course.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) lives: Vec<Life>,
}

/// From a start of the daemon to its end.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Life {
    pub(crate) damage: Option<Damage>,
    pub(crate) fault: Fault,
    pub(crate) actions: Vec<Action>,
    pub(crate) end: End,
}

/// What ends a life that its fault does not.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) enum End {
    /// Nothing waits any more; then SIGTERM.
    IdleAndStop,
    /// Nothing waits any more; then SIGKILL.
    IdleAndKill,
    /// SIGTERM as soon as the last action was answered.
    StopAtOnce,
}

/// What goes wrong in a life.
#[derive(Debug, Clone, Serialize)]
pub(crate) enum Fault {
    Nothing,
    /// The process aborts at a place of [`crash`].
    CrashAt(String),
    /// SIGKILL once so many events were told.
    KillAfterEvents(usize),
    /// SIGKILL at the nth call of a kind on files below the root; torn: after half of a write.
    KillAtCall {
        call: &'static str,
        nth: usize,
        torn: bool,
    },
    /// So many calls fail from the nth on.
    CallFails {
        call: &'static str,
        nth: usize,
        count: usize,
        full: bool,
    },
    /// From the nth large mapping on there is no memory.
    NoMemory {
        nth: usize,
    },
    /// The kernel ends it in a cgroup of so many MiB.
    OutOfMemory {
        mib: usize,
    },
    /// From the nth look on the wall clock is so many seconds off.
    Clock {
        nth: usize,
        seconds: i64,
    },
}

/// A file of the root that is damaged while nobody runs.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) enum Damage {
    LiveWeights(How),
    LiveCard(How),
    Work(How),
    Backup(How),
    Place(How),
    /// The database, which is then restored as docs/operations.md says.
    Database,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) enum How {
    Flip,
    Cut,
    Remove,
}

/// What is done from outside.
#[derive(Debug, Clone, Serialize)]
pub(crate) enum Action {
    /// A file is put into the inbox, or sent.
    Hand(Handed),
    /// A file is written in two parts, the second once the first was taken.
    Grow,
    /// A file is cut to half while it may be being read.
    CutWhileRead,
    Ask(Ask),
    Pause,
    Resume,
    /// A document, by its place among those that are known then.
    Retry(usize),
    Forget(usize),
    /// Back by so many generations.
    Rollback(usize),
    Consolidate,
    WriterRound,
    Replay,
    /// Until everything that was handed in was taken.
    AwaitTaken,
    /// Until nothing waits.
    AwaitIdle,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Handed {
    pub(crate) what: What,
    /// `POST /v1/documents` in place of a file.
    pub(crate) sent: bool,
    pub(crate) tag: bool,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) enum What {
    Short,
    Medium,
    Taught(usize),
    /// An earlier content under another name, by its place.
    Again(usize),
    /// Another content under an earlier name, by its place.
    Version(usize),
    Bad(usize),
    Empty,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) enum Ask {
    Chat,
    Stream,
    Completion,
    Embeddings,
    NoJson,
    Deep,
    Why,
    Status,
    Documents,
    Metrics,
}

impl Plan {
    /// What this seed draws.
    pub(crate) fn of(seed: u64) -> Self {
        let mut random = Pcg64::seed_from_u64(seed);
        let count = random.random_range(3..=4);
        let lives = (0..count).map(|number| life(&mut random, number)).collect();
        Self { seed, lives }
    }

    /// How much is done from outside.
    pub(crate) fn actions(&self) -> usize {
        self.lives.iter().map(|life| life.actions.len()).sum()
    }
}

fn life(random: &mut Pcg64, number: usize) -> Life {
    let count = random.random_range(2..=4);
    // The first begins with what can be learned, so that there is something to lose.
    let taught = What::Taught(random.random_range(0..2));
    let first = (number == 0).then_some(Action::Hand(Handed { what: taught, sent: false, tag: false }));
    let more: Vec<Action> = (0..count).map(|_| action(random)).collect();
    let damage = (number > 0 && random.random_bool(0.3)).then(|| damage(random));
    let fault = fault(random);
    let more = more.into_iter().chain(leads_to(&fault, random));
    let end = *[End::IdleAndStop, End::IdleAndKill, End::StopAtOnce].choose(random).unwrap();
    Life { damage, fault, actions: first.into_iter().chain(more).collect(), end }
}

/// What must be done for the named place to be reached.
fn leads_to(fault: &Fault, random: &mut Pcg64) -> Option<Action> {
    let Fault::CrashAt(place) = fault else { return None };
    let stage = place.split(':').next().unwrap();
    let of = |kind: JobKind| kind.stages().iter().any(|one| one.as_str() == stage);
    Some(if of(JobKind::Learn) {
        let what =
            if random.random_bool(0.5) { What::Medium } else { What::Taught(random.random_range(0..2)) };
        Action::Hand(Handed { what, sent: false, tag: false })
    } else if of(JobKind::WriterRound) {
        Action::WriterRound
    } else if stage == Stage::Purge.as_str() || random.random_bool(0.5) {
        Action::Forget(random.random_range(0..8))
    } else {
        Action::Consolidate
    })
}

/// Every named place, so that a new one is not forgotten; those of a document's job most often, for that runs in every seed.
fn places() -> Vec<String> {
    let learn = crash::points(JobKind::Learn);
    let rest =
        JobKind::ALL.iter().filter(|kind| **kind != JobKind::Learn).flat_map(|kind| crash::points(*kind));
    let mut all: Vec<String> = learn.flat_map(|place| [place.clone(), place.clone(), place]).collect();
    all.extend(rest);
    all
}

fn fault(random: &mut Pcg64) -> Fault {
    let nth = |random: &mut Pcg64, most: f64| -> usize {
        // Early calls and late ones alike: evenly by magnitude.
        most.powf(random.random::<f64>()).round().max(1.0) as usize
    };
    match random.random_range(0..100) {
        0..6 => Fault::Nothing,
        6..26 => Fault::CrashAt(places().choose(random).unwrap().clone()),
        26..36 => Fault::KillAfterEvents(random.random_range(1..120)),
        36..50 => {
            let (call, most) =
                *[("write", 600.0), ("sync", 120.0), ("rename", 16.0), ("unlink", 20.0), ("open", 150.0)]
                    .choose(random)
                    .unwrap();
            Fault::KillAtCall {
                call,
                nth: nth(random, most),
                torn: call == "write" && random.random_bool(0.5),
            }
        }
        50..78 => {
            let (call, most) = *[
                ("write", 600.0),
                ("sync", 120.0),
                ("rename", 16.0),
                ("unlink", 20.0),
                ("open", 150.0),
                ("read", 800.0),
            ]
            .choose(random)
            .unwrap();
            let count = *[1, 1, 2, 5, 20, 60].choose(random).unwrap();
            let full = matches!(call, "write" | "rename" | "open") && random.random_bool(0.5);
            Fault::CallFails { call, nth: nth(random, most), count, full }
        }
        78..83 => Fault::NoMemory { nth: nth(random, 120.0) },
        83..88 => Fault::OutOfMemory { mib: random.random_range(40..160) },
        _ => {
            let seconds = *[-315_360_000, -7200, -60, 3600, 86_400, 31_536_000].choose(random).unwrap();
            Fault::Clock { nth: nth(random, 2000.0), seconds }
        }
    }
}

fn damage(random: &mut Pcg64) -> Damage {
    let how = *[How::Flip, How::Cut, How::Remove].choose(random).unwrap();
    match random.random_range(0..12) {
        0..4 => Damage::LiveWeights(how),
        4..6 => Damage::LiveCard(how),
        6..8 => Damage::Work(how),
        8..9 => Damage::Backup(how),
        9..10 => Damage::Place(how),
        _ => Damage::Database,
    }
}

fn action(random: &mut Pcg64) -> Action {
    match random.random_range(0..100) {
        0..34 => {
            let (sent, tag) = (random.random_bool(0.4), random.random_bool(0.2));
            Action::Hand(Handed { what: what(random), sent, tag })
        }
        34..38 => Action::Grow,
        38..41 => Action::CutWhileRead,
        41..65 => Action::Ask(
            *[
                Ask::Chat,
                Ask::Stream,
                Ask::Completion,
                Ask::Embeddings,
                Ask::NoJson,
                Ask::Deep,
                Ask::Why,
                Ask::Status,
                Ask::Documents,
                Ask::Metrics,
            ]
            .choose(random)
            .unwrap(),
        ),
        65..67 => Action::Pause,
        67..69 => Action::Resume,
        69..73 => Action::Retry(random.random_range(0..8)),
        73..77 => Action::Forget(random.random_range(0..8)),
        77..81 => Action::Rollback(random.random_range(1..3)),
        81..85 => Action::Consolidate,
        85..88 => Action::WriterRound,
        88..90 => Action::Replay,
        90..95 => Action::AwaitTaken,
        _ => Action::AwaitIdle,
    }
}

fn what(random: &mut Pcg64) -> What {
    match random.random_range(0..100) {
        0..18 => What::Short,
        18..40 => What::Medium,
        40..55 => What::Taught(random.random_range(0..2)),
        55..68 => What::Again(random.random_range(0..6)),
        68..82 => What::Version(random.random_range(0..6)),
        82..94 => What::Bad(random.random_range(0..4)),
        _ => What::Empty,
    }
}
