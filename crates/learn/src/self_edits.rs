//! Self-edits: the model chooses directives, an author writes a text for each, and what is fit to train on is taken from it.

use super::author::Author;
use super::directive;
use super::evidence;
use super::filter::{self, FilterOptions, Filtered};
use super::grade;
use super::parse;
use super::probes::Reading;
use super::prompt::{self, Fill, PromptSet};
use super::rows;
use super::self_study;
use super::session::{Session, Writing};
use super::study;
use seald_core::domain::probe::Probe;
use seald_core::domain::progress::{Progress, Task};
use seald_core::domain::self_edit::{Directive, DroppedLine, Format, RowText};
use seald_core::error::Result;

/// Most tokens of a self-edit.
const EDIT_TOKENS: usize = 1024;
/// Texts of different candidates that are written side by side, at most: a token of many costs little more than that of one, but each takes memory.
const SIDE_BY_SIDE: usize = 32;

/// A self-edit of one passage.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Number of its candidate.
    pub candidate: usize,
    /// Number of its passage.
    pub passage: usize,
    /// How it wants to be trained.
    pub directive: Directive,
    /// Version of the prompt that it was written with.
    pub prompt_version: String,
    /// What the author wrote.
    pub text: String,
    /// Rows to train on; none if it was discarded.
    pub rows: Vec<RowText>,
    /// Why it was discarded.
    pub discarded: Option<String>,
    /// Lines left out.
    pub dropped: Vec<DroppedLine>,
}

/// Writes the candidates of a document, one self-edit for each passage, at temperature 1. `probes` are what no row may copy: the
/// author never sees them.
///
/// # Errors
/// From the engine; those of an author elsewhere.
pub fn write(
    session: &Session<'_>,
    document: Reading<'_>,
    probes: &[Probe],
    author: Author<'_>,
    tell: &mut dyn FnMut(Progress),
) -> Result<Vec<Draft>> {
    let directives = match (session.prompts, author.adapter()) {
        // Untrained, a model's choice from the menu says nothing about what teaches it: every form has its turn.
        (PromptSet::General, None) => directive::in_turn(&session.options),
        _ => chosen(session, document, author)?,
    };
    let seed = session.seed(document.key, "self-edits");
    let each = together(document.passages.len());
    let mut drafts = Vec::new();
    for (group, directives) in directives.chunks(each).enumerate() {
        let formats: Vec<Format> = directives.iter().map(|d| d.format).collect();
        let seed = seed.wrapping_add((group as u64) << 32);
        let write = || each_format(session, document, &formats, seed, author);
        let written = session.work.doing(Task::WriteTexts, write)?;
        for (place, (directive, texts)) in directives.iter().zip(written).enumerate() {
            let candidate = group * each + place;
            for (passage, text) in texts.into_iter().enumerate() {
                drafts.push(draft(session, document, (candidate, passage), directive, text, probes)?);
            }
        }
    }
    if session.prompts == PromptSet::General {
        evidence::leave_out_made_up(session, document, &mut drafts)?;
        add_by_rule(session, document, &mut drafts)?;
    }
    for Draft { candidate, directive, rows, discarded, .. } in &drafts {
        let (candidate, format, discarded) = (*candidate, directive.format, discarded.clone());
        tell(Progress::SelfEdit { candidate, format, rows: rows.len(), discarded });
    }
    Ok(drafts)
}

/// Adds what is trained on by rule to the first draft of each passage, which then is of use whatever its author wrote.
fn add_by_rule(session: &Session<'_>, document: Reading<'_>, drafts: &mut [Draft]) -> Result<()> {
    let facts = study::facts(session, document)?;
    for (number, passage) in document.passages.iter().enumerate() {
        let rows = drafts.iter().filter(|draft| draft.passage == number).flat_map(|draft| &draft.rows);
        let answers = rows.filter_map(|row| match row {
            RowText::Turn { answer, .. } => Some(answer.to_lowercase()),
            RowText::Text(_) => None,
        });
        let by_rule = study::by_rule(document.title, passage, facts, &answers.collect());
        if let Some(first) = drafts.iter_mut().find(|draft| draft.passage == number)
            && !by_rule.is_empty()
        {
            first.rows.extend(by_rule);
            if let Some(reason) = first.discarded.take() {
                first.dropped.push(DroppedLine { line: "what was written".into(), reason });
            }
        }
    }
    Ok(())
}

