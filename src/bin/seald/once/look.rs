//! How things look: what the terminal can show, and text made safe and short for it.

use std::env;

use console::{Style, Term};
use seald::domain::document::DocumentState;
use seald::domain::job::Stage;

/// Columns where nobody says how many there are.
const WIDTH: usize = 80;
/// Fewer columns are not catered for: lines then run over.
const NARROWEST: usize = 40;
/// Lines, likewise.
const HEIGHT: usize = 24;

/// What the place that is written to can show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// Columns.
    pub(crate) width: usize,
    /// Lines.
    pub(crate) height: usize,
    /// 256 colours.
    pub(crate) colour: bool,
    /// More than ASCII.
    pub(crate) unicode: bool,
}

impl Look {
    /// Of stdout: results.
    pub(crate) fn of_stdout() -> Self {
        Self::of(&Term::stdout(), console::colors_enabled())
    }

    /// Of stderr: progress.
    pub(crate) fn of_stderr() -> Self {
        Self::of(&Term::stderr(), console::colors_enabled_stderr())
    }

    /// `console` knows NO_COLOR, CLICOLOR and dumb terminals.
    fn of(term: &Term, colour: bool) -> Self {
        // A terminal that knows one of them may say 0 for the other.
        let (height, width) = term.size_checked().unwrap_or_default();
        let height = if height > 0 { height.into() } else { HEIGHT };
        let width = if width > 0 { usize::from(width).max(NARROWEST) } else { WIDTH };
        Self { width, height, colour, unicode: unicode(|name| env::var(name).ok()) }
    }

    /// `rich` where the place can show it, `plain` elsewhere.
    pub(crate) fn sign<T>(&self, rich: T, plain: T) -> T {
        if self.unicode { rich } else { plain }
    }

    /// Text in a style, where there are colours.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        style.force_styling(self.colour).apply_to(text).to_string()
    }

    /// At most `width` columns of a text without styles.
    pub(crate) fn cut(&self, text: &str, width: usize) -> String {
        console::truncate_str(text, width, self.sign("…", "~")).into_owned()
    }

    /// Exactly `width` columns, filled with blanks.
    pub(crate) fn fit(&self, text: &str, width: usize) -> String {
        let text = self.cut(text, width);
        let blanks = width.saturating_sub(columns(&text));
        text + &" ".repeat(blanks)
    }

    /// The sign and the colour of a verdict.
    pub(crate) fn verdict(&self, state: DocumentState) -> (&'static str, Style) {
        match state {
            DocumentState::Accepted => (self.sign("✓", "+"), Style::new().green()),
            DocumentState::Rejected => (self.sign("✗", "-"), Style::new().yellow()),
            DocumentState::Failed => (self.sign("✗", "!"), Style::new().red()),
            DocumentState::Waiting => (self.sign("·", "."), Style::new().dim()),
        }
    }
}

/// Unless the variable that decides says `C`: where none is set (containers), terminals still show Unicode.
fn unicode(variable: impl Fn(&str) -> Option<String>) -> bool {
    let decides = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|v| !v.is_empty());
    !matches!(decides.as_deref(), Some("C" | "POSIX"))
}

/// Columns that a text takes.
pub(crate) fn columns(text: &str) -> usize {
    console::measure_text_width(text)
}

/// Text from outside as one line without anything that a terminal would obey: control characters and those that
/// turn the direction of writing become blanks, and runs of blanks become one.
pub(crate) fn one_line(text: &str) -> String {
    let obeyed = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let tame: String = text.chars().map(|c| if obeyed(c) { ' ' } else { c }).collect();
    tame.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What became of a document, in words.
pub(crate) fn verdict_words(state: DocumentState) -> &'static str {
    match state {
        DocumentState::Accepted => "learned",
        DocumentState::Rejected => "turned away",
        DocumentState::Failed => "failed",
        DocumentState::Waiting => "waiting",
    }
}

/// What goes on in a stage, in words.
pub(crate) fn stage_words(stage: Stage) -> &'static str {
    match stage {
        Stage::Probes => "writing questions about it",
        Stage::SelfEdits => "writing texts to learn it from",
        Stage::Trials => "trying which text teaches best",
        Stage::Gate => "testing the best one",
        Stage::Publish => "putting it to use",
        Stage::Replay => "asking about earlier documents",
    }
}

/// `63 %`: halves go up, everywhere alike.
pub(crate) fn percent(share: f64) -> String {
    format!("{} %", hundredths(share))
}

/// A share or a difference of shares in hundredths.
pub(crate) fn hundredths(share: f64) -> i64 {
    (share * 100.0).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_c_locale_is_ascii() {
        let with = |pairs: &'static [(&str, &str)]| {
            unicode(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| v.to_string()))
        };
        assert!(
            with(&[]) && with(&[("LANG", "en_GB.UTF-8")]) && with(&[("LC_ALL", ""), ("LANG", "C.UTF-8")])
        );
        assert!(!with(&[("LANG", "C")]) && !with(&[("LC_ALL", "POSIX"), ("LANG", "de_DE.UTF-8")]));
    }

    #[test]
    fn outside_text_cannot_move_the_cursor() {
        assert_eq!(one_line("a\n\tb\u{1b}[2Jc\u{9b}0m\u{202e}d  "), "a b [2Jc 0m d");
    }

    #[test]
    fn wide_text_is_cut_and_filled_to_columns() {
        let look = Look { width: 80, height: 24, colour: false, unicode: true };
        for text in [
            "漁業組合の規則集",
            "👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦",
            "plain",
            "e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}",
            "",
        ] {
            assert_eq!(columns(&look.fit(text, 8)), 8, "{text}");
        }
        assert_eq!(look.cut("漁業組合の規則集", 8), "漁業組…");
    }
}
