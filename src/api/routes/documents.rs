//! Documents: listed, told, added, learned again.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::Deserialize;

use super::super::extract::{Named, Params};
use super::super::failure::Failure;
use super::super::router::Api;
use super::super::service::blocking;
use super::super::views;
use seald_core::domain::document::DocumentState;
use seald_core::domain::ids::DocumentId;
use seald_core::error::{Error, Kind, Result};
use seald_core::protocol::{
    AddView, DocumentLine, DocumentView, DocumentsPage, Problem, RefusedFiles, SelfEditsView,
};
use seald_store::{DocumentFilter, Store};

/// Most bytes of a document that is added here; larger ones go into the inbox themselves.
const DOCUMENT_BYTES: usize = 64 << 20;
/// Documents of a page where no number is given, and the most.
const PAGE: usize = 50;
const LONGEST_PAGE: usize = 500;
/// Words that are searched for, at most: each is looked for in each text.
const MAX_WORDS: usize = 16;
/// Longest name of a file, bytes.
const NAME_BYTES: usize = 255;

/// Which documents.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Listing {
    /// Only those in this state.
    #[param(inline)]
    state: Option<DocumentState>,
    /// Only those that came in this subfolder of the inbox.
    tag: Option<String>,
    /// Only those whose title, file name or text holds each of these words.
    search: Option<String>,
    /// Only those with a lower number: `next_before` of the page before.
    before: Option<i64>,
    /// At most so many, 1 to 500; 50 where it is left out.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// Lists documents, newest first.
#[utoipa::path(get, path = "/v1/documents", tag = "documents", params(Listing), responses(
    (status = 200, body = DocumentsPage, description = "A page of documents"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn list(
    State(api): State<Api>,
    Params(listing): Params<Listing>,
) -> Result<Json<DocumentsPage>, Failure> {
    let Listing { state, tag, search, before, limit } = listing;
    let limit = limit.unwrap_or(PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(Failure::invalid(format!("limit is {limit}: give 1 to {LONGEST_PAGE}")));
    }
    // SQL would take the words for ended there.
    if search.iter().chain(&tag).any(|words| words.contains('\0')) {
        return Err(Failure::invalid("search and tag hold no NUL character in any document: leave it out"));
    }
    let words: Vec<String> =
        search.iter().flat_map(|words| words.split_whitespace()).map(String::from).collect();
    if words.len() > MAX_WORDS {
        return Err(Failure::invalid(format!("search has {} words: give at most {MAX_WORDS}", words.len())));
    }
    let filter = DocumentFilter { state, tag, words };
    let before = before.map(DocumentId);
    let page = api.service.read(move |_, reading| views::documents(&reading.store, &filter, before, limit));
    Ok(Json(page.await?))
}

/// The file that is added.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Adding {
    /// Its name, 1 to 255 bytes, without folders; the ending says how it is read.
    #[param(
        min_length = 1,
        max_length = 255,
        pattern = r"^[^./\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd][^/\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd]*$"
    )]
    name: String,
    /// The subfolder of the inbox that it goes into; named like a file.
    #[param(
        min_length = 1,
        max_length = 255,
        pattern = r"^[^./\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd][^/\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd]*$"
    )]
    tag: Option<String>,
}

/// Puts a file into the inbox. What becomes of it is told by the events.
#[utoipa::path(post, path = "/v1/documents", tag = "documents", params(Adding),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The file, 64 MiB at most"),
    responses((status = 202, body = AddView, description = "Where it was put"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn add(
    State(api): State<Api>,
    Params(Adding { name, tag }): Params<Adding>,
    request: Request,
) -> Result<(StatusCode, Json<AddView>), Failure> {
    check_name("name", &name)?;
    tag.as_deref().map_or(Ok(()), |tag| check_name("tag", tag))?;
    let upload = api.uploads.take(request, DOCUMENT_BYTES).await?;
    if upload.bytes.is_empty() {
        return Err(Failure::invalid(format!("the body is empty: send the content of {name} as it is")));
    }
    let service = api.service.clone();
    let path = blocking(move || (service.put)(&name, tag.as_deref(), &upload.bytes)).await?;
    Ok((StatusCode::ACCEPTED, Json(AddView { path: path.display().to_string() })))
}

/// What would leave the inbox, or be passed over there.
fn check_name(what: &str, name: &str) -> Result<()> {
    let fits = !name.is_empty() && name.len() <= NAME_BYTES && !name.starts_with('.');
    // What a query has in place of bytes that are no UTF-8: two such names would be one.
    if name.contains(char::REPLACEMENT_CHARACTER) {
        let text = format!("{what} is {name:?}, which is not UTF-8: give 1 to {NAME_BYTES} bytes that are");
        return Err(Error::new(Kind::Invalid, text));
    }
    if fits && !name.contains(['/', '\0']) {
        return Ok(());
    }
    let text =
        format!("{what} is {name:?}: give 1 to {NAME_BYTES} bytes without `/` that do not begin with a dot");
    Err(Error::new(Kind::Invalid, text))
}

/// Tells a document from file to verdict, with every probe and answer.
#[utoipa::path(get, path = "/v1/documents/{id}", tag = "documents",
    params(("id" = String, Path, description = "Its number, or its file name: of several, the newest")),
    responses((status = 200, body = DocumentView, description = "The story of the document"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn show(
    State(api): State<Api>,
    Named(id): Named,
) -> Result<Json<DocumentView>, Failure> {
    let view = api.service.read(move |_, reading| views::story(&reading.store, find(&reading.store, &id)?));
    Ok(Json(view.await?))
}

/// Tells what the model wrote for itself about a document.
#[utoipa::path(get, path = "/v1/documents/{id}/edits", tag = "documents",
    params(("id" = String, Path, description = "Its number, or its file name: of several, the newest")),
    responses((status = 200, body = SelfEditsView, description = "Its self-edits"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn edits(
    State(api): State<Api>,
    Named(id): Named,
) -> Result<Json<SelfEditsView>, Failure> {
    let view =
        api.service.read(move |_, reading| views::self_edits(&reading.store, find(&reading.store, &id)?));
    Ok(Json(view.await?))
}

/// Lists what could not be read: files, which lie in `inbox/failed`, and places in the inbox that cannot be looked at.
#[utoipa::path(get, path = "/v1/inbox/failed", tag = "documents", responses(
    (status = 200, body = RefusedFiles, description = "The latest ones, with their reasons"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn refused(State(api): State<Api>) -> Json<RefusedFiles> {
    Json(api.service.monitor.now().refused)
}

/// Learns a document again that was rejected, failed, or dropped by a rollback.
#[utoipa::path(post, path = "/v1/documents/{id}/retry", tag = "documents",
    params(("id" = String, Path, description = "Its number, or its file name: of several, the newest")),
    responses((status = 202, body = DocumentLine, description = "It waits again"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn retry(
    State(api): State<Api>,
    Named(id): Named,
) -> Result<(StatusCode, Json<DocumentLine>), Failure> {
    let id = api.service.read(move |_, reading| find(&reading.store, &id)).await?;
    api.service.control.retry(id).await?;
    let line = api.service.read(move |_, reading| views::line(&reading.store, id)).await?;
    Ok((StatusCode::ACCEPTED, Json(line)))
}

/// The document with this number or, if it is none, the newest with this name.
pub(super) fn find(store: &Store, id: &str) -> Result<DocumentId> {
    match id.parse() {
        Ok(number) => Ok(store.document_row(DocumentId(number))?.id),
        Err(_) => store.document_named(id),
    }
}
