//! Labels that models put before questions, answers and statements: `Question 1:`, `**Short Answer:**`, `Q.1)`, `问题1：`.

use super::lines::{ideographic, leading_digits, number, starts_with};

/// What a label announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A question.
    Question,
    /// The question in other words. It may also be an answer's; who reads it looks for the question mark.
    Wording,
    /// An answer.
    Answer,
    /// What stands around questions: an explanation, a source, a level of difficulty.
    Aside,
    /// A statement: `Implication 3:`, `Fact 2:`.
    Statement,
}

/// A line's label.
#[derive(Debug, PartialEq)]
pub(super) struct Label<'a> {
    /// What it announces.
    pub(super) kind: Kind,
    /// Its number.
    pub(super) number: Option<usize>,
    /// What follows it.
    pub(super) rest: &'a str,
}

const QUESTION: &str = "question questions q frage pregunta domanda pergunta vraag вопрос 问题 问 質問 問 問題 题 题目 問い 質問文 질문 문제";
const ANSWER: &str = "answer answers ans a antwort antworten réponse réponses reponse respuesta respuestas risposta \
    resposta antwoord ответ 答案 答 回答 答え 解答 正解 正确答案 参考答案 标准答案 简短答案 简短回答 简答 短答 短い答え 정답 답 답변 solution lösung \
    response r";
const WORDING: &str = "alt alternative alternatives alternate alternatively variant variation version wording phrasing \
    rephrase rephrased restated rephrasing reworded rewording paraphrase paraphrased reformulation reformulated way \
    another umformulierung alternativ variante alternativa otra 变体 另一种问法 换一种问法 言い換え 別の言い方";
const ASIDE: &str = "explanation reason reasoning rationale justification reference evidence difficulty hint note comment \
    feedback topic options choices points marks type erklärung begründung hinweis explication \
    explicación 解释 解析 説明 解説 理由 选项";
const STATEMENT: &str = "implication fact statement point inference fakt tatsache fait hecho implikation implicación 事实 事実 要点 \
    含义 推论 示唆";
/// Words that may stand beside the word that says what it is.
const BESIDE: &str = "short long brief concise direct indirect first second third 1st 2nd 3rd key main original new other \
    correct right final model sample expected suggested possible the of for to in is no nr number \
    multiple choice open closed ended form style test exam quiz kurze kurz richtige erste zweite direkte \
    courte correcte bonne directe première deuxième corta breve correcta directa primera segunda";
/// Beside words that announce an answer where no other word does: `Correct: B`.
const RIGHT: &[&str] = &["correct", "right", "correcta", "richtige"];

/// Words of a label, at most.
const WORDS: usize = 6;
/// Characters in which its colon must come.
const HEAD_CHARS: usize = 48;

/// The label that a line begins with.
pub(super) fn label(text: &str) -> Option<Label<'_>> {
    with_colon(text).or_else(|| in_brackets(text)).or_else(|| without_colon(text)).or_else(|| alone(text))
}

/// What a column's head or a key of JSON names.
pub(super) fn named(head: &str) -> Option<Kind> {
    read(head).map(|(kind, _)| kind)
}

/// Whether a line heads a list of answers to questions asked before: `Answer Key`.
pub(super) fn heads_answers(text: &str) -> bool {
    let heads = [
        "answers",
        "answer key",
        "answers key",
        "the answers",
        "key",
        "correct answers",
        "short answers",
        "solutions",
        "solution key",
        "antworten",
        "lösungen",
        "réponses",
        "corrigé",
        "respuestas",
        "答案",
        "参考答案",
        "解答",
        "回答",
        "答え",
    ];
    let bare = text.trim_end_matches([':', '：', ' ']).to_lowercase();
    heads.contains(&bare.as_str())
}

fn with_colon(text: &str) -> Option<Label<'_>> {
    let (at, colon) = text.char_indices().take(HEAD_CHARS).find(|(_, c)| matches!(c, ':' | '：'))?;
    let (kind, number) = read(&text[..at])?;
    Some(Label { kind, number, rest: text[at + colon.len_utf8()..].trim() })
}

/// `[Question] ..`, `【答案】..`.
fn in_brackets(text: &str) -> Option<Label<'_>> {
    let inner = text.strip_prefix(['[', '【'])?;
    let (at, close) = inner.char_indices().take(HEAD_CHARS).find(|(_, c)| matches!(c, ']' | '】'))?;
    let (kind, number) = read(&inner[..at])?;
    Some(Label {
        kind,
        number,
        rest: inner[at + close.len_utf8()..].trim_start_matches([':', '：', ' ']).trim(),
    })
}

