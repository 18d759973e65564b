//! The daemon at a glance, on one screen: what it does, what it knows, what it forgot, what comes next.

use console::Style;

use super::look::{Look, columns, one_line};
use super::page::Page;
use super::times::Times;
use super::words::{about, bytes, count, hundredths, kind_words, percent, stage_words, work_words};
use seald_core::protocol::{
    Activity, Calibrating, Fading, Held, KnowledgeView, Learning, ServingView, Share, StatusView, Tending,
    TrialProgress,
};

/// Columns of the bar of steps.
const BAR: usize = 24;
/// Lines of each that fit the screen beside the rest.
const MOST_FADING: usize = 2;
const MOST_RUNS: usize = 2;
const MOST_PROBLEMS: usize = 2;
/// Columns of a problem or a trouble, about two lines; `doctor` has the whole text.
const PROBLEM: usize = 130;

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
        page.field("Unread", &words, &Style::new().yellow());
    }
    page.blank();
    knows(&status.knowledge, times, &mut page);
    forgot(&status.knowledge, &mut page, look);
    page.blank();
    // What servers there are takes their room.
    let runs = if status.serve_to.is_empty() { MOST_RUNS } else { 1 };
    for (i, run) in status.next.iter().take(runs).enumerate() {
        let last =
            run.last.map_or_else(|| "never before".to_string(), |at| format!("last {}", times.ago(at)));
        let what = one_line(&run.what);
        let words = format!("{what} {} ({}), {last}", times.until(run.at), times.clock(run.at));
        page.cut_field(if i == 0 { "Next" } else { "" }, &words, &plain);
    }
    if status.next.is_empty() {
        page.field("Next", "nothing is scheduled", &dim);
    }
    let model = &status.model;
    let loaded = if model.loaded { "in memory" } else { "not in memory" };
    let words = format!("{}, {loaded}; {} in use", one_line(&model.name), bytes(model.resident_bytes));
    page.cut_field("Model", &words, &plain);
    serves(&status.serve_to, times, &mut page);
    problems(&status.problems, &mut page, look);
    page.text()
}

/// What is being done, in one sentence.
pub fn doing_words(status: &StatusView, times: Times) -> String {
    match &status.activity {
        Activity::Idle if status.held.is_some() => "nothing now".to_string(),
        Activity::Idle if status.documents.waiting > 0 => "about to begin".to_string(),
        Activity::Idle => "nothing: all documents are done".to_string(),
        Activity::Opening => "opening the base model".to_string(),
        Activity::Calibrating(Calibrating { since, seconds, .. }) => {
            let of = seconds.map_or_else(String::new, |seconds| format!(" of about {}", about(seconds)));
            format!("calibrating the model, once, for {}{of}", times.lasted(*since))
        }
        Activity::Learning(Learning { title, stage, since, .. }) => {
            format!("{}, for {}: {}", stage_words(*stage), times.lasted(*since), one_line(title))
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
    let full = (step * BAR).checked_div(*steps).unwrap_or(0).min(BAR);
    let (done, left) = look.sign(("━", "─"), ("=", "-"));
    let bar = done.repeat(full) + &left.repeat(BAR - full);
    let words = format!("{bar}  {step}/{steps}  loss {loss:.2}  {}", one_line(name));
    if columns(&words) > width && width < BAR * 2 {
        return look.cut(&format!("{step}/{steps}  loss {loss:.2}  {}", one_line(name)), width);
    }
    look.cut(&words, width)
}

/// `75 % of 48 questions (61-85)`.
pub fn share_words(share: &Share) -> String {
    let Share { share, low, high, asked, .. } = *share;
    format!("{} of {} ({}-{})", percent(share), count(asked, "question"), hundredths(low), hundredths(high))
}

fn doing(status: &StatusView, times: Times, page: &mut Page<'_>, look: &Look) {
    page.cut_field("Does", &doing_words(status, times), &Style::new());
    if let Some(trial) = status.activity.trial() {
        let room = look.width.saturating_sub("Forgot     ".len());
        page.cut_field("", &steps(trial, room, look), &Style::new().cyan());
    } else if let Some(work) = &status.work {
        page.cut_field("", &work_words(work), &Style::new().cyan());
    }
    if let Some(held) = &status.held {
        let style = match held {
            Held::Trouble { .. } => Style::new().red(),
            _ => Style::new().yellow(),
        };
        page.field("Held", &look.cut(&held_words(held, times), PROBLEM), &style);
    }
}

fn waits(status: &StatusView) -> String {
    let counts = &status.documents;
    let (accepted, rejected, failed) = (counts.accepted, counts.rejected, counts.failed);
    let waiting = match counts.waiting {
        0 => "nothing".to_string(),
        n => count(n, "document"),
    };
    format!("{waiting}; so far {accepted} learned, {rejected} turned away, {failed} failed")
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
        page.cut_field("", &format!("{} right now", share_words(now)), &Style::new().green());
    } else if knowledge.live.is_some() {
        page.cut_field("", "nothing was asked yet", &Style::new().dim());
    }
    if let Some(base) = &knowledge.base {
        page.cut_field("", &format!("{} right by the base model", share_words(base)), &Style::new().dim());
    }
}

fn forgot(knowledge: &KnowledgeView, page: &mut Page<'_>, look: &Look) {
    let fading = &knowledge.fading;
    if fading.is_empty() {
        page.field("Forgot", "nothing that was asked about", &Style::new());
    }
    for (i, Fading { title, was_right, right, asked }) in fading.iter().take(MOST_FADING).enumerate() {
        let label = if i == 0 { "Forgot" } else { "" };
        let arrow = look.sign("→", "->");
        let words = format!("{was_right} {arrow} {right} of {asked} right: {}", one_line(title));
        page.cut_field(label, &words, &Style::new().yellow());
    }
    if fading.len() > MOST_FADING {
        let more = fading.len() - MOST_FADING;
        page.field("", &format!("and {more} more: see `sealctl forgetting`"), &Style::new().dim());
    }
    if let Some(transfer) = knowledge.backward_transfer {
        page.cut_field("", &transfer_words(transfer), &Style::new().dim());
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
    format!("backward transfer {transfer:+.3}: {what}")
}

fn serves(servers: &[ServingView], times: Times, page: &mut Page<'_>) {
    for (i, server) in servers.iter().enumerate() {
        let label = if i == 0 { "Serves" } else { "" };
        let style = if server.error.is_some() { Style::new().red() } else { Style::new() };
        page.cut_field(label, &serving_words(server, times), &style);
    }
}

fn problems(problems: &[String], page: &mut Page<'_>, look: &Look) {
    if problems.is_empty() {
        return;
    }
    page.blank();
    for (i, problem) in problems.iter().take(MOST_PROBLEMS).enumerate() {
        let words = look.cut(&one_line(problem), PROBLEM);
        page.field(if i == 0 { "Problems" } else { "" }, &words, &Style::new().red());
    }
    if problems.len() > MOST_PROBLEMS {
        let words = format!("and {} more: see `sealctl doctor`", problems.len() - MOST_PROBLEMS);
        page.field("", &words, &Style::new().red());
    }
}
