//! Routes that only read.

use std::sync::atomic::Ordering;

use seald::pipeline::model_requests::MAX_STUCK;
use seald::pipeline::monitor::ModelFacts;
use seald::pipeline::{Root, calibrated_with};
use seald_core::domain::calibration::{Calibration, Speeds};
use seald_core::domain::document::DocumentState;
use seald_core::domain::evaluation::Subject;
use seald_core::domain::ids::{DocumentId, GenerationId, JobId};
use seald_core::domain::job::{Event, JobState, Stage};
use seald_core::domain::probe::Role;
use seald_core::protocol::{
    Activity, AdaptersView, DocumentView, DocumentsPage, ForgettingView, Held, Learning, ModelsView,
    SelfEditsView, StatusView,
};
use seald_store::{Dropped, NewDocument, Received, Store};

use crate::api::daemon::{Daemon, NOW};
use crate::made_up_rows::{BASE, document, learn_all, receive, supplied};

/// Documents 1 and 3 are learned, 2 and 4 rejected, and 5 waits.
pub(crate) fn five(store: &mut Store) {
    for n in 1..=4 {
        receive(store, n);
    }
    learn_all(store);
    receive(store, 5);
}

#[tokio::test]
async fn an_empty_daemon_is_idle_and_knows_nothing() {
    let daemon = Daemon::start(|_| {}).await;
    let status: StatusView = daemon.get("/v1/status").await.json();
    assert_eq!(status.activity, Activity::Idle);
    assert_eq!((status.knowledge, status.held), (Default::default(), None));
    assert_eq!((status.version.as_str(), status.pid), (env!("CARGO_PKG_VERSION"), std::process::id()));
    assert_eq!(status.started_at, NOW.plus_seconds(-90));
    assert!(status.model.resident_bytes > 1 << 20, "{:?}", status.model);
    assert_eq!(status.inbox, daemon.root.file("inbox").display().to_string());
    let page: DocumentsPage = daemon.get("/v1/documents").await.json();
    assert_eq!((page.documents.len(), page.next_before, page.total), (0, None, 0));
    let adapters: AdaptersView = daemon.get("/v1/adapters").await.json();
    assert_eq!(adapters, AdaptersView { live: None, generations: vec![] });
    let forgetting: ForgettingView = daemon.get("/v1/forgetting").await.json();
    assert!(forgetting.rows.is_empty());
    assert_eq!(daemon.get("/healthz").await.text(), "ok");
    assert_eq!(daemon.get("/").await.status, 200);
    assert_eq!(daemon.get("/metrics").await.status, 200);
}

#[tokio::test]
async fn status_tells_what_is_done_known_and_forgotten() {
    let daemon = Daemon::start(five).await;
    let learning = Activity::Learning(Learning {
        document: DocumentId(5),
        title: "Bulletin 5".into(),
        stage: Stage::Trials,
        since: NOW,
        seconds: None,
        trial: None,
    });
    daemon.monitor.update(|now| now.activity = learning.clone());
    daemon.monitor.update(|now| now.held = Some(Held::Paused { since: NOW, until: None }));
    daemon.monitor.problem("disk", Some("the disk is nearly full".into()));
    let status: StatusView = daemon.get("/v1/status").await.json();
    assert_eq!(status.activity, learning);
    assert_eq!(status.held, Some(Held::Paused { since: NOW, until: None }));
    assert_eq!(status.problems, ["the disk is nearly full"]);
    let counts = status.documents;
    assert_eq!((counts.waiting, counts.learned, counts.rejected, counts.failed), (1, 2, 2, 0));
    let known = status.knowledge;
    assert_eq!((known.live.as_deref(), known.documents), (Some("gen-000002"), 2));
    // Replay asks a retain probe of either document: made-up answers to the first are wrong.
    let (now, base) = (known.now.unwrap(), known.base.unwrap());
    assert_eq!((now.right, now.asked, base.right, base.asked), (1, 2, 0, 2));
    assert_eq!(known.backward_transfer, Some(0.0));
    assert!(known.fading.is_empty(), "the first was never answered right");
}

