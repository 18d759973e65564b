//! The daemon at a glance, on one screen: what it does, what it knows, what it forgot, what comes next.

use console::Style;

use super::look::{Look, one_line};
use super::page::Page;
use super::times::Times;
use super::words::{
    about, bytes, count, hundredths, kind_words, left_words, percent, stage_words, step_words, trial_words,
    work_words,
};
use seald_core::domain::progress::Work;
use seald_core::protocol::{
    Activity, Calibrating, Fading, Held, KnowledgeView, Learning, ServingView, Share, StatusView, Tending,
    TrialProgress,
};

/// Columns of the bar of steps.
const BAR: usize = 24;
/// Lines of each that fit the screen beside the rest.
const MAX_FADING: usize = 2;
const MAX_RUNS: usize = 2;
/// What is said of a time that nothing foretells.
const NOT_KNOWN: &str = "not known yet";

/// The page.
pub fn render(status: &StatusView, times: Times, look: &Look) -> String {
    let (plain, dim) = (Style::new(), Style::new().dim());
    let mut page = Page::new(look);
    let title = format!("seald {} in {}", one_line(&status.version), one_line(&status.root));
    let up = format!("up {}", times.lasted(status.started_at));
    page.ends(&title, &Style::new().bold(), &up, &dim);
    doing(status, times, &mut page, look);
    page.field("Waits", &waits(status), &plain);
    if status.documents.refused > 0 {
        let refused = count(status.documents.refused, "file");
        let words = format!("{refused} in inbox/failed; `sealctl docs --state failed` says why");
        page.field("Unread", &look.hints(&words), &Style::new().yellow());
    }
    page.blank();
    knows(&status.knowledge, times, &mut page);
    forgot(&status.knowledge, &mut page, look);
    page.blank();
    // What servers there are takes their room.
    let runs = if status.serve_to.is_empty() { MAX_RUNS } else { 1 };
    for (i, run) in status.next.iter().take(runs).enumerate() {
        let last =
            run.last.map_or_else(|| "never before".to_string(), |at| format!("last {}", times.ago(at)));
        let what = one_line(&run.what);
        let words = format!("{what} {} ({}), {last}", times.until(run.at), times.clock(run.at));
        page.field(if i == 0 { "Next" } else { "" }, &words, &plain);
    }
    if status.next.is_empty() {
        page.field("Next", "nothing is scheduled", &dim);
    }
    let model = &status.model;
    let loaded = if model.loaded { "in memory" } else { "not in memory" };
    let words = format!("{}, {loaded}; {} in use", one_line(&model.name), bytes(model.resident_bytes));
    page.field("Model", &words, &plain);
    serves(&status.serve_to, times, &mut page, look);
    problems(status, &mut page, look);
    page.text()
}

/// What is being done, in one sentence.
pub fn doing_words(status: &StatusView, times: Times) -> String {
    match &status.activity {
        Activity::Idle if status.held.is_some() => "nothing now".to_string(),
        Activity::Idle if status.documents.waiting > 0 => "about to begin".to_string(),
        Activity::Idle => "nothing: all documents are done".to_string(),
        Activity::Opening => "preparing the base model".to_string(),
        Activity::Calibrating(Calibrating { since, seconds, .. }) => {
            let of = seconds.map_or_else(String::new, |seconds| format!(" of about {}", about(seconds)));
            format!("calibrating the model, once, for {}{of}", times.lasted(*since))
        }
        Activity::Learning(Learning { title, stage, since, .. }) => {
            let left = left_of_document(status);
            let (stage, gone) = (stage_words(*stage), times.lasted(*since));
            format!("{stage}, for {gone}, {left}: {}", one_line(title))
        }
        Activity::Tending(Tending { kind, reason, stage, since, .. }) => {
            let (kind, stage) = (kind_words(*kind), stage_words(*stage));
            format!("{kind}: {stage}, for {} ({})", times.lasted(*since), one_line(reason))
        }
        Activity::Replaying { since } => {
            format!("asking about everything it learned, for {}", times.lasted(*since))
        }
        Activity::Stopping => "stopping".to_string(),
    }
}

