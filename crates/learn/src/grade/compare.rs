//! Compares one reading of an answer with one of an accepted answer.

use std::collections::HashSet;

use super::inflection::{around_number, functional};
use super::reading::{Reading, place, root};
use super::scan::{Gap, Kind, Token};
use super::{Grade, RECALL_NEEDED, RECALL_WITH_NUMBERS, bounds, candidates, negation, order, units};

/// Grades one reading of an answer. Words of the question need not be said again.
pub(super) fn compare(said: &Reading, gold: &Reading, question: Option<&Reading>) -> Grade {
    if gold.tokens.is_empty() || said.tokens.is_empty() {
        return Grade::default();
    }
    let exact = said.texts().eq(gold.texts());
    let all = Found::new(said, gold, content(gold, None));
    let spoken =
        said.tokens.iter().filter(|token| !functional(&token.text) && token.kind != Kind::Negation).count();
    let hits = all.hits();
    let f1 = 2.0 * hits as f64 / (all.content.len() + spoken.max(hits)) as f64;
    let needed = question.map(|_| Found::new(said, gold, content(gold, question)));
    let right = match yes_or_no(said, gold) {
        Some(right) => right,
        None => needed.as_ref().unwrap_or(&all).right(said, gold, question),
    };
    Grade { right: right || exact, recall: all.recall(), f1, exact }
}

/// Where an answer has the words that are asked for.
struct Found {
    /// The places of those words in the accepted answer.
    content: Vec<usize>,
    /// Whether the answer has each.
    found: Vec<bool>,
    /// Where; a word can be there without a place, as initials.
    places: Vec<Option<usize>>,
}

impl Found {
    fn new(said: &Reading, gold: &Reading, content: Vec<usize>) -> Self {
        let mut used = HashSet::new();
        let mut cursors = std::collections::HashMap::new();
        let places: Vec<Option<usize>> = content
            .iter()
            .map(|&at| {
                let (places, token) = (said.places(&gold.tokens[at]), &gold.tokens[at]);
                let cursor: &mut usize = cursors.entry(root(token)).or_default();
                let place = places.get(*cursor).copied();
                *cursor += 1;
                place.filter(|place| used.insert(*place))
            })
            .collect();
        let mut found: Vec<bool> = places.iter().map(Option::is_some).collect();
        if found.contains(&false) {
            otherwise(said, gold, &content, &mut found);
        }
        Self { content, found, places }
    }

    fn hits(&self) -> usize {
        self.found.iter().filter(|found| **found).count()
    }

    fn recall(&self) -> f64 {
        self.hits() as f64 / self.found.len() as f64
    }

    /// Whether what was found makes the answer right.
    fn right(&self, said: &Reading, gold: &Reading, question: Option<&Reading>) -> bool {
        let tokens = || self.content.iter().map(|at| &gold.tokens[*at]);
        let exact = tokens().zip(&self.found).all(|(token, found)| *found || !token.kind.exact());
        let needed = if self.counts(said, gold) { RECALL_WITH_NUMBERS } else { RECALL_NEEDED };
        if !exact || self.recall() < needed {
            return false;
        }
        let mut matched: Vec<usize> = self.places.iter().flatten().copied().collect();
        matched.sort_unstable();
        let clauses: HashSet<usize> = matched.iter().map(|at| said.tokens[*at].clause).collect();
        let here = |clause: usize| clauses.contains(&clause);
        let (denied, asked) =
            (negation::denied(&said.tokens, here), negation::denied(&gold.tokens, |_| true));
        let expected = question.is_some_and(negation::expected);
        (denied == asked || expected)
            && !other_measure(said, gold)
            && !bounds::opposed(said, gold, here)
            && !candidates::hedged(said, gold, &matched)
            && !candidates::bare_list(said, gold, &matched)
            && !order::turned(said, gold, &self.content, &self.places)
            && self.whole_list(gold)
    }

