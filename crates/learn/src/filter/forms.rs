//! Forms of a word under which a passage may hold it: stems, initials, number words, countries and their people.

use std::collections::BTreeSet;

/// Letters that two forms of a word share at their beginning, at least: `Roman` grounds `Romans`, `established`
/// `establishment`.
const STEM_CHARS: usize = 4;
/// Words whose initials stand for them, at most.
const INITIALS: usize = 6;

/// Letters of what is left of a short word without its ending, at least: `uses`, `used` and `using` come of `use`.
const BASE_CHARS: usize = 3;

/// Verbs whose past has another vowel, with all of their forms that no ending makes.
const IRREGULAR: &[&[&str]] = &[
    &["begin", "began", "begun"],
    &["buy", "bought"],
    &["choose", "chose", "chosen"],
    &["come", "came"],
    &["fall", "fell", "fallen"],
    &["find", "found"],
    &["fly", "flew", "flown"],
    &["get", "got", "gotten"],
    &["give", "gave", "given"],
    &["grow", "grew", "grown"],
    &["hold", "held"],
    &["keep", "kept"],
    &["lead", "led"],
    &["leave", "left"],
    &["lose", "lost"],
    &["make", "made"],
    &["mean", "meant"],
    &["meet", "met"],
    &["pay", "paid"],
    &["run", "ran"],
    &["say", "said"],
    &["sell", "sold"],
    &["send", "sent"],
    &["show", "shown"],
    &["speak", "spoke", "spoken"],
    &["stand", "stood"],
    &["take", "took", "taken"],
    &["teach", "taught"],
    &["tell", "told"],
    &["win", "won"],
    &["write", "wrote", "written"],
];

/// Countries and what comes from them, where they do not share a stem.
const PEOPLES: &[(&str, &str)] = &[
    ("america", "american"),
    ("arabia", "arabic"),
    ("austria", "austrian"),
    ("britain", "british"),
    ("canada", "canadian"),
    ("chile", "chilean"),
    ("china", "chinese"),
    ("denmark", "danish"),
    ("egypt", "egyptian"),
    ("england", "english"),
    ("europe", "european"),
    ("finland", "finnish"),
    ("france", "french"),
    ("germany", "german"),
    ("greece", "greek"),
    ("hungary", "hungarian"),
    ("india", "indian"),
    ("iraq", "iraqi"),
    ("ireland", "irish"),
    ("islam", "islamic"),
    ("israel", "israeli"),
    ("italy", "italian"),
    ("japan", "japanese"),
    ("mexico", "mexican"),
    ("mongolia", "mongol"),
    ("netherlands", "dutch"),
    ("norway", "norwegian"),
    ("norse", "norwegian"),
    ("persia", "persian"),
    ("poland", "polish"),
    ("portugal", "portuguese"),
    ("prussia", "prussian"),
    ("rome", "roman"),
    ("russia", "russian"),
    ("scotland", "scottish"),
    ("spain", "spanish"),
    ("sweden", "swedish"),
    ("switzerland", "swiss"),
    ("turkey", "turkish"),
    ("ukraine", "ukrainian"),
    ("wales", "welsh"),
];

/// Number words beyond those that [`crate::grade::words`] reads, and ordinals: a passage with `nineteenth` grounds
/// `19th`. Small ordinals ground no bare number: nearly every passage has a `first`.
const NUMBERS: &[(&str, &[&str])] = &[
    ("first", &["1st"]),
    ("second", &["2nd"]),
    ("third", &["3rd"]),
    ("fourth", &["4th"]),
    ("fifth", &["5th"]),
    ("sixth", &["6th"]),
    ("seventh", &["7th"]),
    ("eighth", &["8th"]),
    ("ninth", &["9th"]),
    ("tenth", &["10th"]),
    ("eleventh", &["11th"]),
    ("twelfth", &["12th"]),
    ("thirteen", &["13"]),
    ("thirteenth", &["13th", "13"]),
    ("fourteen", &["14"]),
    ("fourteenth", &["14th", "14"]),
    ("fifteen", &["15"]),
    ("fifteenth", &["15th", "15"]),
    ("sixteen", &["16"]),
    ("sixteenth", &["16th", "16"]),
    ("seventeen", &["17"]),
    ("seventeenth", &["17th", "17"]),
    ("eighteen", &["18"]),
    ("eighteenth", &["18th", "18"]),
    ("nineteen", &["19"]),
    ("nineteenth", &["19th", "19"]),
    ("twenty", &["20"]),
    ("twentieth", &["20th", "20"]),
    ("thirty", &["30"]),
    ("forty", &["40"]),
    ("fifty", &["50"]),
    ("sixty", &["60"]),
    ("seventy", &["70"]),
    ("eighty", &["80"]),
    ("ninety", &["90"]),
];

