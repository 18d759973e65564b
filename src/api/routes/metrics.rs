//! The daemon's figures for Prometheus, in the OpenMetrics text format.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};

use super::super::extract::generation;
use super::super::failure::Failure;
use super::super::router::Api;
use super::super::views;
use crate::pipeline::model_requests::Load;
use seald_core::clock::Timestamp;
use seald_core::error::{Context, Kind, Result};
use seald_core::protocol::{Held, Problem, ServingView, StatusView};
use seald_store::Store;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Why learning may be held; each has its own line, 0 or 1.
const HELD: [&str; 4] = ["paused", "quiet_hours", "busy", "trouble"];

/// Figures for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "overview", responses(
    (status = 200, body = String, content_type = "application/openmetrics-text", description = "OpenMetrics text, names `seald_*`"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn show(State(api): State<Api>) -> Result<impl IntoResponse, Failure> {
    let text = api.service.read(|service, reading| {
        let status = views::status(service, reading)?;
        let jobs = reading.store.count_open_jobs()?;
        let mut registry = figures(&status, jobs, service.clock.now());
        upkeep(&mut registry, &reading.store)?;
        answers(&mut registry, service.control.load());
        written(&registry)
    });
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text.await?))
}

fn written(registry: &Registry) -> Result<String> {
    let mut text = String::new();
    encode(&mut text, registry).doing(Kind::Internal, || "cannot write the metrics".into())?;
    Ok(text)
}

fn figures(status: &StatusView, jobs: usize, now: Timestamp) -> Registry {
    let mut registry = Registry::with_prefix("seald");
    documents(&mut registry, status, jobs);
    knowledge(&mut registry, status);
    serving(&mut registry, &status.serve_to);
    process(&mut registry, status, now);
    registry
}

fn documents(registry: &mut Registry, status: &StatusView, jobs: usize) {
    let counts = status.documents;
    let states = [
        ("waiting", counts.waiting),
        ("learned", counts.learned),
        ("rejected", counts.rejected),
        ("failed", counts.failed),
    ];
    let documents = Family::<[(&str, &str); 1], Gauge>::default();
    for (state, count) in states {
        documents.get_or_create(&[("state", state)]).set(whole(count));
    }
    registry.register("documents", "Documents by what became of them", documents);
    let refused = gauge(whole(counts.refused));
    registry.register("files_refused", "Files in inbox/failed, which could not be read", refused);
    registry.register("jobs_waiting", "Jobs that wait or are under way", gauge(whole(jobs)));
}

fn knowledge(registry: &mut Registry, status: &StatusView) {
    let known = &status.knowledge;
    let live = known.live.as_deref().and_then(|name| generation(name).ok()).map_or(0, |id| id.0);
    registry.register("live_generation", "Number of the live generation, 0 for the base", gauge(live));
    let learned = gauge(whole(known.documents));
    registry.register("learned_documents", "Documents that the live generation learned", learned);
    let shares = [("live", known.now), ("base", known.base)];
    let (right, asked) = (Family::<[(&str, &str); 1], Gauge>::default(), Family::default());
    for (who, share) in shares {
        let Some(share) = share else { continue };
        let asked: &Family<[(&str, &str); 1], Gauge> = &asked;
        right.get_or_create(&[("model", who)]).set(whole(share.right));
        asked.get_or_create(&[("model", who)]).set(whole(share.asked));
    }
    registry.register("questions_right", "Questions about learned documents answered right", right);
    registry.register("questions_asked", "Questions about learned documents last asked by replay", asked);
    if let Some(transfer) = known.backward_transfer {
        let help = "Mean change of what was learned earlier, -1 to 1: below 0 is forgetting";
        registry.register("backward_transfer_ratio", help, ConstGauge::new(transfer));
    }
}

