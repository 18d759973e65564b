//! One reading of a text: its tokens, with numbers, dates and units in one form.

use std::collections::{HashMap, HashSet};

use super::inflection::{functional, stem};
use super::numbers::Style;
use super::scan::{Gap, Kind, Token, scan};
use super::words::words;
use super::{dates, ideographs, negation, units};

/// What is taken for granted where a text can be read in two ways.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Habits {
    /// As on the continent of Europe: 3/4/2019 is in April, `1 234` one number and `1,5` a decimal.
    pub continental: bool,
    /// `1.234` is 1,234 in a continental reading.
    pub dot_thousands: bool,
    /// 1.10 is not 1.1.
    pub versions: bool,
}

/// Initials of names have at most this many letters (UNESCO's six are said as a word).
const INITIALS: usize = 5;

/// A text as it is compared.
#[derive(Debug)]
pub(super) struct Reading {
    pub tokens: Vec<Token>,
    /// Where each stem stands, in order.
    places: HashMap<String, Vec<usize>>,
}

impl Reading {
    pub(super) fn new(text: &str, habits: Habits) -> Self {
        let dot_thousands = habits.dot_thousands && habits.continental;
        let style = Style { comma_decimals: habits.continental, dot_thousands, versions: habits.versions };
        let tokens = dates::unify(units::spoken(scan(text, style)), !habits.continental);
        let mut tokens = united(units::unify(tokens, habits.continental));
        negation::mark(&mut tokens);
        // In a formula "a" is a name.
        let formula = tokens.iter().any(|token| token.kind == Kind::Operator);
        let idle = |token: &Token| !formula && matches!(token.text.as_str(), "a" | "an" | "the");
        if !tokens.iter().all(idle) {
            tokens.retain(|token| !idle(token));
        }
        if tokens.is_empty() {
            tokens =
                words(text).into_iter().map(|word| Token { text: word.text, ..Token::default() }).collect();
        }
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, token) in tokens.iter().enumerate() {
            places.entry(root(token)).or_default().push(at);
        }
        Self { tokens, places }
    }

    /// The texts of the tokens.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().map(|token| token.text.as_str())
    }

    /// Where forms of a token stand.
    pub(super) fn places(&self, token: &Token) -> &[usize] {
        self.places.get(&root(token)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn has(&self, kind: Kind) -> bool {
        self.tokens.iter().any(|token| token.kind == kind)
    }

    /// Whether one of the words stands in the text.
    pub(super) fn says(&self, words: &[&str]) -> bool {
        self.texts().any(|text| words.contains(&text))
    }

    /// The signs of its Chinese and Japanese words.
    pub(super) fn ideographs(&self) -> HashSet<char> {
        let tokens = self.tokens.iter().filter(|token| token.kind == Kind::Ideographs);
        tokens.flat_map(|token| token.text.chars()).collect()
    }

    /// The initials that its words in a row spell, with the tokens that they are of. Two letters count only for names: two words
    /// with given first letters stand in every long text.
    pub(super) fn initials(&self) -> HashMap<String, Vec<usize>> {
        let named = |at: &usize| self.tokens[*at].kind == Kind::Word && !functional(&self.tokens[*at].text);
        let words: Vec<usize> = (0..self.tokens.len()).filter(named).collect();
        let mut found = HashMap::new();
        for length in 2..=INITIALS {
            for run in words.windows(length) {
                let names = run.iter().all(|at| self.tokens[*at].name);
                if length > 2 || names {
                    let spelled = run.iter().filter_map(|at| self.tokens[*at].text.chars().next()).collect();
                    found.entry(spelled).or_insert_with(|| run.to_vec());
                }
            }
        }
        found
    }
}

/// What the forms of a token have in common.
pub(super) fn root(token: &Token) -> String {
    if token.kind == Kind::Word { stem(&token.text) } else { token.text.clone() }
}

/// "United States", "United States of America", "USA" and "US" in one form.
fn united(tokens: Vec<Token>) -> Vec<Token> {
    let text = |at: usize| tokens.get(at).map(|token| token.text.as_str());
    let mut out = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let phrase = text(at) == Some("united") && text(at + 1) == Some("states");
        let america = text(at + 2) == Some("of") && text(at + 3) == Some("america");
        let mut token = tokens[at].clone();
        if phrase || (token.capitals && token.text == "usa") {
            token.text = "us".into();
        }
        out.push(token);
        at += if phrase && america { 4 } else { 1 + usize::from(phrase) };
    }
    out
}

/// Whether the last pair of a Chinese word of three signs or more only adds what kind of place it is.
pub(super) fn place(tokens: &[Token], at: usize) -> bool {
    let signs = |at: usize| tokens.get(at).filter(|token| token.kind == Kind::Ideographs);
    let goes_on = signs(at + 1).is_some_and(|next| next.gap == Gap::Nothing);
    let begins = at == 0 || tokens[at].gap != Gap::Nothing || signs(at - 1).is_none();
    signs(at).is_some_and(|pair| !goes_on && !begins && ideographs::kind_of_place(&pair.text))
}
