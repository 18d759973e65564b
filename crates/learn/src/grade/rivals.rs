//! Other candidates of the passage: an answer that offers one of them has not chosen.

use super::inflection::functional;
use super::reading::{Habits, Reading, root};

/// Rivals that a right answer may mention. Against the verdicts of a judge who does not mind what else is said, one or two
/// would be right nine times of ten; but whoever recites a passage must not earn by it.
const ALLOWED: usize = 0;

/// Whether the answer offers one of `rivals`. A rival that the question mentions, or that is part of what is accepted or the
/// other way round, is none.
pub(super) fn offered(said: &Reading, gold: &Reading, question: &Reading, rivals: &[String]) -> bool {
    let offers = |rival: &&String| {
        let rival = Reading::new(rival, Habits::default());
        !within(&rival, question) && !within(&rival, gold) && !within(gold, &rival) && stands(&rival, said)
    };
    rivals.iter().filter(offers).nth(ALLOWED).is_some()
}

/// Whether all words of one text stand in the other, wherever.
fn within(part: &Reading, whole: &Reading) -> bool {
    let mut words = part.tokens.iter().filter(|token| !functional(&token.text)).peekable();
    words.peek().is_some() && words.all(|token| !whole.places(token).is_empty())
}

/// Whether one text stands in the other in one piece.
fn stands(part: &Reading, whole: &Reading) -> bool {
    let Some(first) = part.tokens.first() else { return false };
    whole.places(first).iter().any(|&at| {
        let here = whole.tokens[at..].iter().take(part.tokens.len());
        here.len() == part.tokens.len() && here.zip(&part.tokens).all(|(a, b)| root(a) == root(b))
    })
}
