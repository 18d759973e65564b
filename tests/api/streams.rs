//! Streams: events that were kept and that happen, and answers as they come.

use std::sync::mpsc;

use seald::pipeline::control::ControlReceiver;
use seald::pipeline::model_requests::{
    AnswerEvent, Ending, GenerateRequest, ModelRequest, Prompt, QueuedRequest, ScoreRequest, Token,
};
use seald_core::Kind;
use seald_core::domain::evaluation::Subject;
use seald_core::domain::ids::GenerationId;
use seald_core::domain::ids::{DocumentId, JobId};
use seald_core::domain::job::Stage;
use seald_core::domain::progress::Progress;
use seald_core::error::Error;
use seald_core::protocol::{AskEvent, AskView};
use seald_store::{NewEvent, Store};

use crate::api::daemon::{Daemon, NOW, WAITING, patiently, request};
use crate::api::reading::five;

fn log(store: &mut Store, numbers: std::ops::RangeInclusive<i64>) {
    let event = |n: i64| NewEvent {
        at: NOW,
        job: Some(JobId(1)),
        document: None,
        kind: "stage".into(),
        body: serde_json::json!({ "line": format!("one\ntwo {n}") }),
    };
    store.log(&numbers.map(event).collect::<Vec<_>>()).unwrap();
}

fn numbers(from: i64, to: i64) -> Vec<Option<i64>> {
    (from..=to).map(Some).collect()
}

#[tokio::test]
async fn kept_events_come_first_then_what_happens_each_once() {
    let daemon = Daemon::start(|store| log(store, 1..=600)).await;
    let mut events = daemon.follow(request("GET", "/v1/events?after=2", "")).await;
    // More than are read at a time.
    assert_eq!(events.ids(598).await, numbers(3, 600));
    let mut store = daemon.store();
    log(&mut store, 601..=601);
    daemon.monitor.logged();
    let sent = events.next().await.unwrap();
    let view = sent.view();
    assert_eq!((view.id, view.kind.as_str(), view.at, view.job), (Some(601), "stage", NOW, Some(JobId(1))));
    assert_eq!(view.body["line"], "one\ntwo 601");
    daemon.monitor.progress(Some(DocumentId(5)), Some(JobId(5)), &Progress::Stage { stage: Stage::Gate });
    let sent = events.next().await.unwrap();
    let view = sent.view();
    assert_eq!((view.id, view.kind.as_str(), view.document), (None, "progress", Some(DocumentId(5))));
    assert_eq!(view.body, serde_json::json!({ "event": "stage", "stage": "gate" }));
    log(&mut store, 602..=603);
    daemon.monitor.logged();
    daemon.monitor.logged();
    log(&mut store, 604..=604);
    daemon.monitor.logged();
    assert_eq!(events.ids(3).await, numbers(602, 604));
}

#[tokio::test]
async fn clients_say_where_to_go_on() {
    let daemon = Daemon::start(|store| log(store, 1..=5)).await;
    let from = async |path: &str, id: Option<&str>| {
        let mut asked = request("GET", path, "");
        if let Some(id) = id {
            asked.headers_mut().insert("last-event-id", id.parse().unwrap());
        }
        daemon.follow(asked).await
    };
    assert_eq!(from("/v1/events", Some("3")).await.ids(2).await, numbers(4, 5));
    assert_eq!(from("/v1/events?after=1", Some("4")).await.ids(1).await, numbers(5, 5));
    assert_eq!(from("/v1/events?after=4", Some("null")).await.ids(1).await, numbers(5, 5));
    assert_eq!(from("/v1/events?after=0", None).await.ids(5).await, numbers(1, 5));
    assert_eq!(from("/v1/events?after=-7", None).await.ids(1).await, numbers(1, 1));
    // Without a number, and with one that this database never gave: from now on.
    let (mut now, mut beyond) = (from("/v1/events", None).await, from("/v1/events?after=99", None).await);
    log(&mut daemon.store(), 6..=6);
    daemon.monitor.logged();
    assert_eq!(now.ids(1).await, numbers(6, 6));
    assert_eq!(beyond.ids(1).await, numbers(6, 6));
    let mut wrong = request("GET", "/v1/events", "");
    wrong.headers_mut().insert("last-event-id", "x".parse().unwrap());
    daemon.unix().await.send(wrong).await.is_problem(400, "invalid", "Last-Event-ID");
}