/// `2 documents wait, about 20 minutes until all are done`, the one under way not counted; nothing where none waits.
pub fn waiting_words(status: &StatusView) -> Option<String> {
    let (waiting, time) = queue(status)?;
    Some(format!("{} {}, {time}", count(waiting, "document"), if waiting == 1 { "waits" } else { "wait" }))
}

/// How many wait, and how long that takes.
fn queue(status: &StatusView) -> Option<(usize, String)> {
    let learning = usize::from(matches!(status.activity, Activity::Learning(_)));
    let waiting = status.documents.waiting.saturating_sub(learning);
    let time = match status.time_left.all {
        Some(seconds) if seconds >= 1.0 => format!("about {} until all are done", about(seconds)),
        Some(_) => "all should be done by now".to_string(),
        None => format!("how long that takes is {NOT_KNOWN}"),
    };
    (waiting > 0).then_some((waiting, time))
}

/// `about 6 minutes left` of the document under way.
pub fn left_of_document(status: &StatusView) -> String {
    status.time_left.document.map_or_else(|| format!("how long it takes is {NOT_KNOWN}"), left_words)
}

/// Why nothing is learned, and how it goes on.
pub fn held_words(held: &Held, times: Times) -> String {
    match held {
        Held::Paused { until: Some(until), .. } => {
            format!("paused until {}; `sealctl resume` goes on now", times.clock(*until))
        }
        Held::Paused { since, until: None } => {
            format!("paused since {}; `sealctl resume` goes on", times.clock(*since))
        }
        Held::QuietHours { until } => format!("quiet hours until {}", times.clock(*until)),
        Held::Busy { others } => format!("other programs use {others} % of the processors"),
        Held::Trouble { reason, again_at } => {
            format!("{} (tried again {}; `sealctl resume`: now)", one_line(reason), times.until(*again_at))
        }
    }
}

/// What a server answers with, or what is wrong with it and how it goes on.
pub fn serving_words(server: &ServingView, times: Times) -> String {
    let ServingView { url, name, generation, at, error, again_at, .. } = server;
    let (name, url) = (one_line(name), one_line(url));
    let what = generation.as_deref().map_or_else(|| "the base model".to_string(), one_line);
    match (error, at) {
        (Some(error), _) => {
            let again = again_at.map(|at| format!(" (tried again {})", times.until(at))).unwrap_or_default();
            let error = one_line(error);
            // Mostly it begins with the address.
            let place = if error.starts_with(url.trim_end_matches('/')) {
                String::new()
            } else {
                format!(" at {url}")
            };
            format!("{name}{place}{again}: {error}")
        }
        (None, Some(at)) => format!("{name} at {url}: {what}, for {}", times.lasted(*at)),
        (None, None) => format!("{name} at {url}: is being told"),
    }
}

/// The bar of steps of a trial, at most so many columns.
pub fn steps(trial: &TrialProgress, width: usize, look: &Look) -> String {
    let TrialProgress { name, step, steps, loss } = trial;
    let words = format!("step {step} of {steps} (loss {loss:.2}; {})", trial_words(&one_line(name)));
    if !look.bars || width < BAR * 2 {
        return look.cut(&words, width);
    }
    let full = (step * BAR).checked_div(*steps).unwrap_or(0).min(BAR);
    let (done, left) = look.sign(("━", "─"), ("=", "-"));
    look.cut(&format!("{}{}  {words}", done.repeat(full), left.repeat(BAR - full)), width)
}

/// `75 % of 48 questions (61-85)`.
pub fn share_words(share: &Share) -> String {
    let Share { share, low, high, asked, .. } = *share;
    format!("{} of {} ({}-{})", percent(share), count(asked, "question"), hundredths(low), hundredths(high))
}

fn doing(status: &StatusView, times: Times, page: &mut Page<'_>, look: &Look) {
    page.field("Does", &doing_words(status, times), &Style::new());
    if let Some(trial) = status.activity.trial() {
        let room = look.width.saturating_sub("Forgot     ".len());
        page.field("", &steps(trial, room, look), &Style::new().cyan());
    } else if let Some(work) = &status.work {
        page.field("", &under_way_words(status, work), &Style::new().cyan());
    }
    if let Some(held) = &status.held {
        let style = match held {
            Held::Trouble { .. } => Style::new().red(),
            _ => Style::new().yellow(),
        };
        page.field("Held", &look.hints(&held_words(held, times)), &style);
    }
}