/// Servers that are to answer with the live generation; nothing where there are none.
fn serving(registry: &mut Registry, servers: &[ServingView]) {
    if servers.is_empty() {
        return;
    }
    type Labels = [(&'static str, String); 2];
    let (generations, failures) = (Family::<Labels, Gauge>::default(), Family::<Labels, Counter>::default());
    for ServingView { url, name, generation: live, at, failures: failed, .. } in servers {
        let labels = [("url", url.clone()), ("name", name.clone())];
        failures.get_or_create(&labels).inc_by(*failed);
        if at.is_some() {
            let number = live.as_deref().and_then(|name| generation(name).ok()).map_or(0, |id| id.0);
            generations.get_or_create(&labels).set(number);
        }
    }
    let help = "Number of the generation that a server took last, 0 for the base";
    registry.register("serve_to_generation", help, generations);
    let help = "Attempts to give a server a generation that failed since the daemon started";
    registry.register("serve_to_failures", help, failures);
}

/// Work that learned no document, by what came of it; jobs under way are not counted.
fn upkeep(registry: &mut Registry, store: &Store) -> Result<()> {
    let ended = |counts: [(&'static str, usize); 2]| {
        let family = Family::<[(&str, &str); 1], Gauge>::default();
        for (outcome, count) in counts {
            family.get_or_create(&[("outcome", outcome)]).set(whole(count));
        }
        family
    };
    let done: Vec<bool> = store
        .consolidations(usize::MAX)?
        .iter()
        .filter(|one| one.ended_at.is_some())
        .map(|one| one.generation.is_some())
        .collect();
    let live = done.iter().filter(|live| **live).count();
    let family = ended([("live", live), ("kept", done.len() - live)]);
    registry.register("consolidations", "Retrainings by whether they took the live one's place", family);
    let done: Vec<bool> = store
        .writer_rounds(usize::MAX)?
        .iter()
        .filter(|one| one.ended_at.is_some())
        .map(|one| one.writer.is_some())
        .collect();
    let promoted = done.iter().filter(|promoted| **promoted).count();
    let family = ended([("promoted", promoted), ("kept", done.len() - promoted)]);
    registry.register("writer_rounds", "Writer rounds by whether the new writer was promoted", family);
    let writer = gauge(store.writer()?.map_or(0, |writer| writer.id.0));
    registry.register("writer", "Number of the present writer, 0 for the base", writer);
    let forgotten = store.forgettings(usize::MAX)?.iter().filter(|one| one.ended_at.is_some()).count();
    registry.register("forgotten_documents", "Documents forgotten on request", gauge(whole(forgotten)));
    Ok(())
}

/// Requests to the model.
fn answers(registry: &mut Registry, load: &Load) {
    let count = |value: &AtomicUsize| gauge(whole(value.load(Ordering::Relaxed)));
    registry.register("answers_waiting", "Requests that wait for an answer to begin", count(&load.waiting));
    registry.register("answers_running", "Requests that are being answered", count(&load.running));
    let ended = Family::<[(&str, &str); 1], Counter>::default();
    let counts = [("answered", &load.answered), ("broken_off", &load.broken_off), ("refused", &load.refused)];
    for (outcome, value) in counts {
        ended.get_or_create(&[("outcome", outcome)]).inc_by(value.load(Ordering::Relaxed));
    }
    registry.register("answers", "Requests by what became of them since the daemon started", ended);
    let tokens = ConstCounter::new(load.tokens.load(Ordering::Relaxed));
    registry.register("answer_tokens", "Tokens written in answers since the daemon started", tokens);
}

fn process(registry: &mut Registry, status: &StatusView, now: Timestamp) {
    let loaded = gauge(i64::from(status.model.loaded));
    registry.register("model_loaded", "Whether the base model is in memory, 0 or 1", loaded);
    let resident = gauge(i64::try_from(status.model.resident_bytes).unwrap_or(i64::MAX));
    registry.register_with_unit("resident_memory", "Memory that the process takes", Unit::Bytes, resident);
    let uptime = ConstGauge::new((now.0 - status.started_at.0).max(0) as f64 / 1000.0);
    registry.register_with_unit("uptime", "Time since the daemon started", Unit::Seconds, uptime);
    let held = Family::<[(&str, &str); 1], Gauge>::default();
    for why in HELD {
        let is = status.held.as_ref().is_some_and(|held| word(held) == why);
        held.get_or_create(&[("why", why)]).set(i64::from(is));
    }
    registry.register("held", "Whether learning is held, and why, 0 or 1", held);
    let problems = gauge(whole(status.problems.len()));
    registry.register("problems", "Things that a person should look at", problems);
}

fn word(held: &Held) -> &'static str {
    match held {
        Held::Paused { .. } => "paused",
        Held::QuietHours { .. } => "quiet_hours",
        Held::Busy { .. } => "busy",
        Held::Trouble { .. } => "trouble",
    }
}

fn gauge(value: i64) -> ConstGauge<i64> {
    ConstGauge::new(value)
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
