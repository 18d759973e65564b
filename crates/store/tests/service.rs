//! What the service adds: rollback, replay of the whole bank, look-up, pauses, the schedule, files of the inbox.

use std::collections::HashSet;
use std::path::PathBuf;

use seald_core::Kind;
use seald_core::domain::document::DocumentState;
use seald_core::domain::evaluation::Subject;
use seald_core::domain::ids::{DocumentId, GenerationId};
use seald_core::domain::job::{JobState, Stage};
use seald_store::{Dropped, Missing, Pause, RolledBack, Scheduled};

use crate::made_up::{NOW, Root, asked, claim, fresh, learn_all, receive, until};

const WHY: &str = "rolled back";

#[test]
fn a_rollback_drops_what_came_since_and_going_forward_regains_it() {
    let mut store = fresh();
    // Of the made-up documents, the odd ones are accepted: generations 1 and 2 learn documents 1 and 3.
    for n in 1..=3 {
        receive(&mut store, n);
    }
    learn_all(&mut store);
    let state = |store: &seald_store::Store, n| store.document(DocumentId(n)).unwrap().state;
    let back = store.roll_back(GenerationId(1), Dropped::Rejected, WHY, NOW).unwrap();
    let third = vec![DocumentId(3)];
    assert_eq!(back, RolledBack { from: GenerationId(2), dropped: third.clone(), regained: vec![] });
    assert_eq!(store.live().unwrap().unwrap().id, GenerationId(1));
    assert_eq!((state(&store, 1), state(&store, 3)), (DocumentState::Learned, DocumentState::Rejected));
    assert_eq!(store.document(DocumentId(3)).unwrap().reasons, [WHY]);
    let forward = store.roll_back(GenerationId(2), Dropped::Rejected, WHY, NOW).unwrap();
    assert_eq!(forward, RolledBack { from: GenerationId(1), dropped: vec![], regained: third });
    let document = store.document(DocumentId(3)).unwrap();
    assert_eq!((document.state, document.reasons), (DocumentState::Learned, Vec::<String>::new()));
    assert_eq!(
        store.roll_back(GenerationId(2), Dropped::Rejected, WHY, NOW).unwrap_err().kind(),
        Kind::Conflict,
        "it is live"
    );
    assert_eq!(
        store.roll_back(GenerationId(9), Dropped::Rejected, WHY, NOW).unwrap_err().kind(),
        Kind::NotFound
    );
    store.roll_back(GenerationId::BASE, Dropped::Rejected, WHY, NOW).unwrap();
    assert!(store.live().unwrap().is_none() && store.curriculum().unwrap().is_empty());
}

#[test]
fn what_a_damaged_generation_knew_waits_again_in_the_same_step() {
    let mut store = fresh();
    for n in 1..=3 {
        receive(&mut store, n);
    }
    learn_all(&mut store);
    let back = store.roll_back(GenerationId(1), Dropped::LearnedAgain, WHY, NOW).unwrap();
    assert_eq!(back.dropped, [DocumentId(3)]);
    let document = store.document(DocumentId(3)).unwrap();
    assert_eq!((document.state, document.reasons), (DocumentState::Waiting, Vec::<String>::new()));
    let next = store.next_job().unwrap().unwrap();
    assert_eq!((next.document, next.stage, next.attempts), (Some(DocumentId(3)), Stage::Probes, 0));
    assert_eq!(store.document(DocumentId(1)).unwrap().state, DocumentState::Learned);
}

