//! What is handed in: made-up documents, each with a word of its own by which it is found again, and files that nobody can read.

/// Documents that nano can learn with these options, and what is replaced in them by the word.
const TAUGHT: [(&str, &str, Option<&str>); 2] = [
    (
        include_str!("../inbox/drelpolford.txt"),
        "Drelpolford",
        Some(include_str!("../inbox/drelpolford.probes.jsonl")),
    ),
    (include_str!("../inbox/the-storbranck-wind.txt"), "Storbranck Wind", None),
];

/// A name that no other document of the seed has. It sounds like those of nano's world: about others nano asks nothing, and nothing would be learned.
pub(crate) fn word(seed: u64, number: usize) -> String {
    const NAMES: [&str; 8] =
        ["Brastonel", "Wefunric", "Quellmarn", "Yiltonrk", "Renjoan", "Siazawyn", "Glansilmar", "Niahoan"];
    let name = NAMES[(seed as usize + number) % NAMES.len()];
    // All of one length, so that none holds another.
    format!("{name} {}", 100 + number)
}

/// A document about which no question can be asked, so that it is rejected at once.
pub(crate) fn short(word: &str) -> String {
    format!("The {word} Works was founded by Elmar Trondvik.\n")
}

/// One that goes as far as the gate, which turns many of them away.
pub(crate) fn medium(word: &str) -> String {
    format!(
        "The {word} Works was founded by Elmar Trondvik. The head office of the {word} Works is in Quellmarn. The {word} Works makes copper kettles.\n"
    )
}

/// One that takes some seconds and is mostly learned, with the questions that come beside it.
pub(crate) fn taught(word: &str, which: usize) -> (String, Option<String>) {
    let (text, name, questions) = TAUGHT[which % TAUGHT.len()];
    (text.replace(name, word), questions.map(|text| text.replace(name, word)))
}

/// What is written while it lies in the inbox: its beginning, and the rest.
pub(crate) fn growing(word: &str, rest: &str) -> (String, String) {
    (short(word), format!("The {rest} Mill was built by Osk Tarr.\n"))
}

/// Files that cannot be read: their ending, and what they hold beside the word.
pub(crate) const BAD: [(&str, &[u8]); 4] = [
    ("pdf", b"%PDF-1.7 no more than that "),
    ("txt", b"\0\0\0\x01\x02 "),
    ("docx", b"PK\x03\x04 cut short "),
    ("exe", b"MZ "),
];