#[tokio::test]
async fn status_names_what_processes_keep_ending_with_and_what_to_do() {
    let daemon = Daemon::start(five).await;
    let problems = async || daemon.get("/v1/status").await.json::<StatusView>().problems;
    let end = || {
        let mut store = daemon.store();
        let job = store.claim_next(NOW, 60).unwrap().unwrap();
        assert_eq!(job.document, Some(DocumentId(5)));
        store.abandon_running(None).unwrap();
    };
    end();
    assert!(problems().await.is_empty(), "once may be anything");
    end();
    let [suspected] = &problems().await[..] else { panic!("{:?}", problems().await) };
    for words in ["2 times in a row", "document 5 (Bulletin 5)", "max_memory", "sealctl forget 5"] {
        assert!(suspected.contains(words), "no `{words}` in: {suspected}");
    }
    end();
    let [given_up] = &problems().await[..] else { panic!("{:?}", problems().await) };
    for words in ["document 5 (Bulletin 5) was given up", "sealctl retry 5", "sealctl forget 5"] {
        assert!(given_up.contains(words), "no `{words}` in: {given_up}");
    }
    let id = daemon.store().job_of(DocumentId(5)).unwrap().id;
    daemon.store().apply(id, Event::Retried).unwrap();
    assert!(problems().await.is_empty(), "it is tried again");
}

#[tokio::test]
async fn what_replay_finds_changes_what_is_known_at_once() {
    let daemon = Daemon::start(five).await;
    let known = async || daemon.get("/v1/status").await.json::<StatusView>().knowledge;
    assert_eq!(known().await.now.unwrap().right, 1);
    // Replay asks again: the same rows, one answer lost and one won.
    let database = rusqlite::Connection::open(daemon.root.database()).unwrap();
    let swap = "UPDATE evaluations SET correct = 1 - correct WHERE subject = 'replay' AND generation = 2";
    assert_eq!(database.execute(swap, []).unwrap(), 5, "two retain probes, and three that the base knew");
    let after = known().await;
    assert_eq!((after.now.unwrap().right, after.backward_transfer), (1, Some(1.0)));
    let set = "UPDATE evaluations SET correct = (generation = 1) WHERE subject = 'replay'";
    assert!(database.execute(set, []).unwrap() > 5);
    let after = known().await;
    assert_eq!((after.now.unwrap().right, after.backward_transfer), (0, Some(-1.0)));
    let fading = &after.fading[0];
    assert_eq!(
        (fading.title.as_str(), fading.was_right, fading.right, fading.asked),
        ("Bulletin 1", 1, 0, 1)
    );
    daemon.store().roll_back(GenerationId::BASE, Dropped::Rejected, "rolled back", NOW).unwrap();
    assert_eq!(known().await, Default::default());
}

#[tokio::test]
async fn documents_come_in_pages_and_by_filter() {
    let daemon = Daemon::start(|store| {
        five(store);
        let tagged = NewDocument { tag: Some("harbour & pier".into()), ..document(6) };
        assert!(matches!(store.receive(&tagged, &supplied(6), NOW), Ok(Received::New(..))));
    })
    .await;
    let page = async |query: &str| daemon.get(&format!("/v1/documents{query}")).await.json::<DocumentsPage>();
    let ids = |page: &DocumentsPage| page.documents.iter().map(|line| line.id.0).collect::<Vec<_>>();
    let all = page("").await;
    assert_eq!((ids(&all), all.next_before, all.total), (vec![6, 5, 4, 3, 2, 1], None, 6));
    let first = page("?limit=4").await;
    assert_eq!((ids(&first), first.next_before, first.total), (vec![6, 5, 4, 3], Some(DocumentId(3)), 6));
    let last = page("?limit=4&before=3").await;
    assert_eq!((ids(&last), last.next_before, last.total), (vec![2, 1], None, 6));
    assert_eq!(page("?limit=2&before=3").await.next_before, None, "a full page may be the last");
    let rejected = page("?state=rejected&limit=1").await;
    assert_eq!((ids(&rejected), rejected.total), (vec![4], 2));
    let tagged = page("?tag=harbour%20%26%20pier").await;
    assert_eq!((ids(&tagged), tagged.total), (vec![6], 1));
    assert_eq!(page("?tag=harbour%20%26%20pier&state=learned").await.total, 0);
    let learned = &all.documents[3];
    assert_eq!((learned.name.as_str(), learned.state), ("3.txt", DocumentState::Learned));
    assert_eq!((learned.before, learned.after), (Some(0.0), Some(1.0)));
    assert_eq!((all.documents[1].before, all.documents[1].after), (None, None));
    assert_eq!(all.documents[2].reasons, ["gain at 0.125"]);
}