/// What the words of a label announce, and their number; none if one of them belongs to no label.
fn read(head: &str) -> Option<(Kind, Option<usize>)> {
    let (mut kinds, mut index, mut beside) = (Vec::new(), None, None);
    let words = head.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    for (count, word) in words.enumerate() {
        let (name, digits) = in_parts(word);
        let name = name.to_lowercase();
        index = index.or(number(digits));
        let letter = name.len() == 1;
        if count == WORDS {
            return None;
        } else if name.is_empty() || (letter && !kinds.is_empty() && name.as_str() <= "e") {
            continue;
        } else if let Some(kind) = kind(&name) {
            kinds.push(kind);
        } else if RIGHT.contains(&name.as_str()) {
            beside = Some(Kind::Answer);
        } else if among(BESIDE, &name) {
            // `Direct:`, `First:` put a question in one of two ways.
            beside = beside.or(Some(Kind::Wording));
        } else {
            return None;
        }
    }
    let order = [Kind::Aside, Kind::Answer, Kind::Question, Kind::Wording, Kind::Statement];
    let kind = order.into_iter().find(|kind| kinds.contains(kind)).or(beside)?;
    Some((kind, index))
}

/// A word and the number in or behind it: `Q1`, `问题1`, `第1题`; `1a` is a number alone, `2nd` a word.
fn in_parts(word: &str) -> (&str, &str) {
    let inner = word.strip_prefix('第').unwrap_or(word);
    let Some(at) = inner.find(|c: char| number(leading_digits(c.encode_utf8(&mut [0; 4]))).is_some()) else {
        return (inner.trim_matches(['一', '二', '三', '四', '五', '六', '七', '八', '九', '十']), "");
    };
    let digits = leading_digits(&inner[at..]);
    let (before, after) = (&inner[..at], &inner[at + digits.len()..]);
    match (before, after) {
        ("", "") => ("", digits),
        ("", after) if after.len() == 1 => ("", digits),
        ("", after) if !after.is_ascii() => (after, digits),
        (before, after) if !before.is_empty() && after.len() <= 1 => (before, digits),
        _ => (word, ""),
    }
}

fn among(list: &str, word: &str) -> bool {
    list.split(' ').any(|listed| listed == word)
}

fn kind(name: &str) -> Option<Kind> {
    let lists = [
        (QUESTION, Kind::Question),
        (ANSWER, Kind::Answer),
        (WORDING, Kind::Wording),
        (ASIDE, Kind::Aside),
        (STATEMENT, Kind::Statement),
    ];
    lists.into_iter().find(|(words, _)| among(words, name)).map(|(_, kind)| kind)
}

/// `Question 3. ..`, `Q.1) ..`, `A1. ..`, `Ans. ..`, `Answer - ..`. A letter has its number right behind it: `A 5-year
/// plan` and `A. Smith` are no answers.
fn without_colon(text: &str) -> Option<Label<'_>> {
    let end = text.find(|c: char| !c.is_alphabetic()).filter(|end| *end > 0)?;
    let (word, rest) = text.split_at(end);
    let name = word.to_lowercase();
    let kind = kind(&name).filter(|kind| matches!(kind, Kind::Question | Kind::Answer | Kind::Statement))?;
    let single = name.chars().count() == 1 && name.is_ascii();
    let spaced =
        if single { rest.trim_start_matches(['.', '#']) } else { rest.trim_start_matches([' ', '.', '#']) };
    let digits = leading_digits(spaced);
    if !digits.is_empty() {
        let after = spaced[digits.len()..].trim_start_matches(|c: char| c.is_ascii_lowercase());
        let after = after.trim_start();
        let stop = after.strip_prefix(['.', ')', '-', '–', '．', '、', '）']);
        let whole = |item: &&str| {
            item.is_empty()
                || item.starts_with(|c: char| c.is_whitespace() || ideographic(c) || matches!(c, '.' | ')'))
        };
        let rest = match stop.filter(whole) {
            Some(item) => item.trim_start_matches(['.', ')']).trim(),
            None if after.is_empty() => "",
            None => return None,
        };
        return Some(Label { kind, number: number(digits), rest });
    }
    let dash = rest
        .strip_prefix(" - ")
        .or_else(|| rest.strip_prefix(" – "))
        .filter(|_| !single && kind != Kind::Statement);
    let stop = rest.strip_prefix(". ").filter(|_| matches!(name.as_str(), "ans" | "q"));
    Some(Label { kind, number: None, rest: dash.or(stop)?.trim() })
}

/// A label that is the whole line: `Short Answer`.
fn alone(text: &str) -> Option<Label<'_>> {
    if text.len() > HEAD_CHARS || text.chars().count() < 2 {
        return None;
    }
    let (kind, number) = read(text).filter(|(kind, _)| matches!(kind, Kind::Question | Kind::Answer))?;
    // A right answer may be made of such words; not of these.
    let named = QUESTION
        .split(' ')
        .chain(ANSWER.split(' '))
        .any(|word| word.chars().count() > 1 && starts_or_ends(text, word));
    named.then_some(Label { kind, number, rest: "" })
}

fn starts_or_ends(text: &str, word: &str) -> bool {
    let from = text.len().saturating_sub(word.len());
    starts_with(text, word).is_some() || text.get(from..).is_some_and(|tail| tail.eq_ignore_ascii_case(word))
}
