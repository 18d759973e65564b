//! Questions and answers in what a model wrote: labelled, numbered, with options, or one behind the other on a line;
//! their answers below each, or all together at the end.

use super::answers::{bracketed_end, entries, inline, trimmed, truth};
use super::asked::{Asked, Open};
use super::labels::{self, Kind, Label};
use super::lines::{Form, Line, prose};
use super::remarks::{another_turn, begins_part, introduces, is_heading, takes_leave};
use super::{choices, lines, marks, tables};

/// Questions that stand before one answer.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Block {
    /// One or more.
    pub(super) questions: Vec<String>,
    /// Their answer.
    pub(super) answer: String,
}

/// The blocks of some lines, and what belongs to none.
#[derive(Default)]
pub(super) struct Blocks {
    /// In order; those answered by a list at the end come last.
    pub(super) blocks: Vec<Block>,
    /// Lines left over, each with its reason.
    pub(super) left: Vec<(String, &'static str)>,
}

/// Why a question is left out.
pub(super) const NO_ANSWER: &str = "has no answer";
const NO_QUESTION: &str = "belongs to no question";
const INTRODUCES: &str = "only introduces what follows";

/// Reads lines into blocks: questions, then their answer.
pub(super) fn blocks(lines: &[Line<'_>]) -> Blocks {
    let lettered = lines.iter().filter(|line| line.text.starts_with("A. ")).nth(1).is_some();
    let (found, asked) = (Blocks::default(), Asked::default());
    let mut reader = Reader { lines, lettered, found, asked, answering: None, key: None };
    let mut at = 0;
    while at < lines.len() {
        at += reader.read(at);
    }
    let left = reader.asked.finish().into_iter().map(|question| (question, NO_ANSWER));
    reader.found.left.extend(left);
    reader.found
}

/// An answer that may go on in the next line: its block, and the line it began with.
struct Answering {
    /// None while it is still to come.
    block: Option<usize>,
    from: usize,
    /// The label stood alone, and what follows is the answer.
    below: bool,
    /// It announced items with a colon.
    items: bool,
}

struct Reader<'l, 't> {
    lines: &'l [Line<'t>],
    /// Several lines begin with `A.`: it stands for the answer, and not for a name.
    lettered: bool,
    found: Blocks,
    asked: Asked,
    answering: Option<Answering>,
    /// In a list of answers: the number of the next one.
    key: Option<usize>,
}

impl Reader<'_, '_> {
    /// Reads the line there and says how many lines it took.
    fn read(&mut self, at: usize) -> usize {
        let lines = self.lines;
        let line = &lines[at];
        if another_turn(line) || (at + 1 == lines.len() && takes_leave(line)) {
            lines[at..].iter().for_each(|line| self.leave(line.raw, "speaks to the reader"));
            return lines.len() - at;
        }
        if let Some((count, blocks)) = tables::blocks(&lines[at..]) {
            self.answering = None;
            self.found.blocks.extend(blocks);
            return count;
        }
        if self.asked.any()
            && let Some((count, options)) = choices::options(&lines[at..])
        {
            self.options(options);
            return count;
        }
        if self.goes_on(line) {
            self.extend(line);
            return 1;
        }
        self.answering = self.answering.take().filter(|answering| answering.block.is_none());
        let lettered = line.text.strip_prefix("A. ").filter(|_| self.lettered && self.asked.any());
        match labels::label(&line.text) {
            Some(label) => self.labelled(at, label),
            None if lettered.is_some() => self.answer(at, None, lettered.unwrap_or_default(), true),
            None if self.heads_key(at, &line.text) => self.key = Some(1),
            None if self.key.is_some() => self.by_key(at, line.number, &line.text),
            None => self.unlabelled(at),
        }
        1
    }

    fn leave(&mut self, line: &str, reason: &'static str) {
        self.found.left.push((line.to_string(), reason));
    }

    /// A list of answers begins: it is called so, or stands under a label that has none, after two questions or more.
    fn heads_key(&self, at: usize, text: &str) -> bool {
        let next = self.lines.get(at + 1);
        let numbered = next.is_some_and(|next| {
            next.number.is_some() || labels::label(&next.text).is_some_and(|label| label.number.is_some())
        });
        labels::heads_answers(text) && self.asked.groups() > 0 && (numbered || self.asked.groups() > 1)
    }

