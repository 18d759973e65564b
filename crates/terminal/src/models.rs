//! Base models: the one in use, those before it, and what a change to another does.

use console::Style;

use super::calibration;
use super::look::{Look, one_line};
use super::page::Page;
use super::times::Times;
use super::words::{bytes, count, grouped, rough};
use seald_core::protocol::{BaseModelView, LineageView, ModelsView, UseModelView};

/// Names of models that are shown.
const MAX_NAMES: usize = 12;

/// The models that can answer, and the base models that were used here.
pub fn render(view: &ModelsView, times: Times, look: &Look) -> String {
    let (plain, dim) = (Style::new(), Style::new().dim());
    let mut page = Page::new(look);
    let loaded = if view.loaded { "in memory" } else { "not in memory" };
    page.field("Base", &format!("{}, {loaded}", one_line(&view.base)), &plain);
    if let Some(parameters) = view.parameters {
        page.field("Size", &format!("{} parameters", rough(parameters)), &plain);
    }
    if let Some(context) = view.context {
        page.field("Context", &format!("{} tokens", grouped(context as u64)), &plain);
    }
    page.field("Calibrated", &calibrated(view, times), &plain);
    let names: Vec<_> = view.names.iter().take(MAX_NAMES).map(|name| one_line(name)).collect();
    page.field("Answers", &names.join(", "), &plain);
    if view.names.len() > MAX_NAMES {
        let words = format!("and {} more (--json has them all)", view.names.len() - MAX_NAMES);
        page.field("", &words, &dim);
    }
    let earlier: Vec<_> = view.lineages.iter().filter(|lineage| lineage.left_at.is_some()).collect();
    for (place, lineage) in earlier.iter().rev().enumerate() {
        let label = if place == 0 { "Before" } else { "" };
        page.field(label, &before(lineage, times), &plain);
    }
    for (place, name) in view.fetched.iter().enumerate() {
        let label = if place == 0 { "Fetched" } else { "" };
        page.field(label, &one_line(name), &plain);
    }
    page.blank();
    let words = "`sealctl models pull ORG/NAME` fetches another base model, `sealctl models use MODEL` changes over to one.";
    page.words(&look.hints(words), 0, &dim);
    page.text()
}

fn calibrated(view: &ModelsView, times: Times) -> String {
    match &view.calibration {
        Some(made) => format!("{}: {}", times.clock(made.made_at), calibration::line(made)),
        None if view.base == "nano" => calibration::NANO.into(),
        None => calibration::NOT_YET.into(),
    }
}

fn before(lineage: &LineageView, times: Times) -> String {
    let until = lineage.left_at.map_or_else(String::new, |at| format!(", until {}", times.clock(at)));
    let live =
        lineage.live.as_ref().map_or_else(String::new, |live| format!(", {} answered", one_line(live)));
    let learned = count(lineage.generations, "generation");
    format!("{}: {learned}{live}{until}", one_line(&lineage.model))
}

/// A model that is looked at before it is used, and what the change does.
pub fn change(view: &UseModelView, look: &Look) -> String {
    let plain = Style::new();
    let BaseModelView { model, architecture, parameters, context, bytes: size, chat, licence } = &view.model;
    let mut page = Page::new(look);
    page.field("Model", &one_line(model), &plain);
    let size =
        format!("{} parameters, {}, {} family", rough(*parameters), bytes(*size), one_line(architecture));
    page.field("Size", &size, &plain);
    page.field("Context", &format!("{} tokens", grouped(*context as u64)), &plain);
    let licence = licence.as_ref().map_or_else(|| "its files do not say".to_string(), |text| one_line(text));
    page.field("Licence", &licence, &plain);
    if !chat {
        page.field("Chat", "none: a base model without a chat template, which answers worse", &plain);
    }
    page.blank();
    page.words(&consequences(view), 0, &plain);
    page.text()
}

/// What becomes of what was learned.
fn consequences(view: &UseModelView) -> String {
    let from = one_line(&view.from);
    if view.same {
        return format!(
            "The weights are those of {from}, which is used now: only the place where they are read changes."
        );
    }
    let mut words = format!(
        "Now {from} is used. What was learned on it stays on disk, and answers again when it is used again."
    );
    match &view.live {
        Some(live) => {
            words += &format!(" The model answers as {}, as when it was last used.", one_line(live))
        }
        None => words += " The model begins without anything learned.",
    }
    if view.learned_again > 0 {
        words +=
            &format!(" {} will be learned again, in the background.", count(view.learned_again, "document"));
    }
    words
}
