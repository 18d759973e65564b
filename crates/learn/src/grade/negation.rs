//! What denies: words of the ten commonest languages of the web, and answers of yes or no.

use std::ops::Range;

use super::reading::{Habits, Reading};
use super::scan::{Gap, Kind, Token};

/// Words that deny, by language; written without marks above letters, as words are compared. Left out is what means something
/// else in English: Spanish `sin`, French `sans`, Portuguese `sem` beside English words are rare, but "sin" is not.
const DENIALS: [&[&str]; 8] = [
    // English
    &[
        "no", "not", "never", "none", "nobody", "nothing", "nowhere", "neither", "nor", "cannot", "without",
        "isnt", "wasnt", "didnt", "doesnt", "wont", "cant",
    ],
    // Spanish
    &["nunca", "jamas", "ningun", "ninguno", "ninguna", "nadie", "nada", "tampoco"],
    // French
    &["ne", "pas", "jamais", "rien", "aucun", "aucune", "non"],
    // German
    &[
        "nicht", "kein", "keine", "keinen", "keinem", "keiner", "keines", "nie", "niemals", "niemand",
        "nichts", "ohne", "weder", "nein",
    ],
    // Portuguese
    &["nao", "nenhum", "nenhuma", "ninguem", "nem"],
    // Russian; й loses its mark
    &["не", "нет", "ни", "никогда", "никто", "ничего", "нельзя", "без"],
    // Arabic
    &["لا", "ليس", "ليست", "لم", "لن", "بدون"],
    // Hindi
    &["नहीं", "नही", "मत", "बिना"],
];

/// Phrases that hold such a word and deny nothing.
const IDLE: [&[&str]; 13] = [
    &["nothing", "but"],
    &["no", "doubt"],
    &["without", "doubt"],
    &["without", "a", "doubt"],
    &["without", "question"],
    &["no", "other", "than"],
    &["none", "other", "than"],
    &["not", "only"],
    &["not", "just"],
    &["not", "until"],
    &["no", "sooner", "than"],
    &["if", "not"],
    &["whether", "or", "not"],
];

/// Words that begin a clause with a will of its own: what is denied before them is not denied after them.
const CUTS: [&str; 18] = [
    "but", "although", "though", "while", "whereas", "however", "because", "which", "who", "instead",
    "rather", "mais", "sondern", "aber", "sino", "pero", "mas", "но",
];

/// Words for yes, and for no, with which an answer begins.
const YES: [&str; 14] =
    ["yes", "yeah", "true", "correct", "si", "oui", "ja", "sim", "да", "はい", "是的", "نعم", "हाँ", "हां"];
const NO: [&str; 13] =
    ["no", "nope", "false", "incorrect", "untrue", "non", "nein", "nao", "нет", "いいえ", "不是", "لا", "नहीं"];

/// Verbs and the like with which a question asks for what is not so: "What are they forbidden to do?"
const DENYING: [&str; 12] = [
    "forbidden",
    "forbade",
    "prohibited",
    "refused",
    "refuse",
    "refuses",
    "lack",
    "lacks",
    "lacked",
    "except",
    "different",
    "differ",
];

/// Whether a question expects a denial for an answer.
pub(super) fn expected(question: &Reading) -> bool {
    question.has(Kind::Negation) || question.says(&DENYING)
}

/// Words that take out of a clause what stands behind them.
const EXCEPTING: [&str; 8] = ["except", "excluding", "lacks", "lacked", "ausser", "sauf", "salvo", "excepto"];

/// Denials that reach only what stands behind them.
const FORWARD: [&str; 3] = ["without", "ohne", "без"];

/// A clause of so many words behind a denied one is one more thing that is denied: `for Windows, macOS or BSD`.
const ITEM_WORDS: usize = 3;

/// Whether a sentence denies what stands at these bytes of it: there is a denial in its clause, or an exception before it. What holds the denial itself is said as it is.
pub(crate) fn denied_at(sentence: &str, place: Range<usize>) -> bool {
    let read = |text: &str| Reading::new(text, Habits::default());
    let (mut whole, before) = (read(sentence), read(&sentence[..place.end]));
    // "Neither .. nor" denies once.
    let neither = whole.says(&["neither"]);
    for (at, token) in whole.tokens.iter_mut().enumerate() {
        let behind = at >= before.tokens.len() && FORWARD.contains(&token.text.as_str());
        if behind || (neither && token.text == "nor") {
            token.kind = Kind::Word;
        }
    }
    let Some(mut clause) = before.tokens.last().map(|token| token.clause) else { return false };
    if read(&sentence[place]).has(Kind::Negation) {
        return false;
    }
    let excepted = |token: &Token| token.clause == clause && EXCEPTING.contains(&token.text.as_str());
    if before.tokens.iter().any(excepted) {
        return true;
    }
    loop {
        let words: Vec<&Token> = whole.tokens.iter().filter(|token| token.clause == clause).collect();
        if denied(&whole.tokens, |one| one == clause) {
            return true;
        }
        let item = words.len() <= ITEM_WORDS && !words.first().is_some_and(|first| cuts(&first.text));
        match clause.checked_sub(1).filter(|_| item) {
            Some(one) => clause = one,
            None => return false,
        }
    }
}

