//! Who writes self-edits, the rounds, and what changed in one of them.

use console::Style;

use super::edits::directive_words;
use super::look::{Look, one_line};
use super::page::Page;
use super::times::Times;
use super::words::{count, percent, probable_words};
use seald_core::domain::document::DocumentState;
use seald_core::domain::writer::Examined;
use seald_core::protocol::{RoundStory, RoundView, Tally, WriterChoice, WriterText, WriterView};

/// Rounds that are shown; `--json` has more.
const MOST: usize = 10;
/// Columns of a share with its reward.
const NUMBERS: usize = 13;
/// Columns of the longest choice, and of the shortest place for it.
const WHAT: (usize, usize) = (18, 11);

/// The page.
pub fn render(view: &WriterView, times: Times, look: &Look) -> String {
    let mut page = Page::new(look);
    let plain = Style::new();
    match (&view.writer, view.since) {
        (Some(writer), Some(since)) => {
            let words = format!(
                "{} since {}, trained on the best texts about {}",
                one_line(writer),
                times.clock(since),
                count(view.documents.len(), "document")
            );
            page.field("Writes", &words, &plain);
        }
        _ => page.field("Writes", "the base model, untrained", &plain),
    }
    if view.rounds.is_empty() {
        let words = look.hints("No round was begun yet: `sealctl train-writer` begins one.");
        page.words(&words, 0, &Style::new().dim());
        return page.text();
    }
    let told = view.told.as_ref().map(|told| told.number);
    let shown = view.rounds.iter().enumerate().filter(|(i, round)| *i < MOST || told == Some(round.number));
    let mut hidden = view.total;
    for (_, round) in shown {
        page.blank();
        one(round, times, &mut page, look);
        hidden = hidden.saturating_sub(1);
    }
    if hidden > 0 {
        page.words(&format!("{} not shown.", count(hidden, "earlier round")), 0, &Style::new().dim());
    }
    if let Some(story) = &view.told {
        changes(story, &mut page, look);
        examples(story, &mut page);
    }
    page.text()
}

/// A round with its numbers and reasons.
fn one(round: &RoundView, times: Times, page: &mut Page<'_>, look: &Look) {
    let RoundView { number, reason, present, winners, steps, examined, writer, ended_at, .. } = round;
    let state = match (ended_at, writer) {
        (None, _) => DocumentState::Waiting,
        (Some(_), Some(_)) => DocumentState::Learned,
        (Some(_), None) => DocumentState::Rejected,
    };
    let (sign, style) = look.verdict(state);
    let what = match (ended_at, writer) {
        (None, _) => "under way".to_string(),
        (Some(_), Some(writer)) => format!("{} writes", one_line(writer)),
        (Some(_), None) => {
            let present = present.as_deref().map_or_else(|| "the base".to_string(), one_line);
            format!("{present} stays")
        }
    };
    let when = ended_at.map_or_else(String::new, |at| format!(", {}", times.clock(at)));
    page.ends(&format!("Round {number}{when}"), &Style::new().bold(), &format!("{sign} {what}"), &style);
    let words = format!(
        "on the best texts about {}, {}; {}",
        count(*winners, "document"),
        count(*steps, "step"),
        one_line(reason)
    );
    page.field("Trained", &words, &Style::new());
    if let Some(examined) = examined {
        verdict(examined, page, look);
    }
}

/// How the new writer did beside the present one.
fn verdict(examined: &Examined, page: &mut Page<'_>, look: &Look) {
    let Examined { documents, reward_before, reward_after, .. } = examined;
    let Examined { diversity_before, diversity_after, reasons, .. } = examined;
    let words = format!(
        "on {}, the present one's texts made right answers {}, its own {}",
        count(*documents, "document"),
        probable_words(*reward_before),
        probable_words(*reward_after)
    );
    page.field("Taught", &words, &Style::new());
    let (before, after) = (percent(*diversity_before), percent(*diversity_after));
    let words = format!("{before} {} {after} of the pairs of words differ", look.sign("→", "->"));
    page.field("Variety", &words, &Style::new());
    for (i, reason) in reasons.iter().enumerate() {
        page.field(if i == 0 { "Verdict" } else { "" }, &one_line(reason), &Style::new().dim());
    }
}

/// What both writers chose, side by side.
fn changes(story: &RoundStory, page: &mut Page<'_>, look: &Look) {
    let RoundStory { number, present_discarded, new_discarded, formats, learning_rates, epochs, .. } = story;
    page.blank();
    page.words(&format!("What changed in round {number}"), 0, &Style::new().bold());
    let what = look.width.saturating_sub(2 * NUMBERS + 2).clamp(WHAT.1, WHAT.0);
    let row = |what_words: &str, present: &str, new: &str| {
        format!("  {}{present:>NUMBERS$}{new:>NUMBERS$}", look.fit(what_words, what))
    };
    let words = "How many of the texts, and how many times more probable they made right answers:";
    page.words(words, 2, &Style::new().dim());
    page.line(look.paint(Style::new().dim(), &row("", "present", "new")));
    for (head, choices) in [("Form", formats), ("Learning rate", learning_rates), ("Epochs", epochs)] {
        page.line(head);
        for WriterChoice { what, present, new, present_reward, new_reward } in choices {
            let words = one_line(what).replace('_', " ");
            page.line(row(&words, &numbers(*present, *present_reward), &numbers(*new, *new_reward)));
        }
    }
    let share = |tally: &Tally| tally.rate().map_or_else(|| "-".to_string(), percent);
    page.line(row("discarded", &share(present_discarded), &share(new_discarded)));
}

/// `20 %   1.5`.
fn numbers(tally: Tally, reward: Option<f64>) -> String {
    let share = tally.rate().map_or_else(|| "-".to_string(), percent);
    format!("{share} {:>6}", reward.map(times).unwrap_or_default())
}

/// How many times more probable something became by so many nats: `1.5`, below 1 where it became less so, `10^-5`.
fn times(nats: f64) -> String {
    match nats.abs() {
        size if size.is_nan() => "-".to_string(),
        ..2.3 => format!("{:.1}", nats.exp()),
        ..6.9 if nats > 0.0 => format!("{:.0}", nats.exp()),
        ..4.6 => format!("{:.2}", nats.exp()),
        _ => format!("10^{:.0}", nats / std::f64::consts::LN_10),
    }
}

/// What both wrote at best about the same documents.
fn examples(story: &RoundStory, page: &mut Page<'_>) {
    for example in &story.examples {
        page.blank();
        let words = format!("{} (document {})", one_line(&example.title), example.document);
        page.words(&words, 0, &Style::new().bold());
        for (whose, text) in [("present", &example.present), ("new", &example.new)] {
            match text {
                Some(text) => written(whose, text, page),
                None => page.words(&format!("The {whose} writer wrote nothing."), 0, &Style::new().dim()),
            }
        }
    }
}

fn written(whose: &str, text: &WriterText, page: &mut Page<'_>) {
    let WriterText { directive, text, reward, discarded } = text;
    let how = directive_words(directive);
    let earned = match discarded {
        Some(why) => format!("discarded: {}", one_line(why)),
        None => format!("it made right answers {}", probable_words(*reward)),
    };
    page.words(&format!("The {whose} writer's best, {how}; {earned}"), 0, &Style::new().dim());
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        page.words(&one_line(line), 2, &Style::new());
    }
}
