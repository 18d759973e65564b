//! The documents as a table: one line each, or two where the terminal is narrow, and beneath it why not.

use console::Style;
use seald_core::domain::document::DocumentState;
use seald_core::protocol::{Accuracies, DocumentReport, OnceReport, Share, Tally};
use seald_terminal::words::{duration, grouped, hundredths};
use seald_terminal::{Look, columns, one_line};

/// Heads of the columns of figures.
const FIGURES: [&str; 5] = ["questions", "base", "in context", "before", "after"];
/// Blanks between columns.
const GAP: usize = 2;
/// Columns of a name that make one line of a document worth it.
const NAME: usize = 20;
/// Blanks before what stands beneath a name.
const INDENT: usize = 4;
/// Longer lines of words tire the eye.
const WORDS: usize = 100;

/// One document, or the head, ready to be laid out.
struct Row {
    name: String,
    figures: [String; 5],
    verdict: String,
    style: Style,
    time: String,
    reasons: Vec<String>,
}

/// How documents are laid out.
enum Layout {
    OneLine(Widths),
    TwoLines(Widths),
}

/// Widths of the columns, in terminal columns.
struct Widths {
    name: usize,
    figures: [usize; 5],
    verdict: usize,
    time: usize,
}

/// The table, what its columns mean, and a line that sums up.
pub(crate) fn render(report: &OnceReport, look: &Look) -> String {
    let (bold, dim) = (Style::new().bold(), Style::new().dim());
    let mut text = String::new();
    if !report.documents.is_empty() {
        let mut rows = vec![head()];
        rows.extend(report.documents.iter().map(|document| row(document, &report.documents, look)));
        let layout = layout(&rows, look);
        for (i, row) in rows.iter().enumerate() {
            for line in lay_out(row, &layout, look) {
                push(&mut text, if i == 0 { look.paint(bold.clone(), line.trim_end()) } else { line });
            }
            row.reasons.iter().for_each(|reason| push(&mut text, look.wrapped(reason, INDENT)));
        }
        text.push('\n');
        let measured = report.documents.iter().any(|d| d.accuracies != Accuracies::default());
        let legend = "Accuracy: the share of the questions kept for the test that is answered right (95 % interval), by \
                      the base model, by the model with the document in sight, and without it before and after learning.";
        let again = "What was rejected or failed earlier is learned again with --retry, or when other questions come with it.";
        let notes = [(measured, legend), (report.documents.iter().any(stays), again)];
        for note in notes.into_iter().filter_map(|(said, note)| said.then_some(note)) {
            for line in look.wrapped(note, 0).lines() {
                push(&mut text, look.paint(dim.clone(), line));
            }
            text.push('\n');
        }
    }
    for line in look.wrapped(&summary(report), 0).lines() {
        push(&mut text, look.paint(bold.clone(), line));
    }
    push(&mut text, live(report));
    text
}

/// Known, and not learned.
fn stays(document: &DocumentReport) -> bool {
    document.known && matches!(document.verdict, DocumentState::Rejected | DocumentState::Failed)
}

fn head() -> Row {
    Row {
        name: "document".into(),
        figures: FIGURES.map(String::from),
        verdict: "verdict".into(),
        style: Style::new(),
        time: "time".into(),
        reasons: vec![],
    }
}

fn push(text: &mut String, line: String) {
    text.push_str(line.trim_end());
    text.push('\n');
}

fn row(document: &DocumentReport, all: &[DocumentReport], look: &Look) -> Row {
    let DocumentReport { verdict, reasons, probes, accuracies, seconds, known, .. } = document;
    let (sign, style) = look.verdict(*verdict);
    Row {
        name: name(document, all),
        figures: [
            format!("{:>9}", grouped(*probes as u64)),
            accuracy(accuracies.baseline),
            accuracy(accuracies.in_context),
            // What was never judged has nothing beside it: its questions are those that were not known.
            accuracy(accuracies.adapter.and(accuracies.before)),
            accuracy(accuracies.adapter),
        ],
        verdict: format!("{sign} {}", verdict),
        style,
        time: if *known { "earlier".into() } else { duration(*seconds) },
        reasons: reasons.iter().map(|reason| one_line(reason)).collect(),
    }
}

/// The title, unless there is none or another document has it too.
fn name(document: &DocumentReport, all: &[DocumentReport]) -> String {
    let title = one_line(&document.title);
    let once = all.iter().filter(|other| one_line(&other.title) == title).count() == 1;
    if once && !title.is_empty() { title } else { one_line(&document.path) }
}

/// ` 63 % (41-81)`; `-` if it was not measured.
fn accuracy(share: Option<Share>) -> String {
    match share {
        Some(Share { share, low, high, .. }) => {
            format!("{:>3} % ({}-{})", hundredths(share), hundredths(low), hundredths(high))
        }
        None => "  -".to_string(),
    }
}

/// One line a document, unless the names would suffer.
fn layout(rows: &[Row], look: &Look) -> Layout {
    let widest = |text: &dyn Fn(&Row) -> usize| rows.iter().map(text).max().unwrap_or(0);
    let figures = std::array::from_fn(|i| widest(&|row| columns(&row.figures[i])));
    let (verdict, time) = (widest(&|row| columns(&row.verdict)), widest(&|row| columns(&row.time)));
    let longest = widest(&|row| columns(&row.name));
    let taken = figures.iter().sum::<usize>() + verdict + time + GAP * (FIGURES.len() + 2);
    let left = look.width.saturating_sub(taken);
    if left >= longest.min(NAME) {
        return Layout::OneLine(Widths { name: longest.min(left), figures, verdict, time });
    }
    // The verdicts stand at the right, so that the names have room.
    let name = look.width.saturating_sub(verdict + time + 2 * GAP).min(WORDS);
    Layout::TwoLines(Widths { name, figures, verdict, time })
}

