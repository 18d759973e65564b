//! Grades answers without a judge model: normalised words, the share of the accepted answer that was said, no negation.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// Share of the accepted answer's words that a right answer holds, at least. Against GPT-4.1's verdicts on 9,740 published
/// answers of SEAL this rule agrees 87.5 % (kappa .72), exact match 69 %, F1 >= .5 72 % (method, section 4).
pub const RECALL_NEEDED: f64 = 0.67;

/// A right answer has at most this many words for each of the accepted one ...
pub const WORDS_A_WORD: usize = 3;
/// ... and this many besides. Recall alone would be earned by reciting the passage. A full sentence around the answer ("The town
/// of Otrar was the first that the Mongols took in") takes about a dozen words whatever the answer; a longer answer is said
/// again in other words with up to about three for each of its own. What is longer names other candidates too.
pub const WORDS_BESIDES: usize = 12;

/// How good an answer is; each number is the best over the accepted answers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Grade {
    /// Whether it counts as right.
    pub right: bool,
    /// Share of the accepted answer's words that it holds, 0 to 1.
    pub recall: f64,
    /// Harmonic mean of that share and the share of its own words that the accepted answer holds, 0 to 1 (SQuAD's F1).
    pub f1: f64,
    /// Equal after normalisation.
    pub exact: bool,
}

/// One word after normalisation: lower case, no marks above letters, numbers in one form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Word {
    /// The word.
    pub text: String,
    /// Whether it is a number or holds a digit: such words cannot be replaced by others.
    pub number: bool,
}

/// Grades `answer` against each of `accepted` and keeps the best. Right means: [`RECALL_NEEDED`] of the accepted answer's words
/// are there, its numbers among them without exception; it is not longer than the cap; and it negates neither more nor less than
/// the accepted answer. An accepted answer of one or two words must therefore be there word for word. Nothing is right where
/// nothing is accepted.
pub fn grade(answer: &str, accepted: &[String]) -> Grade {
    let said = answer_words(answer);
    accepted.iter().map(|gold| against(&said, &answer_words(gold))).fold(Grade::default(), |a, b| Grade {
        right: a.right || b.right,
        recall: a.recall.max(b.recall),
        f1: a.f1.max(b.f1),
        exact: a.exact || b.exact,
    })
}

fn against(said: &[Word], gold: &[Word]) -> Grade {
    if gold.is_empty() || said.is_empty() {
        return Grade::default();
    }
    let mut left: HashMap<&str, usize> = HashMap::new();
    for word in said {
        *left.entry(word.text.as_str()).or_default() += 1;
    }
    let (mut found, mut numbers) = (0_usize, true);
    for word in gold {
        match left.get_mut(word.text.as_str()).filter(|count| **count > 0) {
            Some(count) => {
                *count -= 1;
                found += 1;
            }
            None => numbers &= !word.number,
        }
    }
    let recall = found as f64 / gold.len() as f64;
    let f1 = 2.0 * found as f64 / (gold.len() + said.len()) as f64;
    let short = said.len() <= gold.len() * WORDS_A_WORD + WORDS_BESIDES;
    let right = recall >= RECALL_NEEDED && numbers && short && negates(said) == negates(gold);
    Grade { right, recall, f1, exact: said == gold }
}

/// Whether one of the words negates. "No 5" and "No. 5" are numbers, not denials.
fn negates(words: &[Word]) -> bool {
    let denies = |(index, word): (usize, &Word)| match word.text.as_str() {
        "no" => !words.get(index + 1).is_some_and(|next| next.number),
        "not" | "never" | "none" | "nobody" | "nothing" | "nowhere" | "neither" | "nor" | "cannot"
        | "without" => true,
        other => other.ends_with("n't"),
    };
    words.iter().enumerate().any(denies)
}

/// The words of an answer: articles and words for percent left out, unless nothing else is there ("The The", "A").
fn answer_words(text: &str) -> Vec<Word> {
    let all = words(text);
    let idle = |word: &Word| matches!(word.text.as_str(), "a" | "an" | "the" | "percent");
    let kept: Vec<Word> = all.iter().filter(|word| !idle(word)).cloned().collect();
    if kept.is_empty() { all } else { kept }
}

/// The words of a text in one form, in order: compatibility forms folded (NFKD), lower case, no marks above letters, possessive
/// `'s` taken off, numbers in one form (`1,234.50` is `1234.5`), a unit cut off its number (`10km`). Words are those of Unicode's annex 29;
/// a text that has none, such as `+`, is cut at white space.
pub fn words(text: &str) -> Vec<Word> {
    let plain: String = text.nfkd().filter(|c| !('\u{300}'..='\u{36f}').contains(c)).collect();
    let plain = plain.replace(['\u{2019}', '\u{2bc}'], "'").to_lowercase();
    let mut found = Vec::new();
    for word in plain.unicode_words().flat_map(|word| word.split('_')) {
        push_word(word.strip_suffix("'s").unwrap_or(word), &mut found);
    }
    if found.is_empty() {
        found.extend(plain.split_whitespace().map(|text| Word { text: text.into(), number: false }));
    }
    found
}

fn push_word(word: &str, found: &mut Vec<Word>) {
    if let Some(digit) = small_number(word) {
        found.push(Word { text: digit.into(), number: true });
        return;
    }
    let digits = word.find(|c: char| !c.is_numeric() && !matches!(c, '.' | ',')).unwrap_or(word.len());
    let (head, unit) = word.split_at(digits);
    if head.is_empty() {
        let number = word.chars().any(char::is_numeric);
        if !word.is_empty() {
            found.push(Word { text: word.into(), number });
        }
        return;
    }
    match unit {
        // A decade is another thing than its first year.
        "s" => found.push(Word { text: word.into(), number: true }),
        "" | "st" | "nd" | "rd" | "th" => number(head, found),
        unit => {
            number(head, found);
            let number = unit.chars().any(char::is_numeric);
            found.push(Word { text: unit.into(), number });
        }
    }
}

/// A number in one form: thousands not separated, no zeros before it or after its decimals (`1,234.50` is `1234.5`, `07` is
/// `7`). A comma that does not separate thousands parts two numbers.
fn number(digits: &str, found: &mut Vec<Word>) {
    let digits = digits.trim_matches(['.', ',']);
    let mut groups = digits.split('.').next().unwrap_or_default().split(',');
    let first = groups.next().is_some_and(|group| (1..=3).contains(&group.chars().count()));
    let thousands = first && groups.all(|group| group.chars().count() == 3);
    let whole = if thousands { digits.replace(',', "") } else { digits.to_string() };
    for part in whole.split(',').filter(|part| !part.is_empty()) {
        let decimal = part.matches('.').count() == 1;
        let part = if decimal { part.trim_end_matches('0').trim_end_matches('.') } else { part };
        let short = part.trim_start_matches('0');
        let text =
            if short.is_empty() || short.starts_with('.') { format!("0{short}") } else { short.into() };
        found.push(Word { text, number: true });
    }
}

/// Number words that answers write as digits as often. `one` is left: it is a pronoun more often than a number.
fn small_number(word: &str) -> Option<&'static str> {
    Some(match word {
        "zero" => "0",
        "two" => "2",
        "three" => "3",
        "four" => "4",
        "five" => "5",
        "six" => "6",
        "seven" => "7",
        "eight" => "8",
        "nine" => "9",
        "ten" => "10",
        "eleven" => "11",
        "twelve" => "12",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
