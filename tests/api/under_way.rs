//! The document under way, what waits behind it, and how long that takes.

use seald_core::domain::document::DocumentState;
use seald_core::domain::ids::DocumentId;
use seald_core::domain::job::Stage;
use seald_core::domain::progress::{Progress, Task, Work};
use seald_core::protocol::{
    Activity, Calibrating, DocumentLine, DocumentView, DocumentsPage, Learning, StatusView, TimeLeft,
};
use seald_store::{NewEvent, Store};

use crate::api::daemon::{Daemon, NOW};
use crate::api::reading::five;
use crate::made_up_rows::{document, receive};

/// Documents 1 and 3 are learned, 2 and 4 rejected, 5 is under way, 6 waits.
fn under_way(store: &mut Store) {
    five(store);
    receive(store, 6);
    let job = store.claim_next(NOW, 60).unwrap().unwrap();
    assert_eq!(job.document, Some(DocumentId(5)));
}

fn learning(seconds: Option<f64>) -> Activity {
    let (title, stage, since) = ("Bulletin 5".into(), Stage::Probes, NOW.plus_seconds(-20));
    Activity::Learning(Learning { document: DocumentId(5), title, stage, since, seconds, trial: None })
}

#[tokio::test]
async fn a_document_under_way_is_learning_and_is_found_as_such() {
    let daemon = Daemon::start(under_way).await;
    let page = async |query: &str| daemon.get(&format!("/v1/documents{query}")).await.json::<DocumentsPage>();
    let ids = |page: &DocumentsPage| page.documents.iter().map(|line| line.id.0).collect::<Vec<_>>();
    let learning = page("?state=learning").await;
    assert_eq!((ids(&learning), learning.total), (vec![5], 1));
    assert_eq!(learning.documents[0].state, DocumentState::Learning);
    assert_eq!(ids(&page("?state=waiting").await), [6]);
    assert_eq!(ids(&page("?state=learned").await), [3, 1]);
    let view: DocumentView = daemon.get("/v1/documents/5").await.json();
    assert_eq!(view.line.state, DocumentState::Learning);
    let answer = daemon.get("/").await;
    let html = answer.text();
    assert!(html.contains("<td class=\"learning\">learning ") && html.contains(">waiting "), "{html}");
    assert!(html.contains("2 learned, 2 rejected"), "{html}");
    assert!(html.contains(">learned in gen-000002 <") && html.contains("<td>100 %, was 0 %</td>"), "{html}");
}

#[tokio::test]
async fn documents_are_found_by_words_and_name_their_generation() {
    let daemon = Daemon::start(under_way).await;
    let page = async |query: &str| daemon.get(&format!("/v1/documents{query}")).await.json::<DocumentsPage>();
    let found = async |words: &str| {
        let page = page(&format!("?search={words}")).await;
        assert_eq!(page.documents.len(), page.total);
        page.documents.iter().map(|line| line.id.0).collect::<Vec<_>>()
    };
    assert_eq!(found("bulletin%205").await, [5], "each word, in title or name");
    assert_eq!(found("carries%206%20goats").await, [6], "or in the text");
    assert_eq!(found("3.TXT").await, [3]);
    assert_eq!(found("bulletin%20nowhere").await, [0; 0]);
    assert_eq!((found("%25").await, found("_").await), (vec![], vec![]), "no pattern");
    assert_eq!(page("?search=bulletin&state=learned&limit=1").await.total, 2);
    assert_eq!(daemon.get(&format!("/v1/documents?search={}", "a%20".repeat(17))).await.status, 400);
    let generations: Vec<Option<String>> =
        page("").await.documents.into_iter().map(|DocumentLine { generation, .. }| generation).collect();
    let named = |n: &str| Some(n.to_string());
    assert_eq!(generations, [None, None, None, named("gen-000002"), None, named("gen-000001")]);
}

#[tokio::test]
async fn what_is_not_there_is_said_without_the_path_of_the_database() {
    let daemon = Daemon::start(|_| {}).await;
    let answer = daemon.get("/v1/documents/nosuch").await;
    let detail = answer.problem().detail;
    assert_eq!(detail, "no document is called \"nosuch\": give its number or whole name");
}

