//! Questions that still wait for their answers.

/// Questions put aside, at most: each answer in a list at the end looks for its own among them.
const ASIDE: usize = 200;

/// Wordings of one question.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// One or more.
    pub(super) questions: Vec<String>,
    /// The options below them.
    pub(super) options: Vec<String>,
    number: Option<usize>,
}

/// What was asked and not answered.
#[derive(Default)]
pub(super) struct Asked {
    /// The last ones, one group for each number.
    pending: Vec<Open>,
    /// Those before a heading, or before others that were answered.
    aside: Vec<Option<Open>>,
    /// The number of a label that stood alone.
    announced: Option<usize>,
    /// The number of an answer's label that stood alone.
    expected: Option<usize>,
    lost: Vec<String>,
}

impl Asked {
    /// A question. One with a number begins a group of its own.
    pub(super) fn ask(&mut self, number: Option<usize>, question: &str) {
        let question = marked_once(question.trim());
        if !question.contains(char::is_alphanumeric) {
            return;
        }
        let number = self.announced.take().or(number);
        // What has its options has all its wordings.
        let full = self.pending.last().is_none_or(|open| !open.options.is_empty());
        if let Some(open) = self.pending.last_mut().filter(|_| !full && number.is_none()) {
            open.questions.push(question);
            return;
        }
        if self.pending.len() == ASIDE {
            self.defer();
        }
        self.pending.push(Open { questions: vec![question], options: Vec::new(), number });
    }

    /// The number of the question in the next line.
    pub(super) fn number(&mut self, number: Option<usize>) {
        self.announced = number;
    }

    /// The number of the answer in the next line.
    pub(super) fn expect(&mut self, number: Option<usize>) {
        self.expected = number;
    }

    pub(super) fn any(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Groups without an answer.
    pub(super) fn groups(&self) -> usize {
        self.pending.len() + self.aside.iter().flatten().count()
    }

    /// Puts options to the last question.
    pub(super) fn options(&mut self, options: Vec<String>) {
        if let Some(open) = self.pending.last_mut() {
            open.options = options;
        }
    }

    /// What the next answer belongs to. With a label: to the group with its number; else two groups are two wordings,
    /// numbered. Of three and more, and without a label, it is the last. Without a label three groups are a list that is
    /// answered elsewhere.
    pub(super) fn take(&mut self, number: Option<usize>, labelled: bool) -> Option<Open> {
        let number = number.or(self.expected.take());
        if number.is_some() && self.pending.last().is_none_or(|last| last.number != number) {
            if let Some(at) = self.pending.iter().position(|open| open.number == number) {
                return Some(self.pending.remove(at));
            }
            if self.pending.is_empty() {
                return number.and_then(|number| self.by_number(number));
            }
        }
        if self.pending.len() > 2 && !labelled {
            return None;
        }
        let mut last = self.pending.pop()?;
        let options = |open: &Open| !open.options.is_empty();
        if labelled && self.pending.len() == 1 && !options(&last) && !self.pending.iter().any(options) {
            let mut first = self.pending.pop()?;
            first.questions.append(&mut last.questions);
            return Some(first);
        }
        self.defer();
        Some(last)
    }

    /// What an entry with this number in a list of answers belongs to: the first that waits under this number; where none
    /// has one, the one in this place.
    pub(super) fn by_number(&mut self, number: usize) -> Option<Open> {
        self.defer();
        let numbered = self.aside.iter().flatten().any(|open| open.number.is_some());
        let found = if numbered {
            self.aside.iter().position(|open| open.as_ref().is_some_and(|open| open.number == Some(number)))
        } else {
            number.checked_sub(1).filter(|at| *at < self.aside.len())
        };
        self.aside[found?].take()
    }

    /// Puts the last ones aside: a heading follows, or the answer to others.
    pub(super) fn defer(&mut self) {
        for open in self.pending.drain(..) {
            if self.aside.len() < ASIDE {
                self.aside.push(Some(open));
            } else {
                self.lost.extend(open.questions);
            }
        }
    }

    /// The questions without an answer.
    pub(super) fn finish(&mut self) -> Vec<String> {
        self.defer();
        let mut left: Vec<String> = self.aside.drain(..).flatten().flat_map(|open| open.questions).collect();
        left.append(&mut self.lost);
        left
    }
}

/// `What is it??` asks once.
fn marked_once(question: &str) -> String {
    let bare = question.trim_end_matches('?');
    if question.len() - bare.len() > 1 { format!("{bare}?") } else { question.to_string() }
}
