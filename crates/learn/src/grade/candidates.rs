//! Answers that name several candidates instead of one, and accepted answers that are lists.

use super::reading::Reading;
use super::scan::{Gap, Kind, Token};

/// Words between two candidates, in the languages that [`negation`](super::negation) knows.
const OR: [&str; 8] = ["or", "oder", "ou", "или", "أو", "या", "或者", "或"];
const AND: [&str; 8] = ["and", "und", "et", "y", "e", "и", "و", "und"];

/// A candidate that "or" offers beside another one stands within this many words of it: a name with its title.
const BESIDE_OR: usize = 3;
/// An answer of up to this many words for each of the accepted one, and this many besides, is short: a choice that it offers is
/// all that it says. A longer one says other things too, and "or" may be about those.
const SHORT: (usize, usize) = (3, 6);
/// A candidate of a bare list has at most this many words; longer ones are clauses with an apposition between them.
const CANDIDATE_WORDS: usize = 2;
/// An item of a list that is asked for has at most this many words; longer ones are not counted one by one.
const ITEM_WORDS: usize = 4;
/// Candidates in a row, at least, that are a list and not an answer with an apposition ("Paris, France").
const CANDIDATES: usize = 3;

/// Whether the accepted answer itself offers a choice.
pub(super) fn offers_choice(gold: &Reading) -> bool {
    gold.says(&OR) || gold.says(&["either", "entweder"])
}

/// Whether the answer leaves open which of two things it means: "Either Otrar or Bukhara", "1985 or 1986", "1990-1995" where
/// one year is asked for. `matched` are the places of what is right in it. A second name after a comma or in brackets is no
/// choice ("Euramerica (or Laurussia)"), nor is a second one in quotation marks.
pub(super) fn hedged(said: &Reading, gold: &Reading, matched: &[usize]) -> bool {
    let tokens = &said.tokens;
    let short = tokens.len() <= SHORT.0 * gold.tokens.len() + SHORT.1 || said.says(&["either", "entweder"]);
    if offers_choice(gold) || !short {
        return false;
    }
    let right = |at: usize| matched.binary_search(&at).is_ok();
    matched.iter().any(|&at| {
        let clause = tokens[at].clause;
        let near = at.saturating_sub(BESIDE_OR + 1)..(at + BESIDE_OR + 2).min(tokens.len());
        let offered = near.filter(|&near| tokens[near].clause == clause).any(|near| {
            let or = OR.contains(&tokens[near].text.as_str());
            let other = if near > at { near + 1 } else { near.wrapping_sub(1) };
            or && tokens.get(other).is_some_and(|other| other.clause == clause && !other.quoted)
                && !right(other)
        });
        offered || range(tokens, at, right)
    })
}

/// Whether the number at a place is one end of a range whose other end is not right.
fn range(tokens: &[Token], at: usize, right: impl Fn(usize) -> bool) -> bool {
    let number = |at: usize| tokens.get(at).is_some_and(|token| token.kind == Kind::Number);
    let parted = |at: usize| tokens[at].gap == Gap::Hyphen;
    let width = |at: usize| tokens[at].text.len();
    if !number(at) {
        return false;
    }
    let next = number(at + 1) && parted(at + 1) && !right(at + 1) && width(at + 1) >= width(at);
    let before = at > 0 && number(at - 1) && parted(at) && !right(at - 1) && width(at - 1) <= width(at);
    next || before
}

/// Whether the answer is a bare list that has what is right among other things: "Otrar, Bukhara, Samarkand".
pub(super) fn bare_list(said: &Reading, gold: &Reading, matched: &[usize]) -> bool {
    let items = items(&said.tokens);
    let short = items.iter().all(|item| item.len() <= CANDIDATE_WORDS);
    let right =
        items.iter().filter(|item| (**item).clone().any(|at| matched.binary_search(&at).is_ok())).count();
    let asked = self::items(&gold.tokens).len();
    short && items.len() >= CANDIDATES.max(2 * asked + 1) && 2 * right < items.len()
}

/// The items of a list of three or more, as ranges of tokens. Nothing for other texts.
pub(super) fn listed(gold: &Reading) -> Vec<std::ops::Range<usize>> {
    let items = items(&gold.tokens);
    let short = items.iter().all(|item| item.len() <= ITEM_WORDS);
    if items.len() >= CANDIDATES && short { items } else { Vec::new() }
}

/// What commas, line ends and words such as "and" part.
fn items(tokens: &[Token]) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    for (at, token) in tokens.iter().enumerate() {
        let word = AND.contains(&token.text.as_str()) || OR.contains(&token.text.as_str());
        if word || (at > 0 && matches!(token.gap, Gap::Comma | Gap::Stop)) {
            found.push(start..at);
            start = at + usize::from(word);
        }
    }
    found.push(start..tokens.len());
    found.retain(|item| !item.is_empty());
    found
}