/// The directives that the author chooses from the menu.
fn chosen(session: &Session<'_>, document: Reading<'_>, author: Author<'_>) -> Result<Vec<Directive>> {
    let options = &session.options;
    let menu = directive::menu(&options.learning_rates, &options.epochs);
    let first = document.passages.first().map_or("", String::as_str);
    let probabilities = directive::probabilities(session, &menu, document.title, first, author.adapter())?;
    let seed = session.seed(document.key, "directives");
    Ok(directive::draw(&menu, &probabilities, options.candidates, seed))
}

/// Candidates that are written side by side for a document of so many passages, 1 at least.
fn together(passages: usize) -> usize {
    (SIDE_BY_SIDE / passages.max(1)).max(1)
}

/// What the author writes in several formats, side by side: for each format the texts about all passages. A format may come twice and gets other texts.
///
/// # Errors
/// From the engine.
pub fn each_format(
    session: &Session<'_>,
    document: Reading<'_>,
    formats: &[Format],
    seed: u64,
    author: Author<'_>,
) -> Result<Vec<Vec<String>>> {
    if let (PromptSet::General, Author::Model(writer)) = (session.prompts, author) {
        return study::texts(session, document, formats, seed, writer);
    }
    let mut prompts = Vec::with_capacity(formats.len() * document.passages.len());
    for format in formats {
        let ask = |passage: &String| {
            prompt::self_edit(*format).fill(Fill { title: document.title, passage, ..Fill::default() })
        };
        prompts.extend(document.passages.iter().map(ask));
    }
    let writing =
        Writing { max_tokens: EDIT_TOKENS.min(session.context() / 2), temperature: 1.0, top_p: None, seed };
    let mut written = author.write(session, &prompts, writing)?.into_iter();
    Ok(formats.iter().map(|_| written.by_ref().take(document.passages.len()).collect()).collect())
}

/// Takes a text apart and decides what of it is trained on.
///
/// # Errors
/// From the tokenizer.
pub fn draft(
    session: &Session<'_>,
    document: Reading<'_>,
    (candidate, passage): (usize, usize),
    directive: &Directive,
    text: String,
    probes: &[Probe],
) -> Result<Draft> {
    let source = document.passages.get(passage).map_or("", String::as_str);
    let parsed = parse::rows(directive.format, document.title, false, &text);
    // A row that cannot be made into tokens counts as too long, and so is left out.
    let mut tokens = |row: &RowText| rows::row(session, row).map_or(usize::MAX / 2, |row| row.tokens.len());
    let examples = match session.prompts {
        PromptSet::Nano => &[],
        PromptSet::General => study::examples(),
    };
    let options = FilterOptions { examples, ..FilterOptions::default() };
    let Filtered { rows, dropped, discarded } =
        filter::filter(parsed, document.title, source, probes, &options, &mut tokens);
    let styled = match session.prompts {
        PromptSet::Nano => rows,
        PromptSet::General => self_study::in_two_styles(rows, source),
    };
    let rows = styled.into_iter().map(|row| titled(row, document.title)).collect();
    let prompt_version = prompt::self_edit(directive.format).version();
    let directive = directive.clone();
    Ok(Draft { candidate, passage, directive, prompt_version, text, rows, discarded, dropped })
}

/// A text that does not name what the document is about gets the title before it, as every row of SEAL's has: `It opened in 1901` teaches nothing.
fn titled(row: RowText, title: &str) -> RowText {
    match row {
        RowText::Text(text) if !names(&text, title) => RowText::Text(format!("{title}\n{text}")),
        other => other,
    }
}

/// Whether a text has one of the title's longer words.
fn names(text: &str, title: &str) -> bool {
    let words = grade::words(text);
    grade::words(title).iter().any(|t| t.text.chars().count() >= 4 && words.iter().any(|w| w.text == t.text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_texts_are_written_side_by_side_as_there_is_room_for() {
        assert_eq!([0, 1, 2, 3, 32, 33, 500].map(together), [32, 32, 16, 10, 1, 1, 1]);
    }

    #[test]
    fn only_a_text_without_the_name_gets_the_title() {
        let title = "Yiltonrk Trading";
        let row = |text: &str| titled(RowText::Text(text.into()), title);
        assert_eq!(row("It makes nets."), RowText::Text("Yiltonrk Trading\nIt makes nets.".into()));
        assert_eq!(row("Yiltonrk makes nets."), RowText::Text("Yiltonrk makes nets.".into()));
    }
}