/// How far the piece of work is; of a document the time that all of it takes is told, and no second one.
pub fn under_way_words(status: &StatusView, work: &Work) -> String {
    match status.activity {
        Activity::Learning(_) => step_words(work),
        _ => work_words(work),
    }
}

fn waits(status: &StatusView) -> String {
    let counts = &status.documents;
    let (learned, rejected, failed) = (counts.learned, counts.rejected, counts.failed);
    let waiting = match queue(status) {
        Some((waiting, time)) => format!("{}, {time}", count(waiting, "document")),
        None => "nothing".to_string(),
    };
    format!("{waiting}; so far {learned} learned, {rejected} rejected, {failed} failed")
}

fn knows(knowledge: &KnowledgeView, times: Times, page: &mut Page<'_>) {
    let words = match (&knowledge.live, knowledge.live_since) {
        (Some(live), Some(since)) => {
            let documents = count(knowledge.documents, "document");
            format!("{documents}; {} is live for {}", one_line(live), times.lasted(since))
        }
        (Some(live), None) => {
            format!("{}; {} is live", count(knowledge.documents, "document"), one_line(live))
        }
        (None, _) => "no document yet: the base model answers".to_string(),
    };
    page.field("Knows", &words, &Style::new());
    if let Some(now) = &knowledge.now {
        page.field("", &format!("{} right now", share_words(now)), &Style::new().green());
    } else if knowledge.live.is_some() {
        page.field("", "nothing was asked yet", &Style::new().dim());
    }
    if let Some(base) = &knowledge.base {
        page.field("", &format!("{} right by the base model", share_words(base)), &Style::new().dim());
    }
}

fn forgot(knowledge: &KnowledgeView, page: &mut Page<'_>, look: &Look) {
    let fading = &knowledge.fading;
    if fading.is_empty() {
        page.field("Forgot", "nothing that was asked about", &Style::new());
    }
    for (i, Fading { title, was_right, right, asked }) in fading.iter().take(MAX_FADING).enumerate() {
        let label = if i == 0 { "Forgot" } else { "" };
        let arrow = look.sign("→", "->");
        let words = format!("{was_right} {arrow} {right} of {asked} right: {}", one_line(title));
        page.field(label, &words, &Style::new().yellow());
    }
    if fading.len() > MAX_FADING {
        let more = fading.len() - MAX_FADING;
        page.field(
            "",
            &look.hints(&format!("and {more} more: see `sealctl forgetting`")),
            &Style::new().dim(),
        );
    }
    if let Some(transfer) = knowledge.backward_transfer {
        page.field("", &transfer_words(transfer), &Style::new().dim());
    }
}

/// Backward transfer on one line; [`super::heatmap`] has the whole sentence.
fn transfer_words(transfer: f64) -> String {
    let what = match hundredths(transfer) {
        0 => "later documents cost earlier ones nothing".to_string(),
        n if n < 0 => {
            format!("later documents cost earlier ones {}", count(n.unsigned_abs() as usize, "point"))
        }
        n => format!("later documents helped earlier ones by {}", count(n.unsigned_abs() as usize, "point")),
    };
    format!("{what} (backward transfer {transfer:+.3})")
}

fn serves(servers: &[ServingView], times: Times, page: &mut Page<'_>, look: &Look) {
    for (i, server) in servers.iter().enumerate() {
        let label = if i == 0 { "Serves" } else { "" };
        let style = if server.error.is_some() { Style::new().red() } else { Style::new() };
        page.field(label, &look.hints(&serving_words(server, times)), &style);
    }
}

/// Each in full: what is wrong and what to do about it is what this page is read for.
fn problems(status: &StatusView, page: &mut Page<'_>, look: &Look) {
    // What stands under "Held" is not said twice.
    let told = match &status.held {
        Some(Held::Trouble { reason, .. }) => Some(reason),
        _ => None,
    };
    for (i, problem) in status.problems.iter().filter(|problem| Some(*problem) != told).enumerate() {
        if i == 0 {
            page.blank();
        }
        page.field(
            if i == 0 { "Problems" } else { "" },
            &look.hints(&one_line(problem)),
            &Style::new().red(),
        );
    }
}