    fn labelled(&mut self, at: usize, label: Label<'_>) {
        let line = &self.lines[at];
        let asks = marks::asks(label.rest);
        match label.kind {
            Kind::Question if self.key.is_some() && !asks && !label.rest.is_empty() => {
                self.by_key(at, label.number.or(line.number), label.rest);
            }
            Kind::Question => self.question(at, label.number.or(line.number), label.rest),
            Kind::Wording if asks => self.ask(None, label.rest),
            Kind::Answer if label.rest.is_empty() && self.heads_key(at, &line.text) => self.key = Some(1),
            Kind::Answer if self.asked.groups() > 1 && !entries(label.rest).is_empty() => {
                entries(label.rest)
                    .into_iter()
                    .for_each(|(number, text)| self.by_key(at, Some(number), text));
            }
            Kind::Answer if self.key.is_some() => self.by_key(at, label.number.or(line.number), label.rest),
            Kind::Answer => {
                // `Answer 3: 3) Yes`
                let again =
                    prose(label.rest).filter(|line| line.number.is_some() && line.number == label.number);
                let text = again.map_or_else(|| label.rest.to_string(), |line| line.text);
                self.answer(at, label.number, &text, true);
            }
            Kind::Aside if !asks => self.leave(line.raw, "explains, and is no answer"),
            Kind::Statement if !asks => {
                self.asked.defer();
                let reason = if label.rest.is_empty() { INTRODUCES } else { NO_QUESTION };
                self.leave(line.raw, reason);
            }
            Kind::Aside | Kind::Statement => self.question(at, label.number, label.rest),
            Kind::Wording if self.key.is_some() => self.by_key(at, line.number, &line.text),
            Kind::Wording => self.unlabelled(at),
        }
    }

    /// What follows a question's label: the question; its answer, too, if that has a label or no line follows that has.
    fn question(&mut self, at: usize, number: Option<usize>, rest: &str) {
        self.key = None;
        // `Question 2: 2. What ..?`
        let rest = prose(rest).filter(|line| line.listed).map_or_else(|| rest.to_string(), |line| line.text);
        if rest.is_empty() {
            self.asked.number(number);
            return;
        }
        let inner = [
            "Answer:",
            "answer:",
            " A:",
            " Ans:",
            "Antwort:",
            "Respuesta:",
            "Réponse :",
            "Réponse:",
            "答案：",
            "答：",
        ];
        if let Some((question, answer)) = inner.into_iter().find_map(|label| rest.split_once(label)) {
            self.ask(number, question);
            self.answer(at, None, answer, true);
            return;
        }
        let answered_below = self.lines.get(at + 1).is_some_and(is_answer);
        let follows = |tail: &str| {
            let options = || choices::in_one_line(tail.trim()).is_some();
            tail.contains(char::is_alphanumeric) && (!answered_below || options())
        };
        match marks::question_end(&rest) {
            Some(end) if follows(&rest[end..]) => {
                self.one_behind_the_other(at, number, &rest);
            }
            _ => self.ask(number, &rest),
        }
    }

    fn ask(&mut self, number: Option<usize>, question: &str) {
        self.answering = None;
        self.asked.ask(number, question);
    }

    fn options(&mut self, options: choices::Options) {
        let right = options.right.and_then(|right| options.texts.get(right).cloned());
        self.asked.options(options.texts);
        if let Some(right) = right
            && let Some(open) = self.asked.take(None, true)
        {
            self.close(open, &right);
        }
    }

    /// An answer. One with a label may have a number; one without belongs to the last question only.
    fn answer(&mut self, at: usize, number: Option<usize>, text: &str, labelled: bool) {
        if !text.contains(char::is_alphanumeric) {
            // It stands on the next lines.
            self.answering = Some(Answering { block: None, from: at, below: true, items: false });
            self.asked.expect(number);
            return;
        }
        match self.asked.take(number, labelled) {
            Some(open) => self.close_at(at, open, text),
            None => self.leave(text, NO_QUESTION),
        }
    }

    fn close_at(&mut self, at: usize, open: Open, answer: &str) {
        let block = self.close(open, answer);
        self.answering =
            block.map(|block| Answering { block: Some(block), from: at, below: false, items: false });
    }

    /// Makes a block, and says which.
    fn close(&mut self, open: Open, answer: &str) -> Option<usize> {
        let mut answer = choices::chosen(trimmed(answer), &open.options);
        if open.questions.iter().any(|question| marks::is_true_or_false(question)) {
            answer = truth(&answer).unwrap_or(answer);
        }
        let said = answer.contains(char::is_alphanumeric);
        let mut block = Block { questions: Vec::new(), answer };
        for question in open.questions {
            if !said {
                self.found.left.push((question, NO_ANSWER));
            } else if !open.options.is_empty() && question.to_lowercase().contains("of the following") {
                self.found.left.push((question, "asks about options that it does not show"));
            } else {
                block.questions.push(question);
            }
        }
        if block.questions.is_empty() {
            return None;
        }
        self.found.blocks.push(block);
        Some(self.found.blocks.len() - 1)
    }

