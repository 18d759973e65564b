//! What denies: words of the ten commonest languages of the web, and answers of yes or no.

use super::reading::Reading;
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
        if !idle[at] && !numero && !bound && denies(&texts[at]) && tokens[at].kind == Kind::Word {
            tokens[at].kind = Kind::Negation;
        }
    }
}

fn denies(word: &str) -> bool {
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
