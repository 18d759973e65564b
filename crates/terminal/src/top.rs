//! The full screen of `sealctl top`: what is shown, and how it is drawn.

use std::cell::Cell;
use std::collections::VecDeque;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, List, ListState, Paragraph};

use super::look::{Look, one_line};
use super::page::Page;
use super::status::{doing_words, held_words, share_words, steps, under_way_words, waiting_words};
use super::times::Times;
use super::words::{count, percent};
use super::{documents, heatmap, story};
use seald_core::protocol::{DocumentLine, DocumentView, ForgettingView, StatusView};

/// Lines of events that are remembered.
const EVENTS: usize = 200;
/// Columns of a cell of the strip: a shade and three digits.
const SHADE: usize = 4;
/// What the keys do.
const KEYS: &[(&str, &str)] = &[
    ("up, down, page up, page down", "choose a document; in a story: move through it"),
    ("enter", "the story of the chosen document; back"),
    ("p", "pause learning after the step under way, or resume it"),
    ("?", "these keys"),
    ("esc", "back; from the first screen: quit"),
    ("q, ctrl-c", "quit; learning goes on"),
];

/// What is shown in the place of the whole screen.
#[derive(Debug)]
enum Over {
    /// What the keys do.
    Keys,
    /// The story of a document, and the first line of it that is shown.
    Story(Box<DocumentView>, Cell<u16>),
}

/// What the screen shows.
#[derive(Debug, Default)]
pub struct Top {
    /// The daemon at a glance; none before it has answered.
    pub status: Option<StatusView>,
    /// Documents, newest first.
    pub documents: Vec<DocumentLine>,
    /// What each generation knows.
    pub forgetting: ForgettingView,
    /// Why the daemon cannot be reached, or refused something.
    pub trouble: Option<String>,
    events: VecDeque<String>,
    selected: usize,
    over: Option<Over>,
}

impl Top {
    /// Adds lines to the events, the newest last.
    pub fn tell(&mut self, lines: impl IntoIterator<Item = String>) {
        self.events.extend(lines);
        let over = self.events.len().saturating_sub(EVENTS);
        self.events.drain(..over);
    }

    /// Shows what the keys do.
    pub fn show_keys(&mut self) {
        self.over = Some(Over::Keys);
    }

    /// Shows the story of a document.
    pub fn tell_story(&mut self, view: DocumentView) {
        self.over = Some(Over::Story(Box::new(view), Cell::new(0)));
    }

    /// Goes back to the first screen; false where that is shown.
    pub fn back(&mut self) -> bool {
        self.over.take().is_some()
    }

    /// Moves the mark in the list of documents, or through the story that is shown.
    pub fn step(&mut self, by: isize) {
        if let Some(Over::Story(_, first)) = &self.over {
            let by = i16::try_from(by).unwrap_or_default();
            first.set(first.get().saturating_add_signed(by));
            return;
        }
        let last = self.documents.len().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(by).min(last);
    }

    /// The number of the marked document.
    pub fn selected(&self) -> usize {
        self.selected.min(self.documents.len().saturating_sub(1))
    }

    /// Whether somebody paused it.
    pub fn paused(&self) -> bool {
        let held = self.status.as_ref().and_then(|status| status.held.as_ref());
        matches!(held, Some(seald_core::protocol::Held::Paused { .. }))
    }
}

/// Draws the whole screen.
pub fn draw(frame: &mut Frame<'_>, top: &Top, times: Times, look: &Look) {
    let area = frame.area();
    let painter = Painter { top, times, look };
    if let Some(over) = &top.over {
        painter.over(frame, area, over);
        return;
    }
    let strip = if area.height >= 16 && !top.forgetting.columns.is_empty() { 3 } else { 0 };
    // The list has the room that it needs, and events what it leaves, but a quarter of a large screen at least.
    let room = area.height.saturating_sub(HEAD + NOW + strip + 1);
    let told = if top.events.is_empty() { 0 } else { rows_of(top.events.len()) };
    let quarter = if area.height >= 20 { area.height / 4 } else { 0 };
    let events = if area.height >= 20 {
        told.min(room.saturating_sub(rows_of(top.documents.len())).max(quarter))
    } else {
        0
    };
    let rows = [
        Constraint::Length(HEAD),
        Constraint::Length(NOW),
        Constraint::Min(3),
        Constraint::Length(strip),
        Constraint::Length(events),
        Constraint::Length(1),
    ];
    let [head, current, list, heat, log, keys] = Layout::vertical(rows).areas(area);
    painter.head(frame, head);
    painter.current(frame, current);
    painter.documents(frame, list);
    painter.strip(frame, heat);
    painter.events(frame, log);
    painter.keys(frame, keys);
}

