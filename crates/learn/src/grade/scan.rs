//! Cuts a text into tokens for grading: words, numbers and the signs between them that carry meaning.

use unicode_segmentation::UnicodeSegmentation;

use super::numbers::{self, Style};
use super::words::{initials, own, plain};
use super::{ideographs, negation, signs};

/// What kind of token it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Word,
    Number,
    /// A month of a date.
    Month,
    /// An operator of a program or a formula.
    Operator,
    /// What an amount of money is in.
    Currency,
    /// Denies its clause.
    Negation,
    /// Two neighbours of a Chinese or Japanese word.
    Ideographs,
}

impl Kind {
    /// Whether nothing can stand for it: such a token of the accepted answer must be there.
    pub(super) fn exact(self) -> bool {
        matches!(self, Self::Number | Self::Month | Self::Operator)
    }
}

/// What stands between a token and the one before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Gap {
    #[default]
    Nothing,
    Space,
    Hyphen,
    Slash,
    Comma,
    /// The end of a sentence or of a line, or a bracket.
    Stop,
}

/// A word, number or sign of a text.
#[derive(Debug, Clone, Default)]
pub(super) struct Token {
    pub text: String,
    pub kind: Kind,
    pub gap: Gap,
    /// Which clause it is in; clauses are cut at punctuation and at words such as "but".
    pub clause: usize,
    /// Written in capitals: perhaps the initials of a name.
    pub capitals: bool,
    /// Begins with a capital.
    pub name: bool,
    /// A quotation mark stands before it.
    pub quoted: bool,
    /// Digits as written, zeros before it too; 0 for all that is not digits alone.
    pub digits: usize,
}

/// The tokens of a text as they are written, before numbers, dates and units are put together.
pub(super) fn scan(text: &str, style: Style) -> Vec<Token> {
    let plain = plain(text);
    let mut scan = Scan { style, ..Scan::default() };
    for piece in plain.split_word_bounds() {
        if piece.contains(char::is_alphanumeric) {
            for (index, part) in piece.split('_').enumerate() {
                if index > 0 {
                    scan.between.push(' ');
                }
                if !part.is_empty() {
                    scan.word(part);
                }
            }
        } else {
            scan.between.push_str(piece);
        }
    }
    scan.between(None);
    scan.close_run();
    scan.tokens
}

#[derive(Default)]
struct Scan {
    style: Style,
    tokens: Vec<Token>,
    clause: usize,
    /// What stands since the last word.
    between: String,
    /// Ideographs in a row, with what stands before them.
    run: String,
    run_gap: Option<Gap>,
}

impl Scan {
    fn word(&mut self, word: &str) {
        let ideograph = ideographs::is_one(word);
        if ideograph && self.between.is_empty() && !self.run.is_empty() {
            self.run.push_str(word);
            return;
        }
        self.close_run();
        let (gap, sign) = self.between(Some(word));
        if ideograph {
            (self.run, self.run_gap) = (word.into(), Some(gap));
            return;
        }
        let lower = word.to_lowercase();
        let lower = initials(own(&lower));
        let letters = word.chars().filter(|c| *c != '.').count();
        let capitals = (2..=5).contains(&letters) && word.chars().all(|c| c == '.' || c.is_uppercase());
        if negation::cuts(&lower) {
            self.clause += 1;
        }
        let (denial, rest) = negation::contracted(&lower);
        if denial {
            self.push("not", Kind::Negation, gap);
        }
        let gap = if denial { Gap::Nothing } else { gap };
        let forms = numbers::forms(signs::versionless(rest), self.style);
        for (index, (text, number)) in forms.into_iter().enumerate() {
            let kind = if number { Kind::Number } else { Kind::Word };
            let text = if index == 0 && sign.negative && number { format!("-{text}") } else { text };
            self.push(&text, kind, if index == 0 { gap } else { Gap::Nothing });
            if let Some(token) = self.tokens.last_mut() {
                (token.capitals, token.name) = (capitals, word.starts_with(char::is_uppercase));
                token.quoted = sign.quoted && index == 0;
                token.digits = if word.bytes().all(|b| b.is_ascii_digit()) { word.len() } else { 0 };
            }
        }
        if let Some(currency) = sign.currency {
            self.push(currency, Kind::Currency, Gap::Space);
        }
    }

    fn push(&mut self, text: &str, kind: Kind, gap: Gap) {
        let clause = self.clause;
        self.tokens.push(Token { text: text.into(), kind, gap, clause, ..Token::default() });
    }

    /// Takes what stands before `next`, or at the end of the text: signs become tokens.
    fn between(&mut self, next: Option<&str>) -> (Gap, signs::Before) {
        if self.between.is_empty() && self.tokens.is_empty() {
            return (Gap::Nothing, signs::Before::default());
        }
        self.close_run();
        let mut between = std::mem::take(&mut self.between);
        let (gap, first) = (signs::gap(&between), self.tokens.is_empty());
        if let Some(last) = self.tokens.last_mut() {
            let attached = signs::attached(&last.text, &between, next.is_some());
            last.text.push_str(&between[..attached]);
            between.drain(..attached);
            if last.kind == Kind::Number
                && let Some(currency) = between.trim_start().chars().next().and_then(signs::currency)
                && !next.is_some_and(|next| next.starts_with(|c: char| c.is_ascii_digit()))
            {
                self.push(currency, Kind::Currency, Gap::Space);
            }
        }
        for operator in signs::operators(&between) {
            self.push(operator, Kind::Operator, Gap::Space);
        }
        self.clause += usize::from(signs::ends_clause(&between));
        (gap, signs::before(&between, next, first))
    }

    /// Turns the ideographs in a row into tokens.
    fn close_run(&mut self) {
        let run = std::mem::take(&mut self.run);
        let Some(gap) = self.run_gap.take() else { return };
        for (index, (text, kind)) in ideographs::tokens(&run).into_iter().enumerate() {
            self.push(&text, kind, if index == 0 { gap } else { Gap::Nothing });
        }
    }
}
