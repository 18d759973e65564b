//! `sealctl export`: fetches a generation as a tar and unpacks it into a folder, whole or not at all.

mod target;
mod unpack;

use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use sealctl::client::{Client, Download, Failure, routes};
use seald_core::domain::export::{ExportFormat, ExportManifest};
use seald_core::error::{Context, Error, Kind};
use seald_terminal::one_line;
use seald_terminal::words::{bytes as size, count};
use tokio::sync::mpsc::{self, Sender};

use crate::cli::Export;
use crate::output::{self, say};
use crate::stops::{SIGNALLED, Stops};
use target::Target;
use unpack::{Pieces, unpack};

/// Pieces that may wait to be unpacked.
const PIECES: usize = 4;

/// Exports a generation.
pub(crate) async fn run(client: &Client, args: Export, json: bool) -> Result<ExitCode, Failure> {
    let Export { generation, folder, format } = args;
    let target = Target::new(&folder)?;
    let mut download = client.download(&routes::export(&generation, format)).await?;
    // From here on there is something to clear away.
    let mut stops = Stops::new()?;
    let staged = target.stage()?;
    let bar = bar();
    let (send, receive) = mpsc::channel(PIECES);
    let unpacking = tokio::task::spawn_blocking({
        let (folder, bar) = (staged.path().to_path_buf(), bar.clone());
        move || unpack(Pieces::new(receive), &folder, &bar)
    });
    let arrived = tokio::select! {
        arrived = feed(&mut download, send) => Ok(arrived),
        number = stops.next() => Err(number),
    };
    // With the sender gone, it comes to an end.
    let unpacked = unpacking.await.doing(Kind::Internal, || "cannot unpack the export".to_string());
    bar.finish_and_clear();
    match arrived {
        Ok(arrived) => arrived?,
        Err(signal) => {
            say("Stopped; nothing was exported.");
            return Ok(ExitCode::from(SIGNALLED + signal));
        }
    }
    let (manifest, text) = unpacked??;
    refuse_other(&manifest, &generation, format)?;
    staged.publish()?;
    if json {
        output::json(&text)?;
    } else {
        output::text(&format!("{}\n", words(&manifest, &folder.display().to_string())))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Hands on what arrives, until its end, or until nobody wants more.
async fn feed(download: &mut Download, send: Sender<Vec<u8>>) -> Result<(), Failure> {
    while let Some(piece) = download.next().await? {
        if send.send(piece.into()).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// An export that is not what was asked for.
fn refuse_other(manifest: &ExportManifest, asked: &str, format: ExportFormat) -> Result<(), Error> {
    if manifest.format == format {
        return Ok(());
    }
    let text = format!(
        "the daemon sent {} as {} where {format} was asked for: is it of this version?",
        asked, manifest.format
    );
    Err(Error::new(Kind::Corrupt, text))
}

fn words(manifest: &ExportManifest, folder: &str) -> String {
    let ExportManifest { generation, format, files, .. } = manifest;
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let (generation, folder) = (one_line(generation), one_line(folder));
    format!("{folder} holds {generation} as {format}: {}, {}", count(files.len(), "file"), size(bytes))
}

/// What a person sees of a long export; nothing where stderr is no terminal.
fn bar() -> ProgressBar {
    let bar = ProgressBar::no_length();
    // A template is a constant: where it could not be read, the plain bar does.
    if let Ok(style) =
        ProgressStyle::with_template("{msg}  {bytes} of {total_bytes}  {bytes_per_sec}  {wide_bar}")
    {
        bar.set_style(style);
    }
    bar
}
