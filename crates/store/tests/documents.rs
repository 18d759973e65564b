//! Documents: taken in once, listed in pages.

use seald_core::Kind;
use seald_core::domain::document::{Document, DocumentFormat, DocumentState};
use seald_core::domain::ids::DocumentId;
use seald_core::domain::job::{Event, Job, JobState, Stage};
use seald_store::{DocumentFilter, NewDocument, Received, Store, SuppliedProbe};

use crate::made_up::{NOW, Root, claim, document, fresh, learn_all, passages, receive, supplied};

#[test]
fn a_document_comes_with_all_that_belongs_to_it() {
    let root = Root::new();
    let mut store = root.open();
    let new = NewDocument { tag: Some("ports".into()), format: DocumentFormat::Pdf, ..document(1) };
    let Received::New(id, job) = store.receive(&new, &supplied(1), NOW).unwrap() else { panic!() };

    drop(store);
    let store = root.open();
    let expected = Document {
        id,
        hash: new.hash.clone(),
        name: new.name,
        title: new.title,
        text: new.text.clone(),
        format: DocumentFormat::Pdf,
        state: DocumentState::Waiting,
        reasons: Vec::new(),
        received_at: NOW,
    };
    assert_eq!(store.document(id).unwrap(), expected);
    assert_eq!(store.document_row(id).unwrap().tag.as_deref(), Some("ports"));
    assert_eq!(store.passages(id).unwrap(), [], "it is cut when it is learned");
    assert_eq!(store.supplied_probes(id).unwrap(), supplied(1));
    let job = store.job(job).unwrap();
    assert_eq!(
        (job.document, job.stage, job.state, job.attempts),
        (Some(id), Stage::Probes, JobState::Queued, 0)
    );
    assert_eq!(store.job_of(id).unwrap(), job);
}