/// Lines of the head, and of what is being done.
const HEAD: u16 = 2;
const NOW: u16 = 3;

/// Lines of a block with so many rows: its title is one more.
fn rows_of(n: usize) -> u16 {
    u16::try_from(n + 1).unwrap_or(u16::MAX)
}

struct Painter<'a> {
    top: &'a Top,
    times: Times,
    look: &'a Look,
}

impl Painter<'_> {
    fn style(&self, colour: Color) -> Style {
        if self.look.colour { Style::new().fg(colour) } else { Style::new() }
    }

    fn block(&self, title: &str) -> Block<'static> {
        let set = self.look.sign(ratatui::symbols::border::PLAIN, ASCII);
        Block::new().borders(Borders::TOP).border_set(set).title(format!(" {title} "))
    }

    fn head(&self, frame: &mut Frame<'_>, area: Rect) {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let Some(status) = &self.top.status else {
            frame.render_widget(Line::styled("seald: waiting for the daemon", bold), area);
            return;
        };
        let live = status.knowledge.live.as_deref().map_or_else(|| "the base".to_string(), one_line);
        let now = status
            .knowledge
            .now
            .as_ref()
            .map_or_else(String::new, |now| format!(", {} right", share_words(now)));
        let first = format!(
            "seald {}  {}  up {}",
            one_line(&status.version),
            one_line(&status.root),
            self.times.lasted(status.started_at)
        );
        let counts = &status.documents;
        let waits = waiting_words(status).unwrap_or_else(|| "none waits".to_string());
        let second = format!(
            "{live} is live{now}; {} learned, {} rejected, {} failed; {waits}",
            counts.learned, counts.rejected, counts.failed
        );
        let cut = |words: &str| self.look.cut(words, usize::from(area.width));
        let lines = vec![Line::styled(cut(&first), bold), Line::raw(cut(&second))];
        frame.render_widget(Paragraph::new(lines), area);
    }

    /// What takes the place of the whole screen, and how to come back.
    fn over(&self, frame: &mut Frame<'_>, area: Rect, over: &Over) {
        let [page, keys] = Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(area);
        let look = Look { width: usize::from(area.width), colour: false, ..*self.look };
        let (text, wanted, words) = match over {
            Over::Keys => (keys_page(&look), &Cell::new(0), "enter or esc: back   q quit"),
            Over::Story(view, first) => {
                (story::render(view, self.times, &look), first, "arrows move   enter or esc: back   q quit")
            }
        };
        // Nobody moves beyond the end; only here it is known where that is.
        let last = u16::try_from(text.lines().count()).unwrap_or(u16::MAX).saturating_sub(page.height);
        wanted.set(wanted.get().min(last));
        frame.render_widget(Paragraph::new(text).scroll((wanted.get(), 0)), page);
        frame.render_widget(Line::raw(look.cut(words, look.width)), keys);
    }

    fn current(&self, frame: &mut Frame<'_>, area: Rect) {
        let block = self.block("now");
        let inner = block.inner(area);
        frame.render_widget(block, area);
        let [words, bar] = Layout::vertical([Constraint::Length(1), Constraint::Length(1)]).areas(inner);
        let Some(status) = &self.top.status else { return };
        let cut = |words: &str| self.look.cut(words, usize::from(area.width));
        frame.render_widget(Line::raw(cut(&doing_words(status, self.times))), words);
        if let Some(trial) = status.activity.trial() {
            let words = steps(trial, usize::from(area.width), self.look);
            frame.render_widget(Line::styled(words, self.style(Color::Cyan)), bar);
        } else if let Some(work) = &status.work {
            frame.render_widget(
                Line::styled(cut(&under_way_words(status, work)), self.style(Color::Cyan)),
                bar,
            );
        } else if let Some(held) = &status.held {
            let words = cut(&self.look.hints(&format!("held: {}", held_words(held, self.times))));
            frame.render_widget(Line::styled(words, self.style(Color::Yellow)), bar);
        } else if let Some(problem) = status.problems.first() {
            frame.render_widget(
                Line::styled(cut(&self.look.hints(&one_line(problem))), self.style(Color::Red)),
                bar,
            );
        }
    }

    fn documents(&self, frame: &mut Frame<'_>, area: Rect) {
        let width = usize::from(area.width).saturating_sub(2).max(1);
        let look = Look { width, colour: false, ..*self.look };
        let total = self.top.status.as_ref().map_or(0, |status| {
            let counts = &status.documents;
            counts.waiting + counts.learned + counts.rejected + counts.failed
        });
        let shown = self.top.documents.len();
        let title = if shown < total {
            format!("the newest {shown} of {}", count(total, "document"))
        } else {
            "documents".into()
        };
        let lines = documents::lines(&self.top.documents, self.times, &look);
        let list = List::new(lines)
            .block(self.block(&title))
            .highlight_symbol(self.look.sign("▸ ", "> "))
            .highlight_style(Style::new().add_modifier(Modifier::BOLD));
        let selected = (shown > 0).then(|| self.top.selected());
        frame.render_stateful_widget(list, area, &mut ListState::default().with_selected(selected));
    }

    fn strip(&self, frame: &mut Frame<'_>, area: Rect) {
        let shares = heatmap::newest(&self.top.forgetting);
        let room = (usize::from(area.width) / SHADE).max(1);
        let hidden = shares.len().saturating_sub(room);
        let last = self.top.forgetting.measures.accuracy;
        let mean = last.map_or_else(String::new, |share| format!(", {} on average", percent(share)));
        let title = format!("what is left of each document, oldest first, % right{mean}");
        let block = self.block(&title);
        let inner = block.inner(area);
        frame.render_widget(block, area);
        let cells = shares[hidden..].iter().map(|share| self.cell(*share));
        let all = count(shares.len(), "document");
        let legend = if hidden > 0 { format!("the newest {room} of {all}") } else { all };
        frame.render_widget(Paragraph::new(vec![Line::from_iter(cells), Line::raw(legend)]), inner);
    }

    fn cell(&self, share: Option<f64>) -> Span<'static> {
        let Some(share) = share else { return Span::raw(self.look.sign("  · ", "  . ")) };
        let hundredths = super::words::hundredths(share);
        if self.look.colour {
            let (ground, letters) = heatmap::ground(share);
            let style = Style::new().bg(Color::Indexed(ground)).fg(Color::Indexed(letters));
            Span::styled(format!("{hundredths:>3} "), style)
        } else {
            Span::raw(format!("{}{hundredths:>3}", heatmap::shade(share, self.look)))
        }
    }

    fn events(&self, frame: &mut Frame<'_>, area: Rect) {
        let rows = usize::from(area.height.saturating_sub(1));
        let first = self.top.events.len().saturating_sub(rows);
        let lines: Vec<_> = self.top.events.iter().skip(first).map(|line| Line::raw(line.clone())).collect();
        frame.render_widget(Paragraph::new(lines).block(self.block("events")), area);
    }

    fn keys(&self, frame: &mut Frame<'_>, area: Rect) {
        let line = match &self.top.trouble {
            Some(trouble) => {
                let words = self.look.cut(&one_line(trouble), usize::from(area.width));
                Line::styled(words, self.style(Color::Red))
            }
            None => {
                let pause = if self.top.paused() { "p resume" } else { "p pause" };
                let words = format!("q quit   ? keys   {pause}   arrows choose   enter its story");
                Line::raw(self.look.cut(&words, usize::from(area.width)))
            }
        };
        frame.render_widget(line, area);
    }
}

/// What the keys do, as a page.
fn keys_page(look: &Look) -> String {
    let mut page = Page::new(look);
    for (keys, what) in KEYS {
        page.words(keys, 0, &console::Style::new());
        page.words(what, 4, &console::Style::new());
    }
    page.text()
}

/// Borders of letters.
const ASCII: ratatui::symbols::border::Set<'static> = ratatui::symbols::border::Set {
    top_left: "-",
    top_right: "-",
    bottom_left: "-",
    bottom_right: "-",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};