/// Whether a text denies anything, or asks for what is not so.
pub(crate) fn denies(text: &str) -> bool {
    let read = Reading::new(text, Habits::default());
    expected(&read) || read.says(&EXCEPTING)
}

/// Whether a word begins a new clause.
pub(super) fn cuts(word: &str) -> bool {
    CUTS.contains(&word)
}

/// Whether a word holds a denial, and the rest of it: "wasn't" is "was" denied, French "n'est" is "est" denied.
pub(super) fn contracted(word: &str) -> (bool, &str) {
    if let Some(rest) = word.strip_suffix("n't") {
        return (true, rest);
    }
    match word.split_once('\'') {
        Some(("n", rest)) if !rest.is_empty() => (true, rest),
        // French elisions are no part of the word.
        Some(("l" | "d" | "j" | "s" | "c" | "m" | "t" | "qu", rest)) if rest.chars().count() > 1 => {
            (false, rest)
        }
        _ => (false, word),
    }
}

/// Marks the tokens that deny. "No 5" and "No. 5" are numbers, not denials; "no more than" is a bound.
pub(super) fn mark(tokens: &mut [Token]) {
    let texts: Vec<String> = tokens.iter().map(|token| token.text.clone()).collect();
    let mut idle = vec![false; tokens.len()];
    for at in 0..texts.len() {
        for phrase in IDLE {
            if texts[at..].len() >= phrase.len() && phrase.iter().zip(&texts[at..]).all(|(a, b)| a == b) {
                idle[at..at + phrase.len()].fill(true);
            }
        }
    }
    for at in 0..tokens.len() {
        let next = tokens.get(at + 1);
        let numero =
            texts[at] == "no" && next.is_some_and(|next| next.kind == Kind::Number && next.gap != Gap::Comma);
        let bound = next.is_some_and(|next| {
            matches!(next.text.as_str(), "more" | "less" | "fewer" | "later" | "earlier")
        });
        if !idle[at] && !numero && !bound && is_denial(&texts[at]) && tokens[at].kind == Kind::Word {
            tokens[at].kind = Kind::Negation;
        }
    }
}

fn is_denial(word: &str) -> bool {
    DENIALS.iter().any(|words| words.contains(&word))
}

/// Whether the clauses are denied, taken together. Two English denials in one clause cancel each other; other languages say
/// one denial with two words.
pub(super) fn denied(tokens: &[Token], clauses: impl Fn(usize) -> bool) -> bool {
    let here = || tokens.iter().filter(|token| token.kind == Kind::Negation && clauses(token.clause));
    let english = here().filter(|token| DENIALS[0].contains(&token.text.as_str())).count();
    english % 2 == 1 || here().count() > english
}

/// What a text says that is only yes or no, or begins with it. True for yes.
pub(super) fn verdict(tokens: &[Token]) -> Option<bool> {
    let said = |token: &Token| {
        let word = token.text.as_str();
        if YES.contains(&word) { Some(true) } else { NO.contains(&word).then_some(false) }
    };
    let first = tokens.first()?;
    // "No. 5"
    let numero = tokens.get(1).is_some_and(|next| next.kind == Kind::Number);
    said(first).filter(|_| !numero)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(sentence: &str, part: &str) -> bool {
        let at = sentence.find(part).unwrap_or_else(|| panic!("{part} is not in {sentence}"));
        denied_at(sentence, at..at + part.len())
    }

    #[test]
    fn what_stands_under_a_denial_is_told_from_what_does_not() {
        for (sentence, part) in [
            ("There is no version for Windows.", "Windows"),
            ("There is no version for Windows, macOS or BSD.", "macOS"),
            ("Windows is not supported.", "Windows"),
            ("It was never sold in Dalby.", "Dalby"),
            ("It runs on all systems except Solaris.", "Solaris"),
            ("Neither Tom nor Priya came.", "Priya"),
            ("It works without a network.", "network"),
            ("Es gibt keine Fassung für Windows.", "Windows"),
            ("Il n'existe pas pour Windows.", "Windows"),
        ] {
            assert!(denied(sentence, part), "{sentence} {part}");
        }
        for (sentence, part) in [
            ("There is a version for Linux.", "Linux"),
            ("It runs on Linux, not on Solaris.", "Linux"),
            ("It is not for Windows but for Linux.", "Linux"),
            ("It keeps logs in Dalby without a network.", "Dalby"),
            ("It is no more than 30 metres tall.", "30 metres"),
            ("See plot No. 5 in Dalby.", "Dalby"),
            ("It costs no fee.", "no fee"),
        ] {
            assert!(!denied(sentence, part), "{sentence} {part}");
        }
        assert!(denies("Where is it not sold?") && denies("Who came except Tom?") && !denies("Who came?"));
    }
}
