//! Generations.

use console::Style;

use super::look::{Look, columns, one_line};
use super::page::Page;
use super::times::Times;
use super::words::{bytes, count};
use seald_core::domain::generation::Origin;
use seald_core::protocol::{AdaptersView, GenerationView};

/// Generations that are shown; `--json` has them all.
const MOST: usize = 50;

/// Every generation, newest first.
pub fn render(view: &AdaptersView, times: Times, look: &Look) -> String {
    let mut page = Page::new(look);
    if view.generations.is_empty() {
        page.words("No document was learned yet: the base model answers.", 0, &Style::new());
        return page.text();
    }
    let shown = &view.generations[..view.generations.len().min(MOST)];
    let name = shown.iter().map(|g| columns(&one_line(&g.name))).max().unwrap_or(0);
    let size = |g: &GenerationView| g.bytes.map_or_else(|| "no files".to_string(), bytes);
    let width = shown.iter().map(|g| columns(&size(g))).max().unwrap_or(0);
    for generation in shown {
        let (mark, style) = mark(generation, look);
        let what = what(generation);
        let came = times.clock(generation.created_at);
        let head = format!(
            "{mark} {}  {:>width$}  {came}  ",
            look.fit(&one_line(&generation.name), name),
            size(generation)
        );
        let room = look.width.saturating_sub(columns(&head));
        if room >= 20 {
            page.line(look.paint(style, &format!("{head}{}", look.cut(&what, room))));
        } else {
            page.line(look.paint(style, head.trim_end()));
            let room = look.width.saturating_sub(4);
            page.line(format!("    {}", look.cut(&what, room)));
        }
    }
    page.blank();
    let words = match &view.live {
        Some(live) => format!("{} is live.", one_line(live)),
        None => "No generation is live: the base model answers.".to_string(),
    };
    let hidden = view.generations.len() - shown.len();
    let more = if hidden > 0 {
        format!(" {} not shown (--json has them all).", count(hidden, "earlier generation"))
    } else {
        String::new()
    };
    let gone = shown.iter().any(|g| !g.in_live_chain);
    let legend = if gone { " Dimmed: the live model does not contain it." } else { "" };
    page.words(
        &look.hints(&format!("{words}{more}{legend} `sealctl rollback GEN` makes another one live.")),
        0,
        &Style::new().dim(),
    );
    page.text()
}

/// What it learned, or how else it came to be.
fn what(generation: &GenerationView) -> String {
    let made = how(generation);
    match &generation.other_base {
        Some(model) => format!("{made} (on {})", one_line(model)),
        None => made,
    }
}

fn how(generation: &GenerationView) -> String {
    match (generation.origin, &generation.parent) {
        (Origin::Consolidated, Some(parent)) => format!("trained anew, in the place of {}", one_line(parent)),
        (Origin::Consolidated, None) => "trained anew".to_string(),
        (Origin::Learned, _) => {
            let titles: Vec<_> = generation.documents.iter().map(|title| one_line(title)).collect();
            titles.join(", ")
        }
    }
}

fn mark(generation: &GenerationView, look: &Look) -> (&'static str, Style) {
    match (generation.live, generation.in_live_chain) {
        (true, _) => (look.sign("●", "*"), Style::new().green()),
        (false, true) => (look.sign("│", "|"), Style::new()),
        (false, false) => (look.sign("╌", "-"), Style::new().dim()),
    }
}
