//! What a model says to its reader, around what it was asked for.

use super::lines::{Form, Line, starts_with};

/// Beginnings of a line that announces what follows.
const CHATTY: &[&str] = &[
    "sure",
    "certainly",
    "of course",
    "okay",
    "absolutely",
    "here is",
    "here are",
    "here's",
    "here’s",
    "below is",
    "below are",
    "hier ist",
    "hier sind",
    "natürlich",
    "gerne",
    "voici",
    "bien sûr",
    "claro",
    "por supuesto",
    "aquí está",
    "aquí tienes",
    "aquí están",
    "以下是",
    "以下は",
    "好的",
    "当然",
    "もちろん",
];

/// Beginnings of a line that takes leave.
const LEAVE: &[&str] = &[
    "i hope this helps",
    "i hope these",
    "hope this helps",
    "let me know",
    "please let me know",
    "feel free to",
    "if you have any",
    "if you need",
    "if you would like",
    "if you'd like",
    "is there anything else",
    "would you like",
    "do you want me to",
    "good luck",
    "ich hoffe",
    "n'hésitez pas",
    "espero que",
    "希望这些",
    "希望以上",
];

/// Beginnings of a line after which the text is no longer the answer: a refusal, or the next turn of a chat that the
/// model makes up.
const ANOTHER_TURN: &[&str] = &[
    "you are an ai assistant",
    "you are a helpful",
    "you are an assistant",
    "as an ai",
    "i'm sorry, but",
    "i’m sorry, but",
    "i am sorry, but",
    "sorry, but i can",
    "i can't assist",
    "i cannot assist",
    "user:",
    "human:",
    "assistant:",
    "system:",
    "<|",
    "### instruction",
    "can you come up with",
];

/// Beginnings of a line that sums up.
const SUMS_UP: &[&str] = &[
    "overall",
    "in summary",
    "in conclusion",
    "to summarize",
    "to summarise",
    "to sum up",
    "in short",
    "in essence",
    "these",
    "all of these",
    "this list",
    "this passage",
    "the passage",
    "note:",
    "note that these",
    "(note:",
    "please note",
    "insgesamt",
    "zusammenfassend",
    "en résumé",
    "en conclusion",
    "en resumen",
    "en conclusión",
    "总之",
    "总的来说",
    "总体而言",
    "まとめると",
];

/// What such a line speaks of: the list, not the passage's matter.
const THE_LIST: &[&str] = &[
    "these implications",
    "these points",
    "these facts",
    "these statements",
    "these inferences",
    "these insights",
    "these questions",
    "these findings",
    "these notes",
    "the above implications",
    "the above points",
    "this list",
    "diese aussagen",
    "diese folgerungen",
    "diese punkte",
    "ces implications",
    "estas implicaciones",
    "这些含义",
    "这些推论",
    "这些事实",
    "这些要点",
    "これらの",
];

/// Whether a line only announces what follows. `first`: no other line came before.
pub(super) fn introduces(line: &Line<'_>, first: bool) -> bool {
    let text = line.text.as_str();
    let opens = |word: &&str| {
        starts_with(text, word).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
    };
    text.ends_with([':', '：']) || (first && !line.listed && CHATTY.iter().any(opens))
}

/// Whether a line is a heading in Markdown.
pub(super) fn is_heading(line: &Line<'_>) -> bool {
    line.form == Form::Heading
}

/// Whether a line speaks to the reader instead of about the passage.
pub(super) fn takes_leave(line: &Line<'_>) -> bool {
    LEAVE.iter().any(|words| starts_with(&line.text, words).is_some())
}

/// Whether the text leaves its matter here, for a refusal or for another turn of a chat.
pub(super) fn another_turn(line: &Line<'_>) -> bool {
    !line.listed && ANOTHER_TURN.iter().any(|words| starts_with(&line.text, words).is_some())
}

/// Whether a line sums up the list instead of adding to it. It begins so, and speaks of the list or (`behind`) stands
/// behind a list without being an item.
pub(super) fn sums_up(line: &Line<'_>, behind: bool) -> bool {
    if !SUMS_UP.iter().any(|words| starts_with(&line.text, words).is_some()) {
        return false;
    }
    let lower = line.text.to_lowercase();
    (behind && !line.listed) || THE_LIST.iter().any(|words| lower.contains(words))
}

/// Whether a line heads a list of sources, which models make up.
pub(super) fn heads_sources(line: &Line<'_>) -> bool {
    let names = [
        "sources",
        "source",
        "references",
        "bibliography",
        "citations",
        "works cited",
        "quellen",
        "fuentes",
        "参考文献",
    ];
    let name = line.text.trim_end_matches([':', '：']);
    names.into_iter().any(|word| name.eq_ignore_ascii_case(word))
}

/// Whether a line heads questions that are left to the reader.
pub(super) fn heads_questions(line: &Line<'_>) -> bool {
    let names = [
        "questions to consider",
        "questions to think about",
        "questions for reflection",
        "questions for discussion",
        "discussion questions",
        "review questions",
        "study questions",
        "reflection questions",
        "self-test questions",
        "practice questions",
        "questions",
        "test yourself",
        "check your understanding",
        "food for thought",
        "fragen zum nachdenken",
        "questions à considérer",
        "preguntas para reflexionar",
        "思考题",
    ];
    let name = line.text.trim_end_matches([':', '：', ' ']).to_lowercase();
    names.contains(&name.as_str())
}

/// `Part B: short answers`, `Section 2`.
pub(super) fn begins_part(text: &str) -> bool {
    ["part ", "section ", "teil ", "partie ", "parte ", "第"].into_iter().any(|word| {
        starts_with(text, word).is_some_and(|rest| {
            let mark: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
            let short =
                mark.len() == 1 || matches!(mark.as_str(), "II" | "III" | "IV") || mark.ends_with("部分");
            short && (word != "第" || mark.ends_with("部分"))
        })
    })
}
