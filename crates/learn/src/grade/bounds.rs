//! Words that turn an answer into its opposite: at least and at most, before and after, north and south.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::inflection::stem;
use super::reading::Reading;
use super::scan::{Kind, Token};

/// Two words that exclude each other, and their forms.
const OPPOSITES: [(&[&str], &[&str]); 14] = [
    (&["minimum", "min", "least"], &["maximum", "max", "most"]),
    (&["before", "until", "till"], &["after", "since"]),
    (
        &["increase", "rise", "rose", "grow", "grew", "growth"],
        &["decrease", "decline", "fall", "fell", "drop", "shrink", "shrank"],
    ),
    (&["higher"], &["lower"]),
    (&["north", "northern"], &["south", "southern"]),
    (&["east", "eastern"], &["west", "western"]),
    (&["left"], &["right"]),
    (&["import"], &["export"]),
    (&["buy", "bought"], &["sell", "sold"]),
    (&["accept"], &["reject", "refuse"]),
    (&["enable"], &["disable"]),
    (&["allow", "permit"], &["forbid", "forbidden", "prohibit"]),
    (&["win", "won"], &["lose", "lost"]),
    (&["increment"], &["decrement"]),
];

/// The axis of amounts: more on one side, less on the other.
const AMOUNT: usize = 0;
const TIME: usize = 1;

/// One side of a pair of opposites.
struct Side {
    axis: usize,
    upper: bool,
    clause: usize,
}

/// Whether the answer says the opposite of a word of the accepted answer, in one of the clauses, without saying the word itself.
pub(super) fn opposed(said: &Reading, gold: &Reading, clauses: impl Fn(usize) -> bool) -> bool {
    let (said, gold) = (sides(&said.tokens), sides(&gold.tokens));
    let has =
        |sides: &[Side], axis: usize, upper: bool| sides.iter().any(|s| s.axis == axis && s.upper == upper);
    let here: Vec<&Side> = said.iter().filter(|side| clauses(side.clause)).collect();
    (0..OPPOSITES.len()).flat_map(|axis| [(axis, false), (axis, true)]).any(|(axis, upper)| {
        let asked = has(&gold, axis, upper) && !has(&gold, axis, !upper);
        asked && !has(&said, axis, upper) && here.iter().any(|s| s.axis == axis && s.upper != upper)
    })
}

fn sides(tokens: &[Token]) -> Vec<Side> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.kind == Kind::Word) {
        let Some((axis, upper)) = amount(tokens, at).or_else(|| opposite(&token.text)) else { continue };
        // "no more than" is "at most", "no later than" is "until"
        let turned = axis <= TIME && at > 0 && matches!(text(at - 1), "no" | "not");
        found.push(Side { axis, upper: upper != turned, clause: token.clause });
    }
    found
}

/// Bounds of amounts that are such bounds only beside "than" or a number.
fn amount(tokens: &[Token], at: usize) -> Option<(usize, bool)> {
    let next = tokens.get(at + 1);
    let than = next.is_some_and(|next| next.text == "than");
    let number = next.is_some_and(|next| next.kind == Kind::Number);
    // "at least" is a lower bound, which says that there may be more.
    match tokens[at].text.as_str() {
        "more" | "greater" if than => Some((AMOUNT, false)),
        "less" | "fewer" if than => Some((AMOUNT, true)),
        "over" | "above" | "exceeding" if number => Some((AMOUNT, false)),
        "under" | "below" if number => Some((AMOUNT, true)),
        "later" if than => Some((TIME, true)),
        "earlier" if than => Some((TIME, false)),
        "up" if next.is_some_and(|next| next.text == "to") => Some((AMOUNT, true)),
        "least" | "most" if at == 0 || tokens[at - 1].text != "at" => None,
        word => opposite(word).filter(|(axis, _)| *axis == AMOUNT),
    }
}

/// The axis and the side of a word that has an opposite.
fn opposite(word: &str) -> Option<(usize, bool)> {
    static SIDES: LazyLock<HashMap<String, (usize, bool)>> = LazyLock::new(|| {
        let pairs = OPPOSITES.iter().enumerate();
        let words = pairs.flat_map(|(axis, (lower, upper))| {
            let lower = lower.iter().map(move |word| (stem(word), (axis, false)));
            lower.chain(upper.iter().map(move |word| (stem(word), (axis, true))))
        });
        words.collect()
    });
    SIDES.get(&stem(word)).copied()
}
