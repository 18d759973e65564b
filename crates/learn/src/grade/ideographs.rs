//! Chinese and Japanese: no spaces, so that order is told by two neighbouring signs at a time.

use super::scan::Kind;

/// Signs that end the names of places and may be left out: 北京市 is 北京.
const PLACES: &str = "市省县縣県州区區郡町村镇鎮府国國";

/// Signs and words that deny. 不 and 非 begin names too, see [`NAMES`].
const DENIALS: [&str; 14] =
    ["不", "没", "沒", "未", "非", "无", "無", "别", "勿", "否", "ない", "なく", "なかっ", "ません"];
/// Words that hold such a sign and deny nothing: Britain, Africa, very, future, Wuxi, special, difference, department.
const NAMES: [&str; 14] = [
    "不列颠",
    "不丹",
    "非洲",
    "非常",
    "未来",
    "未來",
    "无锡",
    "無錫",
    "特别",
    "区别",
    "分别",
    "别墅",
    "不少",
    "是否",
];

/// Whether a word is one Chinese sign or one Japanese syllable, which Unicode's word rules take for words of their own.
pub(super) fn is_one(word: &str) -> bool {
    let mut chars = word.chars();
    chars.next().is_some_and(|c| {
        matches!(c, '\u{3005}' | '\u{3041}'..='\u{309f}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
    }) && chars.all(|c| matches!(c, '\u{3099}' | '\u{309a}'))
}

/// The tokens of signs in a row: each pair of neighbours (海上 is not 上海), or the one there is; and a denial.
pub(super) fn tokens(run: &str) -> Vec<(String, Kind)> {
    let signs: Vec<char> = run.chars().collect();
    let mut found: Vec<_> = match signs.as_slice() {
        [one] => vec![(one.to_string(), Kind::Ideographs)],
        signs => signs.windows(2).map(|pair| (pair.iter().collect(), Kind::Ideographs)).collect(),
    };
    let bare = NAMES.iter().fold(run.to_string(), |run, name| run.replace(name, "\u{3000}"));
    if DENIALS.iter().any(|denial| bare.contains(denial)) {
        found.push(("不".into(), Kind::Negation));
    }
    found
}

/// Whether the pair of signs only adds what kind of place it is: 京市 in 北京市, the last pair of three signs or more.
pub(super) fn kind_of_place(pair: &str) -> bool {
    pair.chars().nth(1).is_some_and(|last| PLACES.contains(last))
}