/// Other forms of a passage's words: digits for number words, initials for names of several words (`United States` gives
/// `us`, `University of Houston` `uh`), the words without the stops of an abbreviation (`u.s` gives `us`).
pub(super) fn other_forms(text: &str, words: &BTreeSet<String>) -> Vec<String> {
    let said = NUMBERS.iter().filter(|(word, _)| words.contains(*word));
    let mut forms: Vec<String> =
        said.flat_map(|(_, digits)| digits.iter().map(|form| form.to_string())).collect();
    forms.extend(words.iter().filter(|word| abbreviated(word)).map(|word| word.replace('.', "")));
    let mut name: Vec<char> = Vec::new();
    for word in text.split_whitespace() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let small = matches!(bare, "of" | "the" | "and" | "for" | "de" | "&") || word == "&";
        match bare.chars().next().filter(|c| c.is_uppercase()) {
            Some(initial) if name.len() < INITIALS => name.extend(initial.to_lowercase()),
            _ if small && !name.is_empty() => continue,
            _ => name.clear(),
        }
        // Every end of the name, too: a sentence may begin right before it.
        forms.extend((0..name.len().saturating_sub(1)).map(|from| name[from..].iter().collect::<String>()));
        if word.ends_with(['.', ',', ';', ':', ')', '?', '!']) {
            name.clear();
        }
    }
    forms
}

fn abbreviated(word: &str) -> bool {
    word.contains('.')
        && word.split('.').all(|part| part.chars().count() <= 1)
        && word.starts_with(char::is_alphabetic)
}

/// A word as it is looked up: an abbreviation without its stops.
pub(super) fn looked_up(word: &str) -> String {
    if abbreviated(word) { word.replace('.', "") } else { word.to_string() }
}

/// The country of a people, or the people of a country.
pub(super) fn counterpart(word: &str) -> Option<&'static str> {
    PEOPLES.iter().find_map(|(country, people)| {
        if word == *country {
            Some(*people)
        } else {
            (word == *people || word.strip_suffix('s') == Some(people)).then_some(*country)
        }
    })
}

/// What a word may be a form of: itself, and what is left without the ending of a plural or a verb.
pub(super) fn bases(word: &str) -> Vec<String> {
    let mut found = vec![word.to_string()];
    let mut add = |base: &str| {
        if base.chars().count() >= BASE_CHARS {
            found.push(base.to_string());
        }
    };
    if let Some(rest) = word.strip_suffix("ies").or_else(|| word.strip_suffix("ied")) {
        add(&format!("{rest}y"));
    }
    if let Some(rest) = word.strip_suffix('s').filter(|rest| !rest.ends_with(['s', 'u', 'i'])) {
        add(rest);
        rest.strip_suffix('e').into_iter().for_each(&mut add);
    }
    for rest in ["ed", "ing"].into_iter().filter_map(|ending| word.strip_suffix(ending)) {
        add(rest);
        if !rest.ends_with('e') {
            add(&format!("{rest}e"));
        }
        // `running`, `stopped`
        let mut letters = rest.chars().rev();
        if letters.next().is_some_and(|last| letters.next() == Some(last)) {
            add(&rest[..rest.len() - rest.chars().next_back().map_or(0, char::len_utf8)]);
        }
    }
    let irregular = IRREGULAR.iter().filter(|forms| found.iter().any(|base| forms.contains(&base.as_str())));
    let present: Vec<String> = irregular.map(|forms| forms[0].to_string()).collect();
    found.extend(present);
    found
}

/// Whether two words are forms of one: alike in [`STEM_CHARS`] letters and more than two thirds of the longer one, or in
/// the whole of the shorter one and half of the longer.
pub(super) fn same_stem(one: &str, other: &str) -> bool {
    let (one_chars, other_chars) = (one.chars().count(), other.chars().count());
    let (shorter, longer) = (one_chars.min(other_chars), one_chars.max(other_chars));
    let shared = one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    shared >= STEM_CHARS && (3 * shared > 2 * longer || (shared == shorter && 2 * shared >= longer))
}
