//! `complete-words`: what shells offer for a document or a generation, from the running daemon; nothing where there is none.
//!
//! A line for each word, and behind a tab what it is. The scripts of `completions` ask for it at each press of the tab key.

use std::process::ExitCode;
use std::time::Duration;

use sealctl::client::{Client, Failure, routes};
use seald_core::protocol::{AdaptersView, DocumentLine, DocumentsPage};
use seald_terminal::words::count;
use seald_terminal::{look, one_line};

use crate::cli::{CompleteWords, WordsOf};
use crate::output;

/// Longer than this nobody waits for a key.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Newest documents that are offered.
const DOCUMENTS: usize = 500;
/// Columns of a title.
const TITLE: usize = 60;

/// A word, and what it is.
type Word = (String, String);

/// Prints them. Whatever goes wrong, a person is typing: nothing is said.
pub(crate) async fn run(client: &Client, args: CompleteWords) -> Result<ExitCode, Failure> {
    let words = match args.of {
        WordsOf::Documents => tokio::time::timeout(PATIENCE, documents(client)).await,
        WordsOf::Generations => tokio::time::timeout(PATIENCE, generations(client)).await,
    };
    let mut text = String::new();
    if let Ok(Ok(words)) = words {
        for (word, is) in words.iter().filter(|(word, _)| word.starts_with(&args.prefix) && plain(word)) {
            text += &format!("{word}\t{is}\n");
        }
    }
    // A shell that has enough is no failure.
    drop(output::text(&text));
    Ok(ExitCode::SUCCESS)
}

/// Whether a word is one line, shows as it is, and is no option. What is not has a number.
fn plain(word: &str) -> bool {
    !word.is_empty() && !word.starts_with('-') && !word.chars().any(look::obeyed)
}

/// Their names first, each once, then their numbers.
async fn documents(client: &Client) -> Result<Vec<Word>, Failure> {
    let filter = routes::Filter { limit: DOCUMENTS, ..routes::Filter::default() };
    let page: DocumentsPage = client.read(&routes::documents(&filter)).await?;
    Ok(document_words(&page.documents))
}

fn document_words(documents: &[DocumentLine]) -> Vec<Word> {
    let mut seen = std::collections::HashSet::new();
    // Of several with one name, the newest is meant.
    let named = documents.iter().filter(|line| seen.insert(line.name.as_str()));
    let names = named.map(|line| (line.name.clone(), format!("document {}, {}", line.id, line.state)));
    let title = |line: &DocumentLine| one_line(&line.title).chars().take(TITLE).collect();
    let numbers = documents.iter().map(|line| (line.id.to_string(), title(line)));
    names.chain(numbers).collect()
}

async fn generations(client: &Client) -> Result<Vec<Word>, Failure> {
    let view: AdaptersView = client.read(routes::ADAPTERS).await?;
    let words = view.generations.iter().map(|generation| {
        let live = if generation.live { "live, " } else { "" };
        (generation.name.clone(), format!("{live}learned {}", count(generation.documents.len(), "document")))
    });
    Ok(words.collect())
}
