//! What is known: the chain, the curriculum, the bank, the forgetting matrix.

use std::collections::BTreeSet;

use seald_core::Kind;
use seald_core::domain::calibration::{Calibration, DriftSeen, RateTried, Speeds};
use seald_core::domain::evaluation::Subject;
use seald_core::domain::ids::{DocumentId, GenerationId};
use seald_core::domain::probe::Role;
use seald_core::domain::self_edit::RowText;

use crate::made_up::{
    Fresh, LEASE, NOW, cut, do_stage_at, fresh, learn_all, learned, passages, probes, receive, set_live,
};

/// Documents 1, 3 and 5 are learned, 2 and 4 rejected.
fn five() -> Fresh {
    let mut store = fresh();
    for n in 1..=5 {
        receive(&mut store, n);
    }
    learn_all(&mut store);
    store
}

fn ids(generations: &[seald_core::domain::generation::Generation]) -> Vec<i64> {
    generations.iter().map(|g| g.id.0).collect()
}

#[test]
fn the_chain_leads_to_the_first_generation() {
    let mut store = five();
    assert_eq!(ids(&store.generations().unwrap()), [1, 2, 3]);
    assert_eq!(ids(&store.chain(GenerationId(3)).unwrap()), [1, 2, 3]);
    assert_eq!(ids(&store.chain(GenerationId::BASE).unwrap()), [0; 0]);
    assert_eq!(store.generation(GenerationId(2)).unwrap().documents, [DocumentId(3)]);

    set_live(&store, GenerationId(1));
    receive(&mut store, 6);
    receive(&mut store, 7);
    learn_all(&mut store);
    let live = store.live().unwrap().unwrap();
    assert_eq!((live.id, live.parent), (GenerationId(4), GenerationId(1)));
    assert_eq!(ids(&store.chain(live.id).unwrap()), [1, 4]);
    let lessons = store.curriculum().unwrap();
    assert_eq!(lessons.iter().map(|l| l.document.0).collect::<Vec<_>>(), [1, 7]);

    set_live(&store, GenerationId::BASE);
    assert_eq!(store.live().unwrap(), None);
    assert_eq!(store.curriculum().unwrap(), []);
    for e in [
        store.chain(GenerationId(9)).map(drop).unwrap_err(),
        store.generation(GenerationId::BASE).map(drop).unwrap_err(),
    ] {
        assert_eq!(e.kind(), Kind::NotFound);
    }
}

#[test]
fn the_curriculum_is_what_the_chosen_trials_learned() {
    let store = five();
    let lessons = store.curriculum().unwrap();
    assert_eq!(lessons.iter().map(|l| l.document.0).collect::<Vec<_>>(), [1, 3, 5]);
    assert_eq!((lessons[1].title.as_str(), &lessons[1].passages), ("Bulletin 3", &passages(3)));
    // The chosen trial used the first candidate's self-edits, that of the second passage first.
    let [first, second] = [0, 1].map(|n| RowText::Text(format!("0: {}", passages(3)[n])));
    let turn = RowText::Turn { question: "When?".into(), answer: "noon 0".into() };
    assert_eq!(lessons[1].rows, [second, turn.clone(), first, turn]);
}

#[test]
fn the_bank_is_sampled_over_documents_and_the_same_each_time() {
    let store = five();
    let bank = store.bank(usize::MAX, 1).unwrap();
    let of = |role| -> Vec<i64> {
        bank.iter().filter(|p| p.role == role).map(|p| p.document.unwrap().0).collect()
    };
    assert_eq!((of(Role::Retain), of(Role::Preserve)), (vec![1, 3, 5], vec![1, 2, 3, 4, 5]));
    let sample = store.bank(4, 1).unwrap();
    assert_eq!(sample.len(), 4);
    assert_eq!(store.bank(4, 1).unwrap(), sample);
    let samples: BTreeSet<Vec<i64>> =
        (0..20).map(|seed| store.bank(4, seed).unwrap().iter().map(|p| p.id.0).collect()).collect();
    assert!(samples.len() > 5, "the seed changes little: {samples:?}");
    assert!(samples.iter().all(|s| s.is_sorted()));
    set_live(&store, GenerationId(1));
    let bank = store.bank(100, 1).unwrap();
    assert_eq!(
        bank.iter().filter(|p| p.role == Role::Retain).count(),
        1,
        "what was rolled back is not known"
    );
}

