//! The forgetting matrix as a map: generations downwards, documents across, the share of right answers in each cell.

use console::Style;

use super::look::{Look, columns, one_line};
use super::status::share_words;
use super::words::{count, hundredths, percent};
use seald_core::protocol::{Cell, ForgettingView, Measures, Share, Tally};

/// Columns of a cell: a shade, a bracket, three digits, a bracket.
const CELL: usize = 6;
/// Most columns of a document's name beneath the map.
const NAME: usize = 30;
/// Lines of the terminal that the map leaves to its head and to what stands beneath.
const OTHER_LINES: usize = 10;
/// Generations that are shown even where the terminal is low.
const FEWEST_ROWS: usize = 8;

/// Shares from dark to bright, as colours that also read without telling red from green (from the viridis scale):
/// ground and, on it, black or white.
const GROUNDS: [(u8, u8); 5] = [(54, 231), (60, 231), (30, 231), (71, 16), (220, 16)];

/// The map with its legend, and what follows from it in words; empty if no generation was asked anything.
pub fn render(view: &ForgettingView, look: &Look) -> String {
    if view.rows.is_empty() || view.columns.is_empty() {
        return String::new();
    }
    let label =
        view.rows.iter().map(|row| columns(&name(view, row, look))).max().unwrap_or(0).max("base".len());
    let fitting = look.width.saturating_sub(label) / CELL;
    let first_column = view.columns.len().saturating_sub(fitting.max(1));
    let rows = look.height.saturating_sub(OTHER_LINES).max(FEWEST_ROWS);
    let first_row = view.rows.len().saturating_sub(rows);

    let bold = Style::new().bold();
    let title = look.wrapped("What each generation knows of each document, % right", 0);
    let mut lines: Vec<String> = title.lines().map(|line| look.paint(bold.clone(), line)).collect();
    lines.push(String::new());
    let numbers = (first_column..view.columns.len()).map(|j| format!("{:>5} ", j + 1));
    lines.push(format!("{}{}", " ".repeat(label), numbers.collect::<String>()));
    let base = cells(&view.base, view.columns.len());
    lines.push(line("base", label, &base[first_column..], |_| false, look));
    for i in first_row..view.rows.len() {
        let row = cells(view.cells.get(i).map_or(&[], Vec::as_slice), view.columns.len());
        let learned = |j: usize| view.columns[first_column + j].learned_in.as_ref() == Some(&view.rows[i]);
        lines.push(line(&name(view, &view.rows[i], look), label, &row[first_column..], learned, look));
    }
    lines.push(String::new());
    lines.extend(legend(look));
    if !view.consolidated.is_empty() {
        let words = format!("{} trained anew from the base on everything before", anew(look));
        lines.push(look.wrapped(&words, 0));
    }
    lines.extend(left_out(first_row, first_column, look));
    lines.extend(names(view, first_column, look));
    let words = words(&view.measures, today(view));
    if !words.is_empty() {
        lines.push(String::new());
        lines.extend(words.iter().map(|words| look.wrapped(words, 0)));
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A generation's name, with a mark where it was trained anew.
fn name(view: &ForgettingView, row: &str, look: &Look) -> String {
    let name = one_line(row);
    if view.consolidated.iter().any(|one| one == row) { format!("{name} {}", anew(look)) } else { name }
}

/// The mark of a generation that was trained anew.
fn anew(look: &Look) -> &'static str {
    look.sign("↻", "*")
}

/// What the newest generation knows of each document, 0 to 1; none where it was not asked.
pub fn newest(view: &ForgettingView) -> Vec<Option<f64>> {
    cells(view.cells.last().map_or(&[], Vec::as_slice), view.columns.len())
}

/// Ground and letters for a share, of 256 colours.
pub fn ground(share: f64) -> (u8, u8) {
    GROUNDS[step(share, GROUNDS.len())]
}

/// The shade for a share, where there are no colours.
pub fn shade(share: f64, look: &Look) -> char {
    shades(look)[step(share, GROUNDS.len())]
}

/// A row of exactly `width` cells.
fn cells(row: &[Option<Cell>], width: usize) -> Vec<Option<f64>> {
    (0..width).map(|j| row.get(j).copied().flatten().and_then(Cell::share)).collect()
}

fn line(
    name: &str,
    label: usize,
    row: &[Option<f64>],
    learned: impl Fn(usize) -> bool,
    look: &Look,
) -> String {
    let cells = row.iter().enumerate().map(|(j, share)| cell(*share, learned(j), look));
    format!("{}{}", look.fit(name, label), cells.collect::<String>())
}

/// A cell of [`CELL`] columns.
fn cell(share: Option<f64>, learned: bool, look: &Look) -> String {
    let Some(share) = share else {
        return format!("   {}  ", look.sign('·', '.'));
    };
    let number = hundredths(share);
    let body = if learned { format!("[{number:>3}]") } else { format!(" {number:>3} ") };
    let step = step(share, GROUNDS.len());
    if look.colour {
        let (ground, letters) = GROUNDS[step];
        let style = Style::new().on_color256(ground).color256(letters);
        format!(" {}", look.paint(if learned { style.bold() } else { style }, &body))
    } else {
        format!("{}{body}", shades(look)[step])
    }
}

/// Dark to bright, where there are no colours.
fn shades(look: &Look) -> [char; 5] {
    look.sign([' ', '░', '▒', '▓', '█'], [' ', '.', ':', '+', '#'])
}

/// Which of `steps` equal parts of 0 to 1 a share lies in.
fn step(share: f64, steps: usize) -> usize {
    ((share * steps as f64) as usize).min(steps - 1)
}

fn legend(look: &Look) -> Vec<String> {
    let parts = (0..GROUNDS.len()).map(|i| {
        let (from, to) = (i * 100 / GROUNDS.len(), (i + 1) * 100 / GROUNDS.len());
        let text = format!("{from}-{to}");
        if look.colour {
            let (ground, letters) = GROUNDS[i];
            look.paint(Style::new().on_color256(ground).color256(letters), &format!(" {text} "))
        } else {
            format!("{}{text}", shades(look)[i])
        }
    });
    let scale = parts.collect::<Vec<_>>().join(" ") + " %";
    let signs = format!("[ ] as it was learned   {} not asked", look.sign('·', '.'));
    // Where both do not fit on one line, none is broken in the middle.
    if columns(&scale) + 3 + columns(&signs) <= look.width {
        vec![format!("{scale}   {signs}")]
    } else {
        vec![scale, signs]
    }
}

/// What the terminal has no room for.
fn left_out(rows: usize, columns: usize, look: &Look) -> Option<String> {
    let some = |n: usize, noun: &str| (n > 0).then(|| count(n, noun));
    let parts: Vec<_> =
        [some(rows, "earlier generation"), some(columns, "earlier document")].into_iter().flatten().collect();
    let text = format!("Not shown for want of room: {} (--json has them all).", parts.join(" and "));
    (!parts.is_empty()).then(|| look.wrapped(&text, 0))
}

/// Which number is which document, in as many columns as fit.
fn names(view: &ForgettingView, first: usize, look: &Look) -> Vec<String> {
    let names = view.columns.iter().enumerate().skip(first);
    let names: Vec<_> =
        names.map(|(j, column)| format!("{:>3} {}", j + 1, one_line(&column.document))).collect();
    let width = names.iter().map(|name| columns(name)).max().unwrap_or(0).min(NAME.min(look.width));
    let across = ((look.width + 2) / (width + 2)).max(1);
    let down = names.len().div_ceil(across);
    let line = |i: usize| {
        let of_line = names.iter().skip(i).step_by(down).map(|name| look.fit(name, width));
        of_line.collect::<Vec<_>>().join("  ")
    };
    (0..down).map(line).collect()
}

/// The right answers of the newest generation over all documents, each question counted once; none where nothing was asked.
fn today(view: &ForgettingView) -> Option<Share> {
    let row = view.cells.last()?.iter().flatten();
    let (right, asked) = row.fold((0, 0), |(right, asked), cell| (right + cell.right, asked + cell.asked));
    Share::of(right, asked)
}

/// The measures as sentences; only those that were measured. Questions are counted as `status` does, documents as the measures do.
fn words(measures: &Measures, today: Option<Share>) -> Vec<String> {
    let Measures { accuracy, backward_transfer, forward_transfer, forgetting, lost, won } = *measures;
    let mut words = Vec::new();
    if let (Some(accuracy), Some(today)) = (accuracy, today) {
        words.push(format!(
            "Today {} are answered right, on average {} of those about a document.",
            share_words(&today),
            percent(accuracy)
        ));
    }
    words.extend(backward_transfer.map(backward_words));
    if let Some(transfer) = forward_transfer {
        let what = match hundredths(transfer) {
            0 => "made no difference to documents still to come".to_string(),
            n if n < 0 => format!("made documents still to come harder by {}", in_points(n)),
            n => format!("helped with documents still to come by {}", in_points(n)),
        };
        words.push(format!("Earlier documents {what} (forward transfer {transfer:+.3})."));
    }
    if let Some(forgetting) = forgetting {
        let what = match hundredths(forgetting) {
            0 => "stands where it stood at its best".to_string(),
            n if n > 0 => format!("stands {} below its best", in_points(n)),
            n => format!("stands {} above its earlier best", in_points(n)),
        };
        words.push(format!("On average a document {what} (forgetting {forgetting:+.3})."));
    }
    let tally = |Tally { count, of }: Tally, was: &str, is: &str| {
        (of > 0).then(|| {
            format!(
                "{count} of {of} answers that were {was} {} {is} now",
                if count == 1 { "is" } else { "are" }
            )
        })
    };
    let tallies: Vec<_> =
        [tally(lost, "right", "wrong"), tally(won, "wrong", "right")].into_iter().flatten().collect();
    if !tallies.is_empty() {
        words.push(format!("{}.", tallies.join("; ")));
    }
    words
}

/// Backward transfer as a sentence.
fn backward_words(transfer: f64) -> String {
    let what = match hundredths(transfer) {
        0 => "changed nothing in what was learned before".to_string(),
        n if n < 0 => format!("cost what was learned before {}", in_points(n)),
        n => format!("helped what was learned before by {}", in_points(n)),
    };
    format!("Later documents {what} (backward transfer {transfer:+.3}).")
}

fn in_points(points: i64) -> String {
    count(points.unsigned_abs() as usize, "point")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_meet_at_fifths() {
        assert_eq!([0.0, 0.19, 0.2, 0.5, 0.99, 1.0].map(|share| step(share, 5)), [0, 0, 1, 2, 4, 4]);
    }
}