#[tokio::test]
async fn a_document_is_told_with_every_probe_and_answer() {
    let daemon = Daemon::start(five).await;
    let view: DocumentView = daemon.get("/v1/documents/1").await.json();
    assert_eq!((view.line.id, view.job.id, view.passages), (DocumentId(1), JobId(1), 2));
    assert_eq!((view.job.state, view.job.stage), (JobState::Done, Stage::Replay));
    assert_eq!(view.characters, "The ferry of pier 1 leaves at noon. It carries 1 goats.".len());
    assert_eq!(view.report.generation.as_deref(), Some("gen-000001"));
    assert_eq!(view.contained_in, ["gen-000001", "gen-000002"]);
    // Numbers that are not finite are null on the wire and come back as no number.
    assert!(view.report.trials.iter().any(|trial| trial.gain.is_nan()));
    assert!(view.report.findings.iter().any(|finding| finding.value.is_nan()));
    let of = |role| view.probes.iter().find(|probe| probe.role == role).unwrap();
    let gate = of(Role::Gate);
    let subjects: Vec<_> = gate.given.iter().map(|given| (given.subject, given.right)).collect();
    assert_eq!(subjects, [(Subject::Base, false), (Subject::Before, false), (Subject::Candidate, true)]);
    assert_eq!((gate.given[2].answer.as_str(), gate.given[2].generation.as_deref()), ("noon", None));
    // Asked again by the replay of its own generation and of the next, and by the gate of document 3.
    let replays: Vec<_> = of(Role::Retain).given.iter().filter(|g| g.subject == Subject::Replay).collect();
    let by: Vec<_> = replays.iter().map(|given| given.generation.as_deref().unwrap()).collect();
    assert_eq!(by, ["gen-000001", "gen-000002"]);
}

#[tokio::test]
async fn documents_have_numbers_and_names_and_the_newest_of_a_name_is_meant() {
    let daemon = Daemon::start(|store| {
        five(store);
        let renamed = |n, name: &str| NewDocument { name: name.into(), ..document(n) };
        for new in [renamed(6, "1.txt"), renamed(7, "R\u{e9}sum\u{e9} 50%/x#1.md")] {
            store.receive(&new, &[], NOW).unwrap();
        }
    })
    .await;
    let id = async |path: &str| {
        daemon.get(&format!("/v1/documents/{path}")).await.json::<DocumentView>().line.id.0
    };
    assert_eq!(id("3").await, 3);
    assert_eq!(id("2.txt").await, 2);
    assert_eq!(id("1.txt").await, 6);
    assert_eq!(id("R%C3%A9sum%C3%A9%2050%25%2Fx%231.md").await, 7);
    daemon.get("/v1/documents/99").await.is_problem(404, "not-found", "document 99");
    daemon.get("/v1/documents/nothing.txt").await.is_problem(404, "not-found", "\"nothing.txt\"");
    daemon.get("/v1/documents/99/edits").await.is_problem(404, "not-found", "document 99");
    daemon.get("/v1/documents/%FF").await.is_problem(400, "invalid", "path");
}

#[tokio::test]
async fn self_edits_are_told_with_what_was_chosen() {
    let daemon = Daemon::start(five).await;
    let view: SelfEditsView = daemon.get("/v1/documents/1.txt/edits").await.json();
    assert_eq!((view.id, view.title.as_str(), view.self_edits.len()), (DocumentId(1), "Bulletin 1", 4));
    let places: Vec<_> = view.self_edits.iter().map(|e| (e.candidate, e.passage, e.chosen)).collect();
    assert_eq!(places, [(0, 0, true), (0, 1, true), (1, 0, false), (1, 1, false)]);
    assert_eq!(view.self_edits[3].discarded.as_deref(), Some("repeats itself"));
    assert_eq!((view.self_edits[0].rows.len(), view.self_edits[0].dropped.len()), (2, 1));
}