    /// Whether a line goes on with the answer before it: an item below it or beside its first one, a line further in, or
    /// one that begins small where the answer did not end.
    fn goes_on(&self, line: &Line<'_>) -> bool {
        let Some(answering) = &self.answering else { return false };
        let Some(block) = answering.block.and_then(|block| self.found.blocks.get(block)) else {
            return false;
        };
        let first = &self.lines[answering.from];
        if labels::label(&line.text).is_some_and(|label| label.kind != Kind::Wording)
            || is_heading(line)
            || marks::asks(&line.text)
            || takes_leave(line)
        {
            return false;
        }
        let ended = block.answer.ends_with(['.', '!', '。', '！']);
        // In a list of answers the next item is the next answer.
        let beside =
            first.listed && first.number.is_none() && line.number.is_none() && line.indent == first.indent;
        let item = line.listed
            && (answering.below
                || answering.items
                || block.answer.ends_with([':', '：'])
                || line.below(first)
                || (beside && self.key.is_none()));
        let inside = !line.listed && !line.apart && line.indent > first.indent + 1;
        let small = !line.listed && !line.apart && !ended && line.text.starts_with(char::is_lowercase);
        let paragraph = answering.below && !line.listed && !line.apart && !first.listed;
        item || inside || small || paragraph || (line.form == Form::Code && !line.apart)
    }

    fn extend(&mut self, line: &Line<'_>) {
        let Some(answering) = &mut self.answering else { return };
        let Some(block) = answering.block.and_then(|block| self.found.blocks.get_mut(block)) else { return };
        answering.items |= block.answer.ends_with([':', '：']);
        let item = line.listed && !block.answer.ends_with([':', '：', '.', '!', '。', ',', ';']);
        block.answer.push_str(if item { ", " } else { " " });
        block.answer.push_str(line.text.trim());
    }

    /// An entry of a list of answers.
    fn by_key(&mut self, at: usize, number: Option<usize>, text: &str) {
        let line = &self.lines[at];
        if marks::ends_asking(text) {
            self.key = None;
            self.unlabelled(at);
            return;
        }
        let (number, text) = match number {
            Some(number) => (Some(number), text),
            None => {
                // `1: Otrar`, `1 - B`.
                let digits = lines::leading_digits(text);
                let rest = text[digits.len()..].trim_start();
                match (lines::number(digits), rest.strip_prefix([':', '：', '-', '–', '.', ')'])) {
                    (Some(number), Some(rest)) => (Some(number), rest.trim()),
                    _ => (None, text),
                }
            }
        };
        let place = match (number, line.listed) {
            (Some(number), _) => number,
            (None, true) => self.key.unwrap_or(1),
            (None, false) => {
                self.leave(line.raw, NO_QUESTION);
                return;
            }
        };
        self.key = Some(place + 1);
        // A question said again before its answer.
        let text = marks::question_end(text).map_or(text, |end| text[end..].trim());
        match self.asked.by_number(place) {
            Some(open) => self.close_at(at, open, text),
            None => self.leave(line.raw, NO_QUESTION),
        }
    }

    fn unlabelled(&mut self, at: usize) {
        let line = &self.lines[at];
        let text = line.text.as_str();
        if line.form == Form::Code {
            let expected = self.answering.take().is_some();
            self.answer(at, None, text, expected);
        } else if marks::question_end(text).is_some() {
            self.one_behind_the_other(at, line.number, text);
        } else if marks::asks(text) || (self.tells(at) && marks::tells_to_answer(text)) {
            let (question, answer) = bracketed_end(text);
            self.ask(line.number, question);
            if let Some(answer) = answer {
                self.answer(at, None, answer, true);
            }
        } else if is_heading(line) || begins_part(text) {
            self.asked.defer();
            self.leave(line.raw, "a heading");
        } else if introduces(line, at == 0) {
            self.asked.defer();
            self.leave(line.raw, INTRODUCES);
        } else {
            let expected = self.answering.take().is_some();
            self.answer(at, None, text, expected);
            if let Some(answering) = &mut self.answering {
                answering.below = expected;
            }
        }
    }

    /// Whether a line tells to answer: an answer with a label, or options, follow.
    fn tells(&self, at: usize) -> bool {
        let rest = &self.lines[at + 1..];
        rest.first().is_some_and(is_answer) || choices::options(rest).is_some()
    }

    /// `Question? Answer. Question? Answer.`: what stands between two questions ends with a sentence; what follows its
    /// last full stop begins the next question.
    fn one_behind_the_other(&mut self, at: usize, number: Option<usize>, text: &str) {
        let (mut rest, mut asked) = (text, false);
        while let Some(end) = marks::question_end(rest) {
            let (before, after) = rest.split_at(end);
            let stop =
                [". ", "。"].into_iter().filter_map(|stop| Some(before.rfind(stop)? + stop.len())).max();
            let question = match stop.filter(|_| asked) {
                Some(stop) => {
                    self.answer(at, None, &inline(&before[..stop]), true);
                    &before[stop..]
                }
                None => before,
            };
            self.ask(number.filter(|_| !asked), question);
            (rest, asked) = (after, true);
        }
        let tail = inline(rest);
        if let Some(texts) = choices::in_one_line(&tail) {
            self.asked.options(texts);
        } else if tail.contains(char::is_alphanumeric) {
            self.answer(at, None, &tail, true);
        }
    }
}

fn is_answer(line: &Line<'_>) -> bool {
    labels::label(&line.text).is_some_and(|label| label.kind == Kind::Answer)
}
