//! Verbs that show something: one request, one page.

use sealctl::client::{Client, Failure, parse, routes};
use seald_core::domain::document::DocumentState;
use seald_core::protocol::{
    AdaptersView, DocumentLine, DocumentView, DocumentsPage, ForgettingView, ModelsView, RefusedFiles,
    SelfEditsView, StatusView, WriterView,
};
use seald_terminal::{
    Look, adapters as generations, documents, edits as self_edits, heatmap, models as bases,
    status as glance, story as tale, writer as author,
};
use serde::de::DeserializeOwned;

use crate::cli::{self, Docs};
use crate::output::{self, times};

/// Documents asked for at a time.
const PAGE: usize = 100;

/// The daemon at a glance.
pub(crate) async fn status(client: &Client, json: bool) -> Result<(), Failure> {
    let render = |view: &StatusView, look: &Look| glance::render(view, times(), look);
    page(client, routes::STATUS, json, render).await
}

/// Every generation.
pub(crate) async fn adapters(client: &Client, json: bool) -> Result<(), Failure> {
    let render = |view: &AdaptersView, look: &Look| generations::render(view, times(), look);
    page(client, routes::ADAPTERS, json, render).await
}

/// The forgetting matrix.
pub(crate) async fn forgetting(client: &Client, json: bool) -> Result<(), Failure> {
    page(client, routes::FORGETTING, json, |view: &ForgettingView, look: &Look| {
        let map = heatmap::render(view, look);
        if map.is_empty() { "No document was learned and asked about yet.\n".to_string() } else { map }
    })
    .await
}

/// The models that can answer.
pub(crate) async fn models(client: &Client, json: bool) -> Result<(), Failure> {
    let render = |view: &ModelsView, look: &Look| bases::render(view, times(), look);
    page(client, routes::MODELS, json, render).await
}

/// Who writes self-edits, and what changed in one round.
pub(crate) async fn writer(client: &Client, round: Option<u32>, json: bool) -> Result<(), Failure> {
    let render = |view: &WriterView, look: &Look| author::render(view, times(), look);
    page(client, &routes::writer(round), json, render).await
}

/// One document.
pub(crate) async fn story(client: &Client, doc: &str, json: bool) -> Result<(), Failure> {
    let render = |view: &DocumentView, look: &Look| tale::render(view, times(), look);
    page(client, &routes::document(doc), json, render).await
}

/// The self-edits of one document.
pub(crate) async fn edits(client: &Client, doc: &str, all: bool, json: bool) -> Result<(), Failure> {
    page(client, &routes::edits(doc), json, |view: &SelfEditsView, look: &Look| {
        self_edits::render(view, all, look)
    })
    .await
}

/// Documents, as many pages as it takes.
pub(crate) async fn docs(client: &Client, args: Docs, json: bool) -> Result<(), Failure> {
    let (wanted, failed) = (args.limit as usize, args.state == Some(DocumentState::Failed));
    let cli::Docs { state, tag, search, limit: _ } = args;
    let mut filter = routes::Filter { state, tag, search, before: None, limit: wanted.min(PAGE) };
    let mut path = routes::documents(&filter);
    let first = client.get(&path).await?;
    let mut all: DocumentsPage = parse(&first, &path)?;
    let mut pages = 1;
    while let Some(before) = all.next_before.filter(|_| all.documents.len() < wanted) {
        filter = routes::Filter {
            before: Some(before),
            limit: (wanted - all.documents.len()).min(PAGE),
            ..filter
        };
        path = routes::documents(&filter);
        let more: DocumentsPage = client.read(&path).await?;
        if more.documents.is_empty() {
            break;
        }
        all.documents.extend(more.documents);
        (all.next_before, pages) = (more.next_before, pages + 1);
    }
    if !json {
        let look = Look::of_stdout();
        let mut refused = RefusedFiles::default();
        // They are no documents, but whoever looks for what failed looks for them.
        if failed {
            refused = client.read(routes::REFUSED).await?;
        }
        let refused = documents::refused(&refused, times(), &look);
        if all.documents.is_empty() && !refused.is_empty() {
            output::text(&refused)?;
        } else {
            let unfinished =
                |line: &DocumentLine| matches!(line.state, DocumentState::Waiting | DocumentState::Learning);
            let status: Option<StatusView> = match all.documents.iter().any(unfinished) {
                true => Some(client.read(routes::STATUS).await?),
                false => None,
            };
            output::text(&(documents::render(&all, status.as_ref(), times(), &look) + &refused))?;
        }
    } else if pages == 1 {
        output::json(&first)?;
    } else {
        output::json(&serde_json::to_vec(&all).unwrap_or_default())?;
    }
    Ok(())
}

async fn page<T: DeserializeOwned>(
    client: &Client,
    path: &str,
    json: bool,
    render: impl FnOnce(&T, &Look) -> String,
) -> Result<(), Failure> {
    let bytes = client.get(path).await?;
    if json {
        output::json(&bytes)?;
    } else {
        output::text(&render(&parse(&bytes, path)?, &Look::of_stdout()))?;
    }
    Ok(())
}