    /// Whether the accepted answer has a number and the answer counts nothing else with it: "seven" will do for "seven brothers",
    /// "seven sisters" not.
    fn counts(&self, said: &Reading, gold: &Reading) -> bool {
        let number = |at: &usize| {
            let token = &gold.tokens[*at];
            token.kind == Kind::Number && !token.text.starts_with(char::is_alphabetic)
        };
        let other = |place: usize| {
            said.tokens.get(place + 1).is_some_and(|next| {
                let word =
                    next.kind == Kind::Word && matches!(next.gap, Gap::Nothing | Gap::Space | Gap::Hyphen);
                word && !functional(&next.text) && gold.places(next).is_empty()
            })
        };
        let places = self.content.iter().zip(&self.places).filter(|(at, _)| number(at));
        let mut places = places.filter_map(|(_, place)| *place).peekable();
        places.peek().is_some() && !places.any(other)
    }

    /// Whether each item of a list is there, by more than its half.
    fn whole_list(&self, gold: &Reading) -> bool {
        candidates::listed(gold).into_iter().all(|item| {
            let place = |at: usize| self.content.partition_point(|content| *content < at);
            let words = &self.found[place(item.start)..place(item.end)];
            2 * words.iter().filter(|found| **found).count() >= words.len()
        })
    }
}

/// Words that are there under another name: a single Chinese sign within a word, initials for a name and a name for its initials.
fn otherwise(said: &Reading, gold: &Reading, content: &[usize], found: &mut [bool]) {
    let (signs, spelled) = (said.ideographs(), said.initials());
    for (&at, found) in content.iter().zip(found.iter_mut()) {
        let token = &gold.tokens[at];
        let mut chars = token.text.chars();
        let sign = chars.next().filter(|_| token.kind == Kind::Ideographs && chars.next().is_none());
        *found |= sign.is_some_and(|sign| signs.contains(&sign));
        *found |= token.capitals && spelled.contains_key(&token.text);
    }
    let short: HashSet<&str> =
        said.tokens.iter().filter(|token| token.capitals).map(|token| token.text.as_str()).collect();
    if short.is_empty() {
        return;
    }
    for (initials, run) in gold.initials() {
        if short.contains(initials.as_str()) {
            for index in run.iter().filter_map(|at| content.binary_search(at).ok()) {
                found[index] = true;
            }
        }
    }
}

/// The places of the words that an answer has to have: not those that say nothing of their own, nor denials, nor what the
/// amount is in, nor words of the question, unless there are no others.
fn content(gold: &Reading, question: Option<&Reading>) -> Vec<usize> {
    let tokens = &gold.tokens;
    let (numbers, formula) = (gold.has(Kind::Number), gold.has(Kind::Operator));
    // "May" joins words too, but not as a month.
    let joins = |token: &Token| token.kind != Kind::Month && functional(&token.text);
    let own = |token: &Token| formula || !(joins(token) || (numbers && around_number(&token.text)));
    let says = |at: &usize| {
        let token = &tokens[*at];
        !matches!(token.kind, Kind::Negation | Kind::Currency) && own(token) && !place(tokens, *at)
    };
    let asked = |at: &usize| question.is_some_and(|question| !question.places(&tokens[*at]).is_empty());
    let said: Vec<usize> = (0..tokens.len()).filter(says).collect();
    let new: Vec<usize> = said.iter().copied().filter(|at| !asked(at)).collect();
    if !new.is_empty() {
        return new;
    }
    if said.is_empty() { (0..tokens.len()).collect() } else { said }
}

/// Whether both say in what an amount is, and not in the same: other money, another unit.
fn other_measure(said: &Reading, gold: &Reading) -> bool {
    let (said, gold) = (units::measures(&said.tokens), units::measures(&gold.tokens));
    !said.is_empty() && !gold.is_empty() && said.is_disjoint(&gold)
}

/// Where the accepted answer is nothing but yes or no: whether the answer says the same.
fn yes_or_no(said: &Reading, gold: &Reading) -> Option<bool> {
    let asked = negation::verdict(&gold.tokens).filter(|_| gold.tokens.len() == 1)?;
    let answered = negation::verdict(&said.tokens).or_else(|| {
        let denied = negation::denied(&said.tokens, |_| true);
        let affirmed = said.says(&["yes", "true", "correct"]);
        (denied || affirmed).then_some(!denied)
    });
    Some(answered == Some(asked))
}