#[tokio::test]
async fn the_time_that_is_left_follows_from_what_was_learned_last() {
    let daemon = Daemon::start(under_way).await;
    let left = async || daemon.get("/v1/status").await.json::<StatusView>().time_left;
    assert_eq!(left().await, TimeLeft::default(), "nothing foretells it");

    // Foretold by the learner: the others take as long for each byte.
    daemon.monitor.update(|now| now.activity = learning(None));
    let (document_name, tokens, passages) = ("Bulletin 5".to_string(), 20, 1);
    let started = Progress::Started { document: document_name, tokens, passages, seconds: Some(100.0) };
    daemon.monitor.progress(Some(DocumentId(5)), None, &started);
    assert_eq!(left().await, TimeLeft { document: Some(80.0), all: Some(180.0) });

    // Measured: the middle of the last ones, and none that never came to the gate.
    let finished = |seconds: f64, after: Option<f64>| NewEvent {
        at: NOW,
        job: None,
        document: Some(DocumentId(1)),
        kind: "finished".into(),
        body: serde_json::json!({ "event": "finished", "after": after, "seconds": seconds }),
    };
    let each = document(1).text.len() as f64;
    let events = [
        finished(1.0, None),
        finished(each, Some(0.0)),
        finished(3.0 * each, Some(1.0)),
        finished(2.0 * each, Some(1.0)),
    ];
    daemon.store().log(&events).unwrap();
    daemon.monitor.update(|now| now.activity = learning(None));
    let (whole, waits) = (2.0 * document(5).text.len() as f64, 2.0 * document(6).text.len() as f64);
    assert_eq!(left().await, TimeLeft { document: Some(whole - 20.0), all: Some(whole - 20.0 + waits) });
    daemon.monitor.update(|now| now.activity = learning(Some(5.0)));
    assert_eq!(left().await, TimeLeft { document: Some(0.0), all: Some(waits) }, "longer than foretold");
    daemon.monitor.update(|now| now.activity = Activity::Idle);
    assert_eq!(left().await, TimeLeft { document: None, all: Some(whole + waits) });

    // What will be rejected as soon as it is cut takes no time.
    let database = rusqlite::Connection::open(daemon.root.database()).unwrap();
    database.execute("UPDATE documents SET text = hex(zeroblob(5000)) WHERE id = 6", []).unwrap();
    daemon.monitor.update(|now| now.max_passages = Some(1));
    assert_eq!(left().await, TimeLeft { document: None, all: Some(whole) });
}

#[tokio::test]
async fn the_stages_behind_foretell_those_to_come() {
    let daemon = Daemon::start(under_way).await;
    let left = async || daemon.get("/v1/status").await.json::<StatusView>().time_left;
    daemon.monitor.update(|now| now.activity = learning(None));
    // Two of the twelve parts took 20 s, and nothing else is known of how long it takes.
    daemon.monitor.progress(Some(DocumentId(5)), None, &Progress::Stage { stage: Stage::Trials });
    let found = left().await;
    let (document, all) = (found.document.unwrap(), found.all.unwrap());
    assert!((document - 100.0).abs() < 1e-6 && (all - 220.0).abs() < 1e-6, "{found:?}");

    // What the work in the last stage still takes is left, however long all took before.
    daemon.monitor.update(|now| now.activity = learning(Some(5.0)));
    daemon.monitor.progress(Some(DocumentId(5)), None, &Progress::Stage { stage: Stage::Publish });
    assert_eq!(left().await.document, Some(0.0));
    daemon.monitor.work(Work { task: Task::AnswerEarlier, done: 50, of: 100, seconds: 30.0 });
    assert_eq!(left().await.document, Some(30.0));
}

#[tokio::test]
async fn before_the_first_document_the_speed_of_the_model_foretells_what_waits() {
    let daemon = Daemon::start(under_way).await;
    let left = async || daemon.get("/v1/status").await.json::<StatusView>().time_left;
    let (since, seconds) = (NOW.plus_seconds(-30), Some(100.0));
    daemon.monitor.update(|now| {
        now.activity = Activity::Calibrating(Calibrating { since, seconds, trial: None });
        now.seconds_a_token = Some(8.0);
    });
    let bytes = (document(5).text.len() + document(6).text.len()) as f64;
    assert_eq!(left().await, TimeLeft { document: None, all: Some(70.0 + 2.0 * bytes) });
}