#[test]
fn a_half_learned_document_begins_again_after_a_rollback() {
    let mut store = fresh();
    receive(&mut store, 1);
    learn_all(&mut store);
    receive(&mut store, 3);
    let job = claim(&mut store);
    let job = until(&mut store, job, Stage::Gate);
    assert_eq!(
        store.roll_back(GenerationId::BASE, Dropped::Rejected, WHY, NOW).unwrap_err().kind(),
        Kind::Conflict,
        "it is running"
    );
    assert_eq!(store.live().unwrap().unwrap().id, GenerationId(1), "what is refused changes nothing");
    store.apply(job.id, seald_core::domain::job::Event::Returned).unwrap();
    store.roll_back(GenerationId::BASE, Dropped::Rejected, WHY, NOW).unwrap();
    let job = store.job(job.id).unwrap();
    assert_eq!((job.state, job.stage, job.attempts), (JobState::Queued, Stage::Probes, 0));
    // Document 1 was dropped; it waits again, and going forward to what contains it must not teach it twice.
    let first = store.job_of(DocumentId(1)).unwrap();
    store.apply(first.id, seald_core::domain::job::Event::Retried).unwrap();
    let e = store.roll_back(GenerationId(1), Dropped::Rejected, WHY, NOW).unwrap_err();
    assert!(e.kind() == Kind::Conflict && e.to_string().contains("waits to be learned again"), "{e}");
}

#[test]
fn a_job_that_had_only_replay_to_do_ends_with_a_rollback() {
    let mut store = fresh();
    receive(&mut store, 1);
    let job = claim(&mut store);
    let job = until(&mut store, job, Stage::Replay);
    store.apply(job.id, seald_core::domain::job::Event::Returned).unwrap();
    store.roll_back(GenerationId::BASE, Dropped::Rejected, WHY, NOW).unwrap();
    assert_eq!(store.job(job.id).unwrap().state, JobState::Done);
    assert!(store.next_job().unwrap().is_none());
}

#[test]
fn replaying_everything_takes_the_place_of_what_was_asked_before() {
    let mut store = fresh();
    for n in 1..=3 {
        receive(&mut store, n);
    }
    learn_all(&mut store);
    let live = GenerationId(2);
    let bank = store.bank(99, 0).unwrap();
    assert!(store.replay_row(live).unwrap().iter().any(|e| e.right));
    let all_wrong: Vec<_> = bank.iter().map(|p| asked(p.id, Subject::Replay, live, false)).collect();
    store.keep_replay(live, &all_wrong).unwrap();
    let row = store.replay_row(live).unwrap();
    assert_eq!(row.len(), bank.len(), "each probe once");
    assert!(row.iter().all(|e| !e.right));
    assert!(!store.replay_row(GenerationId(1)).unwrap().is_empty(), "other rows stay");
    assert_eq!(store.keep_replay(GenerationId(1), &[]).unwrap_err().kind(), Kind::Conflict);
}

#[test]
fn answers_are_traced_to_what_the_live_model_learned() {
    let mut store = fresh();
    for n in 1..=5 {
        receive(&mut store, n);
    }
    let found = |store: &seald_store::Store, question| -> Vec<i64> {
        store.look_up(question, 2).unwrap().iter().map(|d| d.id.0).collect()
    };
    assert_eq!(found(&store, "Which goats leave pier 3?"), Vec::<i64>::new(), "nothing is learned yet");
    learn_all(&mut store);
    assert_eq!(found(&store, "goats on the ferry of Bulletin 3").len(), 2);
    assert_eq!(found(&store, "\" OR title:* NEAR("), Vec::<i64>::new());
    assert_eq!(found(&store, "unicorns"), Vec::<i64>::new());
    store.roll_back(GenerationId(1), Dropped::Rejected, WHY, NOW).unwrap();
    assert_eq!(found(&store, "goats"), [1], "only what the live model contains");
}

#[test]
fn what_was_not_learned_is_found_by_its_words() {
    let mut store = fresh();
    for n in 1..=2 {
        receive(&mut store, n);
    }
    learn_all(&mut store);
    for n in 3..=4 {
        receive(&mut store, n);
    }
    let found = |store: &seald_store::Store, question| -> Vec<i64> {
        store.look_up_unlearned(question, 9).unwrap().iter().map(|d| d.id.0).collect()
    };
    assert_eq!(found(&store, "Where do goats leave?"), [2, 3, 4], "rejected; and two that wait");
    assert_eq!(found(&store, "Bulletin 3's goats"), [2, 3, 4]);
    assert_eq!(found(&store, "unicorns % _"), Vec::<i64>::new());
    assert_eq!(found(&store, "what was the"), Vec::<i64>::new(), "no word says anything");
    learn_all(&mut store);
    assert_eq!(found(&store, "goats"), [2, 4], "what was learned since is known");
}