#[tokio::test]
async fn the_newest_kept_events_can_be_had_alone() {
    let daemon = Daemon::start(|store| log(store, 1..=600)).await;
    let mut events = daemon.follow(request("GET", "/v1/events?last=3&follow=false", "")).await;
    assert_eq!(events.ids(3).await, numbers(598, 600));
    assert_eq!(events.next().await, None, "it ends there");
    let mut all = daemon.follow(request("GET", "/v1/events?last=9999&follow=false", "")).await;
    assert_eq!(all.ids(600).await, numbers(1, 600));
    assert_eq!(all.next().await, None);
    let mut following = daemon.follow(request("GET", "/v1/events?last=1", "")).await;
    assert_eq!(following.ids(1).await, numbers(600, 600));
    log(&mut daemon.store(), 601..=601);
    daemon.monitor.logged();
    assert_eq!(following.ids(1).await, numbers(601, 601));
    let mut back = request("GET", "/v1/events?last=9999&follow=false", "");
    back.headers_mut().insert("last-event-id", "4".parse().unwrap());
    assert_eq!(
        daemon.follow(back).await.next().await.unwrap().id,
        Some(5),
        "where it was, not from its beginning again"
    );
}

#[tokio::test]
async fn a_client_that_lags_misses_progress_but_no_kept_event() {
    let daemon = Daemon::start(|_| {}).await;
    let mut events = daemon.follow(request("GET", "/v1/events", "")).await;
    // More progress than anybody keeps for it, large enough that the socket does not hold it either.
    let progress = Progress::Live { generation: "x".repeat(4096) };
    let mut store = daemon.store();
    for n in 1..=3 {
        log(&mut store, n..=n);
        daemon.monitor.logged();
        // Nothing waits here, so that the word of the kept event is gone before the client's stream looks.
        (0..2000).for_each(|_| daemon.monitor.progress(Some(DocumentId(1)), Some(JobId(1)), &progress));
    }
    let mut kept = Vec::new();
    let mut passing = 0;
    while kept.len() < 3 {
        match events.next().await.unwrap().id {
            Some(id) => kept.push(id),
            None => passing += 1,
        }
    }
    assert_eq!(kept, [1, 2, 3]);
    assert!(passing < 6000, "{passing}: the client was to lag");
}

#[tokio::test]
async fn clients_that_vanish_leave_room_for_others() {
    let daemon = Daemon::start(|store| log(store, 1..=1)).await;
    let mut all = Vec::new();
    for _ in 0..64 {
        all.push(daemon.follow(request("GET", "/v1/events", "")).await);
    }
    daemon.get("/v1/events").await.is_problem(503, "busy", "too many clients");
    all.pop();
    // Its place is free once the server has seen it go.
    let another = async {
        loop {
            let mut client = daemon.unix().await;
            let response =
                client.sender.send_request(request("GET", "/v1/events?after=0", "")).await.unwrap();
            if response.status() == 200 {
                break;
            }
        }
    };
    patiently(another).await;
}

/// The next request to the model.
pub(crate) fn next_asking(desk: &mut ControlReceiver) -> Option<QueuedRequest> {
    match desk.orders.blocking_recv()? {
        ModelRequest::Answer(asking) => Some(asking),
        other => panic!("{other:?}"),
    }
}

/// The same without blocking.
pub(crate) async fn asking_of(desk: &mut ControlReceiver) -> QueuedRequest {
    match desk.orders.recv().await {
        Some(ModelRequest::Answer(asking)) => asking,
        other => panic!("{other:?}"),
    }
}

/// A token whose text is its own, with ln p = -0.25.
pub(crate) fn token(answer: usize, text: &str, ending: Option<Ending>) -> AnswerEvent {
    let token =
        Token { bytes: text.into(), log_prob: -0.25, top: vec![(text.into(), -0.25), (b"no".into(), -2.0)] };
    let text = if ending == Some(Ending::Stop) { "" } else { text };
    AnswerEvent::Token { answer, text: text.into(), token, ending }
}

fn answer_at_noon(asking: &QueuedRequest, end: AnswerEvent) {
    let begun = AnswerEvent::Begun { generation: GenerationId(2), prompt_tokens: 7 };
    for piece in
        [begun, token(0, "At ", None), token(0, "noon.\n", None), token(0, "<end>", Some(Ending::Stop)), end]
    {
        asking.pieces.send(piece).unwrap();
    }
}

fn damaged() -> AnswerEvent {
    AnswerEvent::Failed(Error::new(Kind::Corrupt, "the adapter is damaged").into())
}

