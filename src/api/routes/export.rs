//! Exports: a generation as a tar, which is made while it is sent.

use std::io::{self, BufWriter, Write};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{self, Sender};
use tokio_stream::wrappers::ReceiverStream;

use super::super::extract::{self, Named, Params};
use super::super::failure::Failure;
use super::super::router::Api;
use super::super::service::{WriteExport, blocking};
use seald_core::domain::export::ExportFormat;
use seald_core::domain::ids::GenerationId;
use seald_core::error::{Context, Error, Kind, Result};
use seald_core::protocol::Problem;
use seald_store::Store;

/// Bytes of a piece, and how many pieces may wait for a slow client.
const PIECE: usize = 256 << 10;
const PIECES: usize = 4;
/// How long a request waits for room: an export that is whole may take a moment to end.
const WAIT: Duration = Duration::from_secs(2);
/// How long a client may take nothing before it is given up.
const PATIENCE: Duration = Duration::from_secs(600);

/// In which form.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Exporting {
    /// `peft` where it is left out.
    #[param(inline)]
    format: Option<ExportFormat>,
}

/// Sends a generation as a tar in a form that other programs load.
#[utoipa::path(get, path = "/v1/adapters/{generation}/export", tag = "overview",
    params(("generation" = String, Path, pattern = r"^(live|(gen-)?0*[1-9][0-9]{0,17})$", description = "`live`, `gen-000007` or `7`"), Exporting),
    responses((status = 200, body = Vec<u8>, content_type = "application/x-tar",
     description = "Plain files; the last, `export.json`, is an ExportManifest. Without it the export is not whole"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn export(
    State(api): State<Api>,
    Named(name): Named,
    Params(Exporting { format }): Params<Exporting>,
) -> Result<Response, Failure> {
    let room = tokio::time::timeout(WAIT, api.exports.clone().acquire_owned()).await;
    // The semaphore is never closed.
    let Ok(Ok(room)) = room else {
        let text = "two exports are under way already: wait for one of them, or stop it";
        return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "busy", text));
    };
    let format = format.unwrap_or(ExportFormat::Peft);
    let id = api.service.read(move |_, reading| find(&reading.store, &name)).await?;
    let service = api.service.clone();
    let write = blocking(move || (service.export)(id, format)).await?;
    let (send, pieces) = mpsc::channel(PIECES);
    let runtime = Handle::current();
    // It ends with its reader: where the connection is gone, nobody takes the next piece.
    tokio::task::spawn_blocking(move || stream(write, Pipe { send, runtime }, room));
    let name = format!("attachment; filename=\"{}-{format}.tar\"", id.folder());
    let headers =
        [(header::CONTENT_TYPE, "application/x-tar".to_string()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, Body::from_stream(ReceiverStream::new(pieces))).into_response())
}

/// The generation of that name.
fn find(store: &Store, name: &str) -> Result<GenerationId> {
    let nothing = |text: &str| Err(Error::new(Kind::Conflict, text));
    if name == "live" {
        let live = store.live()?.map(|generation| generation.id);
        return live.map_or_else(|| nothing("the base model is live: there is nothing to export yet"), Ok);
    }
    match extract::generation(name)? {
        GenerationId::BASE => nothing("the base model has learned nothing: there is nothing to export"),
        id => Ok(store.generation(id)?.id),
    }
}

/// Writes the export into the pipe. A failure breaks the connection, so that nobody takes a part for the whole.
fn stream(write: WriteExport, pipe: Pipe, _room: OwnedSemaphorePermit) {
    let (send, runtime) = (pipe.send.clone(), pipe.runtime.clone());
    let mut out = BufWriter::with_capacity(PIECE, pipe);
    let written = write(&mut out)
        .and_then(|()| out.flush().doing(Kind::Io, || "cannot send the export's end".to_string()));
    let Err(error) = written else { return };
    // What the buffer still holds is of no use.
    drop(out.into_parts());
    if send.is_closed() {
        tracing::debug!(%error, "a client left before its export was whole");
    } else {
        tracing::warn!(%error, "an export broke off");
        let _ = runtime.block_on(send.send_timeout(Err(io::Error::other(error)), PATIENCE));
    }
}

/// The way to the client.
struct Pipe {
    send: Sender<io::Result<Bytes>>,
    runtime: Handle,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Ok(Bytes::copy_from_slice(bytes));
        let sent = self.runtime.block_on(self.send.send_timeout(piece, PATIENCE));
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the client takes no more"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