#[test]
fn a_text_is_cut_once_and_anew_for_another_model() {
    let mut store = fresh();
    let (id, _) = receive(&mut store, 1);
    let job = claim(&mut store);
    let cut = store.passages(id).unwrap();
    assert_eq!(cut.iter().map(|p| &p.text).collect::<Vec<_>>(), passages(1).iter().collect::<Vec<_>>());
    assert_eq!(cut.iter().map(|p| p.index).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(store.cut(&job, &passages(1)).unwrap(), cut, "the same again changes nothing");
    let whole = [passages(1).concat()];
    let found = store.cut(&job, &whole).unwrap();
    assert_eq!((found.len(), &found[0].text), (1, &whole[0]));
    let other = Job { attempts: job.attempts + 1, ..job };
    assert_eq!(store.cut(&other, &passages(1)).unwrap_err().kind(), Kind::Conflict);
}

#[test]
fn a_newer_version_takes_the_place_of_its_name() {
    let mut store = fresh();
    let (old, _) = receive(&mut store, 1);
    learn_all(&mut store);
    let named = |name: &str, tag: Option<&str>, n| NewDocument {
        name: name.into(),
        tag: tag.map(str::to_string),
        ..document(n)
    };
    let take = |store: &mut Store, new: NewDocument| match store.receive(&new, &[], NOW).unwrap() {
        Received::New(id, _) => id,
        Received::Known(id) => panic!("known as {id}"),
    };
    let elsewhere = take(&mut store, named("1.txt", Some("ports"), 7));
    assert_eq!(store.replace_versions(elsewhere).unwrap(), [], "another folder's file is another document");
    assert_eq!((store.curriculum().unwrap().len(), store.bank(99, 0).unwrap().len()), (1, 2));
    let new = take(&mut store, named("1.txt", None, 8));
    let replaced_by = |store: &Store, id| store.document_row(id).unwrap().replaced_by;
    assert_eq!(store.replace_versions(new).unwrap(), [old]);
    assert_eq!((replaced_by(&store, old), replaced_by(&store, new)), (Some(new), None));
    assert_eq!(store.curriculum().unwrap(), [], "what is out of date is not rehearsed");
    assert_eq!(store.bank(99, 0).unwrap(), [], "nor asked about");
    assert_eq!(store.replace_versions(old).unwrap(), [new], "the first content came back");
    assert_eq!((replaced_by(&store, old), replaced_by(&store, new)), (None, Some(old)));
}

#[test]
fn the_same_content_is_known() {
    let mut store = fresh();
    let (id, _) = receive(&mut store, 1);
    let before = store.dump().unwrap();
    let again = NewDocument { name: "copy.txt".into(), ..document(1) };
    assert_eq!(store.receive(&again, &[], NOW).unwrap(), Received::Known(id));
    assert_eq!(store.dump().unwrap(), before);
}

#[test]
fn a_document_that_was_rejected_waits_again_with_other_questions() {
    let mut store = fresh();
    let (id, _) = receive(&mut store, 1);
    let e = store.retry_with(id, &supplied(2)).unwrap_err();
    assert_eq!(e.kind(), Kind::Conflict, "its job waits: {e}");
    assert_eq!(store.supplied_probes(id).unwrap(), supplied(1), "what is refused changes nothing");
    let job = store.claim_next(NOW, 60).unwrap().unwrap();
    store.reject(&job, &["no gain".to_string()]).unwrap();
    let job = store.retry_with(id, &supplied(2)).unwrap();
    assert_eq!((job.stage, job.state, job.attempts), (Stage::Probes, JobState::Queued, 0));
    assert_eq!(store.supplied_probes(id).unwrap(), supplied(2));
    let document = store.document(id).unwrap();
    assert_eq!((document.state, document.reasons), (DocumentState::Waiting, Vec::new()));
}

#[test]
fn a_document_that_breaks_a_rule_leaves_nothing_behind() {
    let mut store = fresh();
    let before = store.dump().unwrap();
    let no_answer = [SuppliedProbe { question: "When?".into(), answers: Vec::new() }];
    let e = store.receive(&document(1), &no_answer, NOW).unwrap_err();
    assert_eq!(e.kind(), Kind::Internal);
    assert!(e.to_string().contains("1.txt"), "{e}");
    assert!(store.receive(&NewDocument { title: String::new(), ..document(1) }, &[], NOW).is_err());
    assert_eq!(store.dump().unwrap(), before);
}

#[test]
fn pages_are_newest_first_and_may_be_of_one_state() {
    let mut store = fresh();
    for n in 1..=5 {
        receive(&mut store, n);
    }
    let reasons = ["no gain".to_string()];
    for n in 1..=4 {
        let job = claim(&mut store);
        let end = if n % 2 == 0 { Some(&reasons) } else { None };
        match end {
            Some(reasons) => store.reject(&job, reasons).unwrap(),
            None => {
                store.apply(job.id, Event::Failed { error: "unreadable".into(), passing: false }).unwrap()
            }
        };
    }
    let page = |state, before: Option<i64>, limit| -> Vec<i64> {
        let filter = DocumentFilter { state, ..DocumentFilter::default() };
        let (rows, _) = store.document_rows(&filter, before.map(DocumentId), limit).unwrap();
        rows.iter().map(|d| d.id.0).collect()
    };
    assert_eq!(page(None, None, 2), [5, 4]);
    assert_eq!(page(None, Some(4), 2), [3, 2]);
    assert_eq!(page(None, Some(2), 2), [1]);
    assert_eq!(page(Some(DocumentState::Rejected), None, usize::MAX), [4, 2]);
    assert_eq!(page(Some(DocumentState::Rejected), Some(4), 9), [2]);
    assert_eq!(page(Some(DocumentState::Learned), None, 9), [0; 0]);
    assert_eq!(store.document(DocumentId(2)).unwrap().reasons, reasons);
}

#[test]
fn what_is_not_there_is_named() {
    let mut store = fresh();
    let id = DocumentId(9);
    let errors = [
        store.document(id).unwrap_err(),
        store.document_row(id).unwrap_err(),
        store.job_of(id).unwrap_err(),
        store.probe_stats(id).unwrap_err(),
        store.retry_with(id, &[]).unwrap_err(),
        store.replace_versions(id).unwrap_err(),
    ];
    for e in errors {
        assert_eq!(e.kind(), Kind::NotFound);
        assert!(e.to_string().contains("document 9") && !e.to_string().contains("seald.db"), "{e}");
    }
}

#[test]
fn documents_are_found_by_the_words_of_their_text() {
    let mut store = fresh();
    for n in 1..=3 {
        receive(&mut store, n);
    }
    let found = |words: &[&str]| -> Vec<i64> {
        let filter = DocumentFilter {
            words: words.iter().map(|word| word.to_string()).collect(),
            ..DocumentFilter::default()
        };
        let (rows, total) = store.document_rows(&filter, None, 9).unwrap();
        assert_eq!(rows.len(), total);
        rows.iter().map(|d| d.id.0).collect()
    };
    assert_eq!(found(&["pier 2 "]), [2]);
    assert_eq!(found(&["GOATS", "bulletin"]), [3, 2, 1], "in the text, and in the title");
    assert_eq!(found(&["goats", "3.txt"]), [3]);
    assert_eq!(found(&["goats%"]), [0; 0], "no pattern");
}
