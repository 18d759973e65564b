//! Which words of a statement are names: capitals where grammar does not ask for one.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::grounding::FUNCTION_WORDS;

/// Words of a lead-in before a colon, at most.
const LEAD_IN_WORDS: usize = 6;
/// Capitals in the middle of a statement from which it may be in Title Case.
const TITLE_WORDS: usize = 4;
/// Share of such words with a capital from which it is.
const TITLE_SHARE: f64 = 0.8;
/// Share of a statement's words that are German function words from which it is German.
const GERMAN_SHARE: f64 = 0.15;

const GERMAN: &str = "aber als am auch auf aus bei beim dem den der des die das durch ein eine einem einen einer eines er \
    es für hat hatte ihm ihn im ist mit nach nicht oder sein seine sich sie sind und von vom vor war \
    waren werden wird wurde wurden zu zum zur über";
/// Behind these a German noun seldom stands without an article, a place or a person often does.
const GERMAN_BEFORE_NAMES: &[&str] = &["aus", "bei", "in", "nach", "von", "herr", "frau"];
/// Ends of German nouns that are no names.
const GERMAN_ENDS: &str = "ung ungen heit heiten keit keiten schaft schaften tion tionen tät nis tum ismus";

/// Ends of English words that are seldom names.
const ORDINARY_ENDS: &str = "tion tions sion sions ment ments ness ity ities ance ence ances ences ship ships ism ing ings ive \
    ous ful less able ible tic ed ly age ages ory ior ure ures ional ical ural ocal ency ancy ogy ics ty ies gths gth";
/// Words of headings besides.
const ORDINARY: &str = "action actions advantage advantages aim approach background basis benefit benefits cause causes \
    challenge challenges change changes choice consequences context control cost costs data date death \
    debate decline defeat defeats details effect effects end event events example examples factor \
    factors fact facts figures focus force forces form forms goal goals growth historical history idea \
    ideas impact impacts insight insights issue issues key lack law level levels life limits link links \
    location loss losses method methods name names nature need number numbers order origin origins \
    outcome outcomes overview part parts people period place plan point points policy power problem \
    problems process product products purpose quick range rate rates reason reasons result results rise \
    risk risks role roles rule rules scale scope shift size skill skills source sources specific speed \
    start state status step steps strategic strategy strength success support system systems task tasks \
    term terms theme themes threat time timeline tool tools trade trend trends type types unit units use \
    uses value values victory view views war weakness weaknesses work works world year years";
/// Capitals that are no names of the passage's matter: forms of address.
const ADDRESS: &[&str] = &["dr", "mr", "mrs", "ms", "prof", "st", "sir", "lady", "lord", "i"];

/// How a statement uses capitals.
pub(super) struct Capitals {
    german: bool,
    title: bool,
    lead_in: Range<usize>,
}

impl Capitals {
    /// Looks a statement over. It is German if a seventh of its words are German function words: there every noun has a
    /// capital. It is in Title Case if four fifths of the longer words in its middle have one. What stands before a
    /// colon, in Title Case and of six words at most, is a lead-in or a label.
    pub(super) fn of(statement: &str) -> Self {
        let words: Vec<&str> = statement.unicode_words().collect();
        let german = words.iter().filter(|word| among(GERMAN, &word.to_lowercase())).count();
        let middle: Vec<_> = words.iter().skip(1).filter(long).collect();
        let capital = middle.iter().filter(|word| word.starts_with(char::is_uppercase)).count();
        let lead_in = statement.split_once([':', '：']).map_or(0..0, |(head, _)| 0..head.len());
        let head: Vec<&str> = statement[lead_in.clone()].unicode_words().collect();
        let titled = head.len() <= LEAD_IN_WORDS
            && head.iter().filter(long).all(|word| word.starts_with(char::is_uppercase));
        Self {
            german: german as f64 >= GERMAN_SHARE * words.len() as f64 && german > 1,
            title: capital >= TITLE_WORDS && capital as f64 >= TITLE_SHARE * middle.len() as f64,
            lead_in: if titled { lead_in } else { 0..0 },
        }
    }

    /// Whether the word at `at` is a name. Never at the beginning of a sentence, one letter, a form of address, a part of
    /// code. In Title Case and in a lead-in not if it is an ordinary word by its end or by a short list; in German only
    /// if a name may be told from a noun: it stands beside another capital, or without an article behind `in`, `nach`,
    /// `von`.
    pub(super) fn name(&self, statement: &str, at: usize, word: &str) -> bool {
        let lower = word.to_lowercase();
        let lower = lower.split('\'').next().unwrap_or_default();
        if !word.starts_with(char::is_uppercase)
            || word.chars().nth(1).is_none()
            || FUNCTION_WORDS.contains(&lower)
            || ADDRESS.contains(&lower)
            || opens(&statement[..at])
            || in_code(statement, at, word)
        {
            return false;
        }
        if (self.title && !self.german) || self.lead_in.contains(&at) {
            return !ordinary(lower);
        }
        !self.german || german_name(&statement[..at], &statement[at + word.len()..], word)
    }
}

fn long(word: &&&str) -> bool {
    word.chars().count() >= 4 && word.starts_with(char::is_alphabetic)
}

/// Whether a sentence begins behind this.
fn opens(before: &str) -> bool {
    let before = before.trim_end_matches(|c: char| c.is_whitespace() || "\"'“‘(«「".contains(c));
    before.is_empty() || before.ends_with(['.', '!', '?', ':', '\n', '…', '：', '。', '？', '！', '•', '|'])
}

/// Whether a word is part of code: a call, a path of `::`, a member, an underscore or a sign of assignment beside it.
fn in_code(statement: &str, at: usize, word: &str) -> bool {
    let before = &statement[..at];
    let after = &statement[at + word.len()..];
    let member = before.strip_suffix('.').is_some_and(|owner| owner.ends_with(char::is_alphanumeric));
    after.starts_with(['(', '[', '{', '<', '=', '\\', '_', '@'])
        || after.starts_with("::")
        || before.ends_with("::")
        || before.ends_with(['_', '<', '=', '\\', '@', '#', '$', '{', '`'])
        || member
        || word.contains('_')
}

fn among(list: &str, word: &str) -> bool {
    list.split(' ').any(|listed| listed == word)
}

fn ordinary(lower: &str) -> bool {
    let ends = |end: &str| lower.len() > end.len() + 2 && lower.ends_with(end);
    among(ORDINARY, lower) || ORDINARY_ENDS.split(' ').any(ends)
}

fn german_name(before: &str, after: &str, word: &str) -> bool {
    if GERMAN_ENDS.split(' ').any(|end| word.ends_with(end)) {
        return false;
    }
    let previous =
        before.trim_end_matches(' ').rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let apart = before.trim_end_matches(' ').ends_with(|c: char| !c.is_alphanumeric());
    let capital = |text: &str| text.starts_with(char::is_uppercase);
    let previous_lower = previous.to_lowercase();
    let article = among(GERMAN, &previous_lower);
    // Two in a row are a name in full; behind an article the first of them is a noun: `der Statthalter Otrars`.
    let beside = (!apart && capital(previous) && !article)
        || (!article && after.strip_prefix(' ').is_some_and(capital));
    let before_names = GERMAN_BEFORE_NAMES.contains(&previous_lower.as_str());
    let beside = beside || (before_names && after.strip_prefix(' ').is_some_and(capital));
    beside || (!apart && before_names)
}
