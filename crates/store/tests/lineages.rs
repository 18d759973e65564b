//! The base model changes: what was learned on one stays, and is there again when that one is used again.

use seald_core::Kind;
use seald_core::domain::document::DocumentState;
use seald_core::domain::ids::{DocumentId, GenerationId, WriterId};
use seald_core::domain::job::{JobKind, JobState, Stage};
use seald_store::{BaseChanged, BasePlan, Dropped, Store};

use crate::made_up::*;

const ONE: &str = "/models/one";
const TWO: &str = "/models/two";

/// Documents 1, 3 and 5 are learned on one base, and document 6 waits.
fn learned_on_one() -> Fresh {
    let mut store = fresh();
    store.use_base(BASE, ONE, NOW).unwrap();
    for n in 1..=5 {
        receive(&mut store, n);
    }
    learn_all(&mut store);
    receive(&mut store, 6);
    store
}

fn states(store: &Store) -> Vec<DocumentState> {
    (1..=6).map(|n| store.document(DocumentId(n)).unwrap().state).collect()
}

fn waiting(store: &Store) -> Vec<i64> {
    let jobs = store.jobs(Some(JobState::Queued)).unwrap();
    jobs.into_iter().filter_map(|job| Some(job.document?.0)).collect()
}

#[test]
fn a_model_is_noted_and_gives_way_to_any_other_until_something_was_learned() {
    let mut store = fresh();
    assert_eq!(store.lineage().unwrap(), None);
    store.use_base("mistaken", "/models/wrong", NOW).unwrap();
    store.use_base(BASE, ONE, NOW).unwrap();
    assert_eq!(store.lineages().unwrap().len(), 1);
    for n in 1..=5 {
        receive(&mut store, n);
    }
    learn_all(&mut store);
    let e = store.use_base("other", TWO, NOW).unwrap_err();
    assert_eq!(e.kind(), Kind::Conflict);
    assert!(e.to_string().contains(ONE) && e.to_string().contains("sealctl models use"), "{e}");
    store.use_base(BASE, "/moved/one", NOW).unwrap();
    let present = store.lineage().unwrap().unwrap();
    assert_eq!((present.model.as_str(), present.base_fingerprint.as_str()), ("/moved/one", BASE));
}

#[test]
fn what_was_learned_waits_to_be_learned_on_another_base_and_is_known_again_on_the_first() {
    let mut store = learned_on_one();
    let round = store.queue(JobKind::WriterRound, None, "asked for").unwrap();
    store.want_model(Some(TWO)).unwrap();
    assert_eq!(store.wanted_model().unwrap().as_deref(), Some(TWO));
    let planned = store.plan_change("other").unwrap();
    let ids = |ids: &[i64]| ids.iter().map(|id| DocumentId(*id)).collect::<Vec<_>>();
    let expected = BasePlan {
        live: GenerationId::BASE,
        again: ids(&[1, 3, 5]),
        replaced: Vec::new(),
        known_again: Vec::new(),
    };
    assert_eq!(planned, expected);

    let BaseChanged { to, left, plan } = store.change_base("other", TWO, NOW).unwrap();
    assert_eq!((to.model.as_str(), left, &plan), (TWO, GenerationId(3), &planned));
    assert_eq!(store.wanted_model().unwrap(), None);
    assert_eq!(store.lineage().unwrap().unwrap(), to);
    assert_eq!((store.live().unwrap(), store.generations_here().unwrap()), (None, Vec::new()));
    assert_eq!(store.generations().unwrap().len(), 3);
    assert_eq!(waiting(&store), [1, 3, 5, 6]);
    assert_eq!(store.job(round.id).unwrap().stage, Stage::TrainWriter);
    assert!(store.curriculum().unwrap().is_empty());
    let e = store.roll_back(GenerationId(3), Dropped::Rejected, "x", NOW).unwrap_err();
    assert!(e.kind() == Kind::Conflict && e.to_string().contains(ONE), "{e}");

    // Document 1 is learned again, and nothing else.
    let job = claim(&mut store);
    finish(&mut store, job);
    let live = store.live().unwrap().unwrap();
    assert_eq!(
        (live.id, live.parent, live.documents.as_slice()),
        (GenerationId(4), GenerationId::BASE, &ids(&[1])[..])
    );
    assert_eq!(store.generations_here().unwrap().len(), 1);

    let back = store.change_base(BASE, ONE, NOW).unwrap();
    assert_eq!((back.left, back.plan.live), (GenerationId(4), GenerationId(3)));
    assert_eq!((back.plan.again, back.plan.known_again), (Vec::new(), ids(&[3, 5])));
    assert_eq!(store.live().unwrap().unwrap().id, GenerationId(3));
    assert_eq!(waiting(&store), [6]);
    let accepted = DocumentState::Learned;
    assert_eq!([0, 2, 4].map(|n| states(&store)[n]), [accepted; 3]);
    let lineages = store.lineages().unwrap();
    assert_eq!(lineages.iter().map(|l| l.left_at.is_some()).collect::<Vec<_>>(), [false, true]);
    assert_eq!(lineages[1].generation, GenerationId(4));
    assert_eq!(store.writer().unwrap().map_or(WriterId::BASE, |writer| writer.id), WriterId::BASE);
}

#[test]
fn the_same_weights_elsewhere_change_nothing_and_nothing_changes_under_a_job() {
    let mut store = learned_on_one();
    let before = store.dump().unwrap();
    let same = store.change_base(BASE, "/moved/one", NOW).unwrap();
    assert_eq!((same.left, same.plan.live, same.plan.again.len()), (GenerationId(3), GenerationId(3), 0));
    assert_eq!(store.dump().unwrap(), before);
    assert_eq!(store.lineage().unwrap().unwrap().model, "/moved/one");
    claim(&mut store);
    let e = store.change_base("other", TWO, NOW).unwrap_err();
    assert!(e.kind() == Kind::Conflict && e.to_string().contains("under way"), "{e}");
}