#[tokio::test]
async fn questions_are_answered_whole_or_in_pieces() {
    let mut daemon = Daemon::start(five).await;
    let (tell, told) = mpsc::channel();
    daemon.learner(move |mut desk| {
        while let Some(order) = desk.orders.blocking_recv() {
            let asking = match order {
                ModelRequest::Answer(asking) => asking,
                ModelRequest::Weigh(ScoreRequest { question, generations, reply, .. }) => {
                    // Each generation finds the answer e^2 times as probable as the one before, but where the base knew it.
                    let taught = if question == "Which time?" { 1.0 } else { 2.0 };
                    if question == "Who waits?" {
                        reply.send(Err(Error::new(Kind::Busy, "32 requests wait already"))).unwrap();
                        continue;
                    }
                    let sums = generations.iter().map(|id| Some(taught * id.0 as f64 - 9.0)).collect();
                    reply.send(Ok(sums)).unwrap();
                    continue;
                }
            };
            let fails = matches!(&asking.asked.prompts[0], Prompt::Question { text, .. } if text == "Why?");
            answer_at_noon(&asking, if fails { damaged() } else { AnswerEvent::Done });
            tell.send(asking.asked).unwrap();
        }
    });
    let view: AskView = daemon.post("/v1/ask", r#"{"question":"When?"}"#).await.json();
    assert_eq!((view.answer.as_str(), view.tokens, view.model.as_str()), ("At noon.", 3, "gen-000002"));
    let taught: Vec<_> = view.sources.iter().map(|source| source.document).collect();
    assert_eq!(taught, [DocumentId(1), DocumentId(3)], "they have noon, and made it likelier");
    assert!((view.mean_log_prob + 0.25).abs() < 1e-6);
    let question = |generation, max_tokens, earlier| GenerateRequest {
        generation,
        max_tokens: Some(max_tokens),
        temperature: Some(0.0),
        ..GenerateRequest::new(Prompt::Question { text: "When?".into(), earlier })
    };
    assert_eq!(told.recv().unwrap(), question(None, 64, vec![]));
    for known in ["Which time?", "At noon, or when?", "Who waits?"] {
        let body = serde_json::json!({ "question": known }).to_string();
        let view: AskView = daemon.post("/v1/ask", body).await.json();
        assert_eq!(view.answer, "At noon.", "{known}");
        assert!(
            view.sources.is_empty(),
            "{known}: the base knew it, the question says it, or nobody could tell: {view:?}"
        );
        told.recv().unwrap();
    }
    let base =
        r#"{"question":"When?","model":"base","max_tokens":7,"earlier":[{"question":"Who?","answer":"I"}]}"#;
    daemon.post("/v1/ask", base).await.json::<AskView>();
    let earlier = vec![("Who?".into(), "I".into())];
    assert_eq!(told.recv().unwrap(), question(Some(GenerationId::BASE), 7, earlier));
    daemon.post("/v1/ask", r#"{"question":"When?","model":"2"}"#).await.json::<AskView>();
    assert_eq!(told.recv().unwrap().generation, Some(GenerationId(2)));
    daemon.post("/v1/ask", r#"{"question":"When?","model":"live"}"#).await.json::<AskView>();
    assert_eq!(told.recv().unwrap().generation, None);
    daemon.post("/v1/ask", r#"{"question":"Why?"}"#).await.is_problem(500, "corrupt", "adapter is damaged");
    for word in ["When?", "Why?"] {
        let body = serde_json::json!({ "question": word, "stream": true }).to_string();
        let mut pieces = daemon.follow(request("POST", "/v1/ask", body)).await;
        let mut next = async || pieces.next().await.map(|sent| serde_json::from_str(&sent.data).unwrap());
        let text = |text: &str| Some(AskEvent::Text { text: text.into() });
        assert_eq!(next().await, text("At "));
        assert_eq!(next().await, text("noon.\n"));
        match (word, next().await) {
            ("When?", Some(AskEvent::Done(view))) => {
                assert_eq!((view.answer.as_str(), view.tokens), ("At noon.", 3))
            }
            ("Why?", Some(AskEvent::Failed { error })) => assert!(error.contains("damaged"), "{error}"),
            (_, other) => panic!("{word} {other:?}"),
        }
        assert_eq!(next().await, None);
    }
}

#[tokio::test]
async fn an_answer_names_what_fits_the_question_and_was_not_learned() {
    let mut daemon = Daemon::start(five).await;
    daemon.learner(move |mut desk| {
        while let Some(order) = desk.orders.blocking_recv() {
            match order {
                ModelRequest::Answer(asking) => answer_at_noon(&asking, AnswerEvent::Done),
                ModelRequest::Weigh(ScoreRequest { generations, reply, .. }) => {
                    reply.send(Ok(vec![None; generations.len()])).unwrap();
                }
            }
        }
    });
    let ask = async |route: &str, question: &str, model: &str| {
        let body = serde_json::json!({ "question": question, "model": model }).to_string();
        daemon.post(route, body).await.json::<serde_json::Value>()
    };
    let told = |view: &serde_json::Value| -> Vec<(i64, String, u64, u64)> {
        let one = |one: &serde_json::Value| {
            let number = |key: &str| one[key].as_u64().unwrap();
            let state = one["state"].as_str().unwrap().to_string();
            (one["source"]["document"].as_i64().unwrap(), state, number("asked"), number("right"))
        };
        view["unlearned"].as_array().map(|all| all.iter().map(one).collect()).unwrap_or_default()
    };
    let rejected = ask("/v1/ask", "When does the ferry of pier 4 leave?", "live").await;
    let found = told(&rejected);
    assert_eq!((found[0].0, found[0].1.as_str(), found.len()), (4, "rejected", 1), "{rejected}");
    let story: seald_core::protocol::DocumentView = daemon.get("/v1/documents/4").await.json();
    let of_candidate = |g: &&seald_core::protocol::GivenAnswer| g.subject == Subject::Candidate;
    let given: Vec<_> = story.probes.iter().filter_map(|p| p.given.iter().find(of_candidate)).collect();
    let right = given.iter().filter(|given| given.right).count() as u64;
    assert!(!given.is_empty());
    assert_eq!((found[0].2, found[0].3), (given.len() as u64, right));
    let waits = ask("/v1/why", "When does the ferry of pier 5 leave?", "live").await;
    assert_eq!(told(&waits["answer"]), [(5, "waiting".into(), 0, 0)], "{waits}");
    for (question, model) in [
        ("When does the ferry of pier 3 leave?", "live"),
        ("Which goats does it carry?", "live"),
        ("When does the ferry of pier 4 leave?", "base"),
    ] {
        let view = ask("/v1/ask", question, model).await;
        assert_eq!(
            told(&view),
            [],
            "{question} {model}: learned, as well known, or asked of the base by name"
        );
    }
}

#[tokio::test]
async fn a_learner_that_dies_during_an_answer_is_told() {
    let mut daemon = Daemon::start(|_| {}).await;
    daemon.learner(|mut desk| {
        for _ in 0..2 {
            let asking = next_asking(&mut desk).unwrap();
            asking.pieces.send(token(0, "At ", None)).unwrap();
        }
    });
    daemon.post("/v1/ask", r#"{"question":"When?"}"#).await.is_problem(503, "cancelled", "went down");
    let mut pieces = daemon.follow(request("POST", "/v1/ask", r#"{"question":"When?","stream":true}"#)).await;
    assert_eq!(pieces.next().await.unwrap().event, "text");
    let failed = pieces.next().await.unwrap();
    assert_eq!(failed.event, "failed");
    assert!(failed.data.contains("went down"), "{failed:?}");
    assert_eq!(pieces.next().await, None);
}

#[tokio::test]
async fn a_reader_that_goes_away_is_seen_by_the_learner() {
    let mut daemon = Daemon::start(|_| {}).await;
    let mut desk = daemon.desk.take().unwrap();
    // In pieces.
    let asked = request("POST", "/v1/ask", r#"{"question":"When?","stream":true}"#);
    let (pieces, asking) = tokio::join!(daemon.follow(asked), asking_of(&mut desk));
    assert!(!asking.pieces.is_closed());
    drop(pieces);
    patiently(asking.pieces.closed()).await;
    // Whole: nothing has been written yet when the reader goes.
    let mut client = daemon.unix().await;
    let mut sending =
        Box::pin(client.sender.send_request(request("POST", "/v1/ask", r#"{"question":"When?"}"#)));
    let asking = tokio::select! {
        asking = asking_of(&mut desk) => asking,
        answer = &mut sending => panic!("{answer:?}"),
    };
    drop(sending);
    drop(client);
    patiently(asking.pieces.closed()).await;
}

#[tokio::test]
async fn more_questions_than_may_wait_are_refused() {
    let daemon = Daemon::start(|_| {}).await;
    let mut waiting = Vec::new();
    for _ in 0..WAITING {
        waiting
            .push(daemon.follow(request("POST", "/v1/ask", r#"{"question":"When?","stream":true}"#)).await);
    }
    daemon.post("/v1/ask", r#"{"question":"When?"}"#).await.is_problem(429, "busy", "wait already");
}