fn lay_out(row: &Row, layout: &Layout, look: &Look) -> Vec<String> {
    let gap = " ".repeat(GAP);
    let (Layout::OneLine(widths) | Layout::TwoLines(widths)) = layout;
    let name = look.fit(&row.name, widths.name);
    let cells = row.figures.iter().zip(widths.figures).map(|(text, width)| look.fit(text, width));
    let figures = cells.collect::<Vec<_>>().join(&gap);
    let verdict = look.paint(row.style.clone(), &look.fit(&row.verdict, widths.verdict));
    let time = format!("{}{}", " ".repeat(widths.time.saturating_sub(columns(&row.time))), row.time);
    match layout {
        Layout::OneLine(_) => vec![[name, figures, verdict, time].join(&gap)],
        Layout::TwoLines(_) => {
            vec![[name, verdict, time].join(&gap), format!("{}{figures}", " ".repeat(INDENT))]
        }
    }
}

/// `11 learned, 1 rejected, 2 known from earlier, nothing forgotten: 0 of 40 earlier answers lost`.
fn summary(report: &OnceReport) -> String {
    let known = report.documents.iter().filter(|document| document.known).count();
    let count = |state| report.documents.iter().filter(|d| d.verdict == state && !d.known).count();
    let said = |state| match count(state) {
        0 if state != DocumentState::Learned => None,
        n => Some(format!("{n} {}", state)),
    };
    let Tally { count: lost, of } = report.forgetting.measures.lost;
    let forgotten = match (lost, of) {
        (_, 0) => None,
        (0, of) => Some(format!("nothing forgotten: 0 of {of} earlier answers lost")),
        (lost, of) => Some(format!("{lost} of {of} earlier answers lost")),
    };
    use DocumentState::{Failed, Learned, Rejected, Waiting};
    let known = (known > 0).then(|| format!("{known} known from earlier"));
    let parts =
        [Learned, Rejected, Failed, Waiting].into_iter().filter_map(said).chain(known).chain(forgotten);
    parts.collect::<Vec<_>>().join(", ")
}

fn live(report: &OnceReport) -> String {
    match &report.live {
        Some(generation) => format!("{} is live", one_line(generation)),
        None => "no adapter is live: the base model answers".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::preview::samples::{golden, plain};
    use super::super::preview::{document, report};
    use super::*;

    #[test]
    fn narrow_and_wide_terminals() {
        for width in [80, 120, 200] {
            let text = render(&report(), &plain(width));
            assert!(text.lines().all(|line| columns(line) <= width), "{text}");
            golden(&format!("once/table_{width}"), &text);
        }
    }

    #[test]
    fn colours_change_no_character() {
        for width in [80, 120] {
            let look = plain(width);
            let coloured = render(&report(), &Look { colour: true, ..look });
            assert!(coloured.contains("\u{1b}[32m✓ learned"), "{coloured:?}");
            assert!(coloured.contains("\u{1b}[33m✗ rejected"), "{coloured:?}");
            let bare = console::strip_ansi_codes(&coloured).into_owned();
            assert_eq!(bare, render(&report(), &look));
        }
    }

    #[test]
    fn the_summary_counts_and_says_what_was_lost() {
        let mut all = report();
        assert_eq!(
            summary(&all),
            "2 learned, 1 rejected, 1 failed, nothing forgotten: 0 of 40 earlier answers lost"
        );
        all.forgetting.measures.lost.count = 3;
        assert!(summary(&all).ends_with("1 failed, 3 of 40 earlier answers lost"));
        assert_eq!(summary(&OnceReport::default()), "0 learned");
        let text = render(&OnceReport::default(), &plain(80));
        assert_eq!(text, "0 learned\nno adapter is live: the base model answers\n");
    }

    #[test]
    fn what_was_known_is_not_told_as_done_now() {
        let mut all = report();
        all.documents.truncate(3);
        all.documents[0].known = true;
        all.documents[2].known = true;
        assert!(summary(&all).starts_with("1 learned, 2 known from earlier"), "{}", summary(&all));
        let text = render(&all, &plain(120));
        assert_eq!(text.matches("earlier\n").count(), 2, "{text}");
        assert!(text.contains("--retry"), "{text}");
        all.documents.truncate(2);
        assert!(!render(&all, &plain(120)).contains("--retry"), "a learned document is not learned again");
    }

    #[test]
    fn nothing_measured_needs_no_legend() {
        let unread = DocumentReport::unread("a.bin".into(), "is binary".into());
        let text = render(&OnceReport { documents: vec![unread], ..OnceReport::default() }, &plain(80));
        assert!(text.contains("is binary") && !text.contains("Accuracy"), "{text}");
    }

    #[test]
    fn documents_of_one_title_are_named_by_their_paths() {
        let mut twins = vec![document("Twin", DocumentState::Learned, 0, 1); 2];
        twins[1].path = "b.md".into();
        assert_eq!([name(&twins[0], &twins), name(&twins[1], &twins)], ["bulletins.jsonl#7", "b.md"]);
        assert_eq!(name(&twins[0], &twins[..1]), "Twin");
    }
}