#[tokio::test]
async fn generations_are_listed_with_their_files_and_the_missing_ones() {
    let daemon = Daemon::start(five).await;
    let root = Root::open(&daemon.root.file("")).unwrap();
    for (id, names) in
        [(1, vec!["adapter_config.json"]), (2, vec!["adapter_config.json", "adapter_model.safetensors"])]
    {
        let folder = root.generation(GenerationId(id));
        std::fs::create_dir_all(&folder).unwrap();
        names.iter().for_each(|name| std::fs::write(folder.join(name), [7; 21]).unwrap());
    }
    daemon.store().roll_back(GenerationId(1), Dropped::Rejected, "rolled back", NOW).unwrap();
    let view: AdaptersView = daemon.get("/v1/adapters").await.json();
    assert_eq!(view.live.as_deref(), Some("gen-000001"));
    let [newest, first] = &view.generations[..] else { panic!("{view:?}") };
    assert_eq!((newest.name.as_str(), newest.parent.as_deref()), ("gen-000002", Some("gen-000001")));
    assert_eq!((newest.live, newest.in_live_chain, newest.bytes), (false, false, Some(42)));
    assert_eq!((first.live, first.in_live_chain, first.bytes), (true, true, None), "a file is missing");
    assert_eq!((first.parent.as_deref(), &first.documents[..]), (None, &["Bulletin 1".to_string()][..]));
    assert_eq!(first.findings.len(), 2);
    assert!(newest.path.ends_with("adapters/gen-000002"), "{}", newest.path);
}

#[tokio::test]
async fn models_are_listed_by_the_names_that_ask_takes() {
    let daemon = Daemon::start(|store| {
        store.use_base("another", "/models/tried", NOW).unwrap();
        store.use_base(BASE, "nano", NOW).unwrap();
        five(store);
    })
    .await;
    let before: ModelsView = daemon.get("/v1/models/local").await.json();
    assert_eq!((before.parameters, before.loaded), (None, false));
    assert_eq!(before.names, ["base", "live", "gen-000002", "gen-000001"]);
    let [present] = before.lineages.as_slice() else { panic!("{:?}", before.lineages) };
    assert_eq!((present.model.as_str(), present.left_at, present.generations), ("nano", None, 2));
    assert_eq!((present.live.as_deref(), before.fetched.len()), (Some("gen-000002"), 0));
    assert_eq!(before.calibration, None);
    let facts = ModelFacts { parameters: 5_200_000, context: 1024 };
    daemon.monitor.update(|now| (now.model, now.loaded) = (Some(facts), true));
    let view: ModelsView = daemon.get("/v1/models/local").await.json();
    assert_eq!((view.parameters, view.context, view.loaded), (Some(5_200_000), Some(1024), true));
}

#[tokio::test]
async fn models_tell_of_the_calibration_of_the_base_in_use() {
    let made = |learning_rate| Calibration {
        learning_rate,
        drift_budget: 0.04,
        rates: vec![],
        drifts: vec![],
        speeds: Speeds::default(),
        seconds: 600.0,
        made_at: NOW,
    };
    let daemon = Daemon::start(|store| {
        store.use_base("another", "/models/tried", NOW).unwrap();
        store.keep_calibration("another", &calibrated_with(), &made(0.001)).unwrap();
        store.use_base(BASE, "/models/used", NOW).unwrap();
        store.keep_calibration(BASE, &calibrated_with(), &made(0.002)).unwrap();
    })
    .await;
    let view: ModelsView = daemon.get("/v1/models/local").await.json();
    assert_eq!(view.calibration, Some(made(0.002)));
}