#[test]
fn no_document_crowds_the_others_out_of_the_bank() {
    let mut store = fresh();
    for n in [1, 2, 3] {
        receive(&mut store, n);
    }
    // Document 1 has ten retain probes, 3 has two; 2 is rejected and has none that count.
    while let Some(job) = store.claim_next(NOW, LEASE).unwrap() {
        cut(&mut store, &job);
        let template = probes(&store, learned(&job)).remove(2);
        let count = [10, 5, 2][learned(&job).0 as usize - 1];
        let mut job = store.finish_probes(&job, &vec![template; count], &serde_json::json!({})).unwrap();
        while job.lease_until.is_some() {
            job = do_stage_at(&mut store, &job, NOW);
        }
    }
    for seed in 0..10 {
        let sample = store.bank(4, seed).unwrap();
        let of = |n| sample.iter().filter(|p| p.document == Some(DocumentId(n))).count();
        assert_eq!((of(1), of(2), of(3)), (2, 0, 2), "seed {seed}");
    }
    assert_eq!(store.bank(100, 0).unwrap().len(), 12);
}

#[test]
fn replay_gives_a_generation_its_row() {
    let store = five();
    let row = store.replay_row(GenerationId(2)).unwrap();
    assert_eq!(row.len(), 5);
    assert!(row.iter().all(|e| e.subject == Subject::Replay && e.generation == GenerationId(2)));
    assert_eq!(store.replay_row(GenerationId::BASE).unwrap(), []);
}

#[test]
fn right_answers_are_counted_by_document_role_and_subject() {
    let store = five();
    let (mut asked, mut right) = (0, 0);
    for (document, role) in [(1, Role::Gate), (3, Role::Gate), (3, Role::Retain), (2, Role::Preserve)] {
        let document = DocumentId(document);
        let own: BTreeSet<_> = store.probes(document, Some(role)).unwrap().iter().map(|p| p.id).collect();
        for subject in [Subject::Base, Subject::Before, Subject::Candidate] {
            let all = store.evaluations(document, subject).unwrap();
            let of_it: Vec<bool> = all.iter().filter(|e| own.contains(&e.probe)).map(|e| e.right).collect();
            let expected = (of_it.iter().filter(|r| **r).count(), of_it.len());
            assert_eq!(store.right_of_asked(document, role, subject).unwrap(), expected);
            (right, asked) = (right + expected.0, asked + expected.1);
        }
    }
    assert!(
        right > 0 && asked > right,
        "{right} of {asked}: the made-up answers should be both right and wrong"
    );
    assert_eq!(store.right_of_asked(DocumentId(99), Role::Gate, Subject::Base).unwrap(), (0, 0));
}

#[test]
fn a_calibration_is_kept_for_each_base_and_its_prompts() {
    let mut store = fresh();
    let made = |learning_rate| Calibration {
        learning_rate,
        drift_budget: 0.04,
        rates: vec![RateTried { rate: 0.002, gain: -0.5, standard_error: 0.25, drift: 0.03, tokens: 9000 }],
        drifts: vec![DriftSeen { drift: 0.03, asked: 30, lost: 1 }],
        speeds: Speeds { read: Some(400.5), ..Speeds::default() },
        seconds: 600.0,
        made_at: NOW,
    };
    assert_eq!(store.calibration("a", "general").unwrap(), None);
    store.keep_calibration("a", "general", &made(0.001)).unwrap();
    store.keep_calibration("b", "general", &made(0.003)).unwrap();
    assert_eq!(store.calibration("a", "general").unwrap(), Some(made(0.001)));
    assert_eq!(store.calibration("a", "others").unwrap(), None);
    store.keep_calibration("a", "general", &made(0.002)).unwrap();
    assert_eq!(store.calibration("a", "general").unwrap(), Some(made(0.002)));
    assert_eq!(store.calibration("b", "general").unwrap(), Some(made(0.003)));
}

#[test]
fn base_samples_are_kept_for_each_base() {
    let mut store = fresh();
    assert_eq!(store.base_samples("a", 2).unwrap(), None);
    let texts = vec![vec![1, u32::MAX], vec![]];
    store.keep_base_samples("a", 2, &texts).unwrap();
    store.keep_base_samples("b", 2, &[vec![3]]).unwrap();
    assert_eq!(store.base_samples("a", 2).unwrap(), Some(texts));
    assert_eq!(store.base_samples("a", 3).unwrap(), None, "by another recipe");
    store.keep_base_samples("a", 3, &[]).unwrap();
    assert_eq!(
        (store.base_samples("a", 2).unwrap(), store.base_samples("a", 3).unwrap()),
        (None, Some(vec![]))
    );
}
