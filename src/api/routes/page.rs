//! A page for a browser: status and the newest documents, without anything from elsewhere.

use std::fmt::Write;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::super::failure::Failure;
use super::super::router::Api;
use super::super::views;
use seald_core::error::Result;
use seald_core::protocol::{Activity, DocumentLine, DocumentsPage, Held, Share, StatusView};
use seald_store::DocumentFilter;
use seald_terminal::status::{left_of_document, waiting_words};
use seald_terminal::words::{count, kind_words, percent, stage_words};

/// Documents on the page.
const DOCUMENTS: usize = 50;
const HTML: &str = "text/html; charset=utf-8";
/// No scripts, nothing from elsewhere, in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
<meta http-equiv=\"refresh\" content=\"5\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
<title>seald</title>\n<style>\nbody { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; \
padding: 0 1em; color: #222; }\ntable { border-collapse: collapse; width: 100%; }\n\
th, td { text-align: left; padding: .3em .8em .3em 0; border-bottom: 1px solid #ddd; vertical-align: top; }\n\
.problem, .failed, .rejected { color: #b00020; }\n.accepted { color: #106b21; }\n\
@media (prefers-color-scheme: dark) { body { background: #161616; color: #ddd; } \
th, td { border-color: #444; } .problem, .failed, .rejected { color: #ff8a80; } .accepted { color: #7bd88f; } }\n\
</style>\n</head>\n<body>\n";

pub(in crate::api) async fn show(State(api): State<Api>) -> Result<impl IntoResponse, Failure> {
    let page = api.service.read(|service, reading| {
        let status = views::status(service, reading)?;
        let documents = views::documents(&reading.store, &DocumentFilter::default(), None, DOCUMENTS)?;
        Ok(html(&status, &documents))
    });
    let headers = [
        (header::CONTENT_TYPE, HTML),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, page.await?))
}

fn html(status: &StatusView, documents: &DocumentsPage) -> String {
    let mut rows = String::new();
    let mut line = |what: &str, words: &str| {
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(rows, "<tr><th>{what}</th><td>{}</td></tr>", escaped(words));
    };
    let StatusView { version, root, inbox, activity, held, model, documents: counts, knowledge, .. } = status;
    line("seald", &format!("{version} in {root}, inbox {inbox}"));
    line("now", &doing(status, activity));
    if let Some(held) = held {
        line("held", &why(held));
    }
    let place = if model.loaded { "in memory" } else { "not in memory" };
    line("model", &format!("{}, {place}, {} MiB resident", model.name, model.resident_bytes >> 20));
    let (learned, rejected, failed) = (counts.learned, counts.rejected, counts.failed);
    let waits = waiting_words(status).unwrap_or_else(|| "none waits".into());
    line("documents", &format!("{learned} learned, {rejected} rejected, {failed} failed; {waits}"));
    if counts.refused > 0 {
        line("not readable", &format!("{} files, in inbox/failed with their reasons", counts.refused));
    }
    let live = knowledge.live.as_deref().unwrap_or("the base");
    line("live", &format!("{live}, which learned {}", count(knowledge.documents, "document")));
    line("knows", &format!("{} (the base: {})", share(knowledge.now), share(knowledge.base)));
    for fading in &knowledge.fading {
        let text =
            format!("{}: {} of {}, was {}", fading.title, fading.right, fading.asked, fading.was_right);
        line("fading", &text);
    }
    let mut page = format!("{HEAD}<h1>seald</h1>\n");
    for problem in &status.problems {
        let _ = writeln!(page, "<p class=\"problem\">{}</p>", escaped(problem));
    }
    let _ = writeln!(page, "<table>\n{rows}</table>\n<h2>Documents</h2>\n<table>");
    let _ =
        writeln!(page, "<tr><th>#</th><th>Title</th><th>File</th><th>State</th><th>Right answers</th></tr>");
    documents.documents.iter().for_each(|document| row(&mut page, document));
    let _ =
        writeln!(page, "</table>\n<p>The newest {} of {}.</p>", documents.documents.len(), documents.total);
    page + "</body>\n</html>\n"
}

fn row(page: &mut String, document: &DocumentLine) {
    let DocumentLine { id, name, title, tag, state, reasons, generation, before, after, .. } = document;
    let tag = tag.as_deref().map_or_else(String::new, |tag| format!("{tag}/"));
    let (name, title, reasons) =
        (escaped(&format!("{tag}{name}")), escaped(title), escaped(&reasons.join("; ")));
    let within = generation.as_deref().map_or_else(String::new, |name| format!(" in {}", escaped(name)));
    let words = state;
    // What no adapter was asked was not judged: what was known before is no share of anything then.
    let gain = before.zip(*after).map_or_else(
        || "-".to_string(),
        |(before, after)| format!("{}, was {}", percent(after), percent(before)),
    );
    let _ = writeln!(
        page,
        "<tr><td>{id}</td><td>{title}</td><td>{name}</td><td class=\"{state}\">{words}{within} {reasons}</td><td>{gain}</td></tr>"
    );
}

fn doing(status: &StatusView, activity: &Activity) -> String {
    match activity {
        Activity::Idle => "idle: nothing waits".into(),
        Activity::Opening => "opening the model".into(),
        Activity::Calibrating(_) => "calibrating the model, once".into(),
        Activity::Replaying { .. } => "asking about earlier documents".into(),
        Activity::Stopping => "stopping".into(),
        Activity::Tending(tending) => {
            format!("{}: {} ({})", kind_words(tending.kind), stage_words(tending.stage), tending.reason)
        }
        Activity::Learning(learning) => {
            let step = learning.trial.as_ref().map(|t| format!(", step {} of {}", t.step, t.steps));
            let left = left_of_document(status);
            let (stage, step) = (stage_words(learning.stage), step.unwrap_or_default());
            format!("learning {}: {stage}{step}, {left}", learning.title)
        }
    }
}

fn why(held: &Held) -> String {
    match held {
        Held::Paused { until: Some(until), .. } => format!("paused until {until}"),
        Held::Paused { until: None, .. } => "paused until somebody resumes".into(),
        Held::QuietHours { until } => format!("quiet hours until {until}"),
        Held::Busy { others } => format!("other programs take {others} % of the processors"),
        Held::Trouble { reason, again_at } => format!("{reason}; tried again at {again_at}"),
    }
}

fn share(share: Option<Share>) -> String {
    share.map_or("nothing was asked yet".into(), |s| {
        format!("{} of {} right", percent(s.share), count(s.asked, "question"))
    })
}

/// Text that means only itself within HTML.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}
