//! How things look: what the terminal can show, and text made safe and short for it.

use std::env;
use std::sync::OnceLock;

use console::{Style, Term};

use super::words;
use seald_core::domain::document::DocumentState;

/// Columns where nobody says how many there are.
const WIDTH: usize = 80;
/// Fewer columns are not catered for: lines then run over.
const NARROWEST: usize = 40;
/// Lines, likewise.
const HEIGHT: usize = 24;
/// Longer lines of words tire the eye.
const WORDS: usize = 100;

/// How this process reaches the daemon; set once, by the command line.
static WAY: OnceLock<String> = OnceLock::new();

/// Says with which options (`--root demo`) this process reaches the daemon: hints that name a command carry them from then on. The first word counts.
pub fn reached_with(options: String) {
    let _ = WAY.set(options);
}

/// What the place that is written to can show.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Columns.
    pub width: usize,
    /// Lines.
    pub height: usize,
    /// 256 colours.
    pub colour: bool,
    /// More than ASCII.
    pub unicode: bool,
    /// Bars, for a person who watches them: not in a pipe, and not with NO_COLOR.
    pub bars: bool,
    /// A terminal: what is wider would be broken in the middle of a word. In a pipe a line is a line.
    pub terminal: bool,
    /// Options with which the daemon was reached, as a shell takes them; empty where it is found without any.
    pub way: &'static str,
}

impl Look {
    /// Of stdout: results.
    pub fn of_stdout() -> Self {
        Self::of(&Term::stdout(), console::colors_enabled())
    }

    /// Of stderr: progress.
    pub fn of_stderr() -> Self {
        Self::of(&Term::stderr(), console::colors_enabled_stderr())
    }

    /// `console` knows NO_COLOR, CLICOLOR and dumb terminals.
    fn of(term: &Term, colour: bool) -> Self {
        // A terminal that knows one of them may say 0 for the other.
        let (height, width) = term.size_checked().unwrap_or_default();
        let height = if height > 0 { height.into() } else { HEIGHT };
        let width = if width > 0 { usize::from(width).max(NARROWEST) } else { WIDTH };
        // Where both are set, `console` lets CLICOLOR_FORCE win.
        let wanted = env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        let (terminal, unicode) = (term.is_term(), unicode(|name| env::var(name).ok()));
        let way = WAY.get().map_or("", String::as_str);
        Self { width, height, colour: colour && wanted, unicode, bars: terminal && wanted, terminal, way }
    }

    /// `rich` where the place can show it, `plain` elsewhere.
    pub fn sign<T>(&self, rich: T, plain: T) -> T {
        if self.unicode { rich } else { plain }
    }

    /// Text in a style, where there are colours.
    pub fn paint(&self, style: Style, text: &str) -> String {
        style.force_styling(self.colour).apply_to(text).to_string()
    }

    /// Words in which each hint of a command reaches the same daemon: `` `sealctl docs` `` is `` `sealctl --root demo docs` `` for whoever named
    /// the root. A restore works on files: of what reaches a daemon it takes the root alone.
    pub fn hints(&self, words: &str) -> String {
        const VERB: &str = "`sealctl ";
        if self.way.is_empty() {
            return words.to_string();
        }
        let mut parts = words.split(VERB);
        let mut text = parts.next().unwrap_or_default().to_string();
        for verb in parts {
            text += VERB;
            if self.way.starts_with("--root") || !verb.starts_with("restore") {
                text = text + self.way + " ";
            }
            text += verb;
        }
        text
    }

    /// At most `width` columns of a text without styles.
    pub fn cut(&self, text: &str, width: usize) -> String {
        console::truncate_str(text, width, self.sign("…", "~")).into_owned()
    }

    /// Exactly `width` columns, filled with blanks.
    pub fn fit(&self, text: &str, width: usize) -> String {
        let text = self.cut(text, width);
        let blanks = width.saturating_sub(columns(&text));
        text + &" ".repeat(blanks)
    }

    /// Words in lines, each indented by so many columns. A name or a path stays whole where a line has room for it.
    pub fn wrapped(&self, words: &str, indent: usize) -> String {
        let blanks = " ".repeat(indent);
        let width = self.width.min(WORDS).max(indent + 1);
        textwrap::fill(
            words,
            textwrap::Options::new(width)
                .word_separator(textwrap::WordSeparator::AsciiSpace)
                .word_splitter(textwrap::WordSplitter::NoHyphenation)
                .initial_indent(&blanks)
                .subsequent_indent(&blanks),
        )
    }

    /// `63 % → 96 %`.
    pub fn change(&self, before: f64, after: f64) -> String {
        format!("{} {} {}", words::percent(before), self.sign("→", "->"), words::percent(after))
    }

    /// The sign and the colour of a verdict.
    pub fn verdict(&self, state: DocumentState) -> (&'static str, Style) {
        match state {
            DocumentState::Learned => (self.sign("✓", "+"), Style::new().green()),
            DocumentState::Rejected => (self.sign("✗", "-"), Style::new().yellow()),
            DocumentState::Failed => (self.sign("✗", "!"), Style::new().red()),
            DocumentState::Waiting => (self.sign("·", "."), Style::new().dim()),
            DocumentState::Learning => (self.sign("▸", ">"), Style::new().cyan()),
        }
    }
}

/// Unless the variable that decides says `C`: where none is set (containers), terminals still show Unicode.
fn unicode(variable: impl Fn(&str) -> Option<String>) -> bool {
    let decides = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|v| !v.is_empty());
    !matches!(decides.as_deref(), Some("C" | "POSIX"))
}

/// Columns that a text takes.
pub fn columns(text: &str) -> usize {
    console::measure_text_width(text)
}

/// Text from outside as one line without anything that a terminal would obey: control characters and those that
/// turn the direction of writing become blanks, and runs of blanks become one.
pub fn one_line(text: &str) -> String {
    let tame: String = text.chars().map(|c| if obeyed(c) { ' ' } else { c }).collect();
    tame.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text from outside that may have several lines: as [`one_line`], but line ends and tabs stay, and so do runs of blanks.
/// Each character is judged alone, so that a text may come in pieces.
pub fn many_lines(text: &str) -> String {
    text.chars().map(|c| if obeyed(c) && !matches!(c, '\n' | '\t') { ' ' } else { c }).collect()
}

/// Whether a terminal would obey it instead of showing it.
pub fn obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
        assert_eq!(many_lines("a\n\tb\u{1b}[2J\r\u{202e}  c"), "a\n\tb [2J    c");
    }

    #[test]
    fn wide_text_is_cut_and_filled_to_columns() {
        let look =
            Look { width: 80, height: 24, colour: false, unicode: true, bars: true, terminal: true, way: "" };
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

    #[test]
    fn hints_reach_the_daemon_that_was_asked() {
        let look = |way| Look { way, ..Look::of_stdout() };
        let words = "`sealctl docs` lists them; stop it, then `sealctl restore`; the word sealctl stays";
        assert_eq!(look("").hints(words), words);
        assert_eq!(
            look("--root 'a b'").hints(words),
            "`sealctl --root 'a b' docs` lists them; stop it, then `sealctl --root 'a b' restore`; the word sealctl stays"
        );
        assert_eq!(
            look("--socket s").hints(words),
            "`sealctl --socket s docs` lists them; stop it, then `sealctl restore`; the word sealctl stays"
        );
    }
}