#[test]
fn pauses_and_the_schedule_outlive_the_process() {
    let root = Root::new();
    let mut store = root.open();
    assert_eq!((store.pause().unwrap(), store.scheduled().unwrap()), (None, vec![]));
    let pause = Pause { since: NOW, until: Some(NOW.plus_seconds(60)) };
    store.set_pause(Some(Pause { since: NOW, until: None })).unwrap();
    store.set_pause(Some(pause)).unwrap();
    store.schedule_from("replay", NOW).unwrap();
    store.schedule_from("backup", NOW).unwrap();
    let later = NOW.plus_seconds(5);
    store.ran("replay", later).unwrap();
    store.schedule_from("replay", NOW).unwrap();
    drop(store);
    let mut store = root.open();
    assert_eq!(store.pause().unwrap(), Some(pause));
    assert_eq!(pause.seen_at(NOW.plus_seconds(30)), pause);
    let back = Pause { since: NOW.plus_seconds(-100), until: Some(NOW.plus_seconds(-40)) };
    assert_eq!(pause.seen_at(NOW.plus_seconds(-100)), back, "the clock was set back: a minute from then");
    let one = |what: &str, since, last_run| Scheduled { what: what.into(), since, last_run };
    let expected = [one("backup", NOW, None), one("replay", NOW, Some(later))];
    assert_eq!(store.scheduled().unwrap(), expected);
    store.set_pause(None).unwrap();
    assert_eq!(store.pause().unwrap(), None);
}

#[test]
fn a_file_that_vanished_from_done_is_told_once() {
    use std::os::unix::ffi::OsStringExt;
    let mut store = fresh();
    let (id, _) = receive(&mut store, 1);
    let odd = PathBuf::from(std::ffi::OsString::from_vec(b"ports/\xff\n.txt".to_vec()));
    let plain = PathBuf::from("a.txt");
    store.file_taken(&odd, &[id], NOW).unwrap();
    store.file_taken(&plain, &[id], NOW).unwrap();
    let both: HashSet<_> = [odd.clone(), plain.clone()].into();
    assert_eq!(store.newly_missing(&both, NOW).unwrap(), []);
    let one: HashSet<_> = [plain].into();
    assert_eq!(
        store.newly_missing(&one, NOW).unwrap(),
        [Missing { path: odd, document: id, leaving: false }]
    );
    assert_eq!(store.newly_missing(&one, NOW).unwrap(), [], "once");
    // Its file goes with what is being forgotten.
    assert_eq!(store.files_leaving().unwrap(), Vec::<PathBuf>::new());
    store.forget(id, false).unwrap();
    assert!(store.files_leaving().unwrap().contains(&PathBuf::from("a.txt")));
    let gone = Missing { path: PathBuf::from("a.txt"), document: id, leaving: true };
    assert_eq!(store.newly_missing(&HashSet::new(), NOW).unwrap(), [gone]);
}

#[test]
fn files_that_were_taken_lately_are_known_with_the_names_they_had() {
    let mut store = fresh();
    let (first, _) = receive(&mut store, 1);
    let (second, _) = receive(&mut store, 2);
    let name = store.document(first).unwrap().name;
    let paths = ["old.txt", "a (2).txt", "ports/b.txt"].map(PathBuf::from);
    store.file_taken(&paths[0], &[second], NOW.plus_seconds(-100)).unwrap();
    store.file_taken(&paths[1], &[first], NOW).unwrap();
    store.file_taken(&paths[2], &[first, second], NOW.plus_seconds(1)).unwrap();
    let lately = store.files_taken(NOW, 9).unwrap();
    let found: Vec<_> = lately.iter().map(|(path, _, at)| (path, *at)).collect();
    assert_eq!(found, [(&paths[2], NOW.plus_seconds(1)), (&paths[1], NOW)]);
    assert_eq!(lately[1].1, name);
    assert_eq!(store.files_taken(NOW, 1).unwrap().len(), 1);
}