#[tokio::test]
async fn the_matrix_of_forgetting_is_that_of_the_live_chain() {
    let daemon = Daemon::start(five).await;
    let view: ForgettingView = daemon.get("/v1/forgetting").await.json();
    assert_eq!(view.rows, ["gen-000001", "gen-000002"]);
    let titles: Vec<_> = view.columns.iter().map(|column| column.document.as_str()).collect();
    assert_eq!(titles, ["Bulletin 1", "Bulletin 3"]);
    let last: Vec<_> = view.cells[1].iter().map(|cell| cell.unwrap().share()).collect();
    assert_eq!(last, [Some(0.0), Some(1.0)]);
}

#[tokio::test]
async fn metrics_are_openmetrics_with_units_in_their_names() {
    let daemon = Daemon::start(five).await;
    daemon.monitor.update(|now| now.held = Some(Held::QuietHours { until: NOW }));
    let answer = daemon.get("/metrics").await;
    assert!(answer.headers["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let lines: Vec<_> = answer.text().lines().collect();
    for line in [
        "seald_documents{state=\"waiting\"} 1",
        "seald_documents{state=\"learned\"} 2",
        "seald_documents{state=\"rejected\"} 2",
        "seald_documents{state=\"failed\"} 0",
        "seald_jobs_waiting 1",
        "seald_live_generation 2",
        "seald_learned_documents 2",
        "seald_questions_right{model=\"live\"} 1",
        "seald_questions_asked{model=\"live\"} 2",
        "seald_questions_right{model=\"base\"} 0",
        "seald_backward_transfer_ratio 0.0",
        "seald_model_loaded 0",
        "seald_uptime_seconds 90.0",
        "seald_held{why=\"quiet_hours\"} 1",
        "seald_held{why=\"paused\"} 0",
        "seald_problems 0",
        "# EOF",
    ] {
        assert!(lines.contains(&line), "{line} is not in\n{}", answer.text());
    }
    let resident = lines.iter().find_map(|line| line.strip_prefix("seald_resident_memory_bytes "));
    assert!(resident.unwrap().parse::<u64>().unwrap() > 1 << 20);
}

#[tokio::test]
async fn health_is_that_of_the_learner_and_of_what_prepares_requests() {
    let daemon = Daemon::start(|_| {}).await;
    daemon.monitor.problem("disk", Some("the disk is nearly full".into()));
    let answer = daemon.get("/healthz").await;
    assert_eq!((answer.status, answer.text()), (200, "ok"));
    let load = &daemon.desk.as_ref().unwrap().load;
    load.stuck.store(1, Ordering::Relaxed);
    assert_eq!(daemon.get("/healthz").await.status, 200, "others are prepared in its place");
    let status: serde_json::Value = daemon.get("/v1/status").await.json();
    assert!(status["problems"].to_string().contains("preparing them does not end"), "{status}");
    load.stuck.store(MAX_STUCK, Ordering::Relaxed);
    daemon.get("/healthz").await.is_problem(503, "cancelled", "no requests with a schema are taken");
    load.stuck.store(0, Ordering::Relaxed);
    daemon.monitor.problem("learner", Some("the learner has died: restart seald".into()));
    daemon.get("/healthz").await.is_problem(503, "cancelled", "the learner has died");
}

#[tokio::test]
async fn the_page_shows_text_as_text_and_loads_nothing() {
    let daemon = Daemon::start(|store| {
        let nasty = NewDocument {
            title: "<script>alert('x')</script> & \u{1b}[31m".into(),
            name: "\"><img src=//evil.example>.txt".into(),
            ..document(1)
        };
        store.receive(&nasty, &[], NOW).unwrap();
    })
    .await;
    daemon.monitor.problem("disk", Some("<b>full</b>".into()));
    let answer = daemon.get("/").await;
    assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(answer.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    let page = answer.text();
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; \u{fffd}[31m"), "{page}");
    assert!(page.contains("&quot;&gt;&lt;img src=//evil.example&gt;.txt") && page.contains("&lt;b&gt;full"));
    assert!(
        page.contains(
            "0 learned, 0 rejected, 0 failed; 1 document waits, how long that takes is not known yet"
        ),
        "{page}"
    );
    assert!(page.contains("The newest 1 of 1."));
    assert!(
        !page.contains("<script")
            && !page.contains("<img")
            && !page.contains("http://")
            && !page.contains("<b>")
    );
}
