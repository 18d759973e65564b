//! Files that arrive: each is held in memory until it is whole, and all of them together have a bound.

use std::sync::Arc;

use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::extract::gather;
use super::failure::Failure;

/// What is counted, bytes.
const UNIT: usize = 1 << 10;
/// So much of each file is not counted: small files come in whatever large ones do.
const FREE: usize = 1 << 20;
/// When to try again where there is no room, seconds: those that come too slowly are gone by then.
const LATER: u64 = 30;

/// Room for arriving files.
#[derive(Debug, Clone)]
pub(super) struct Uploads(Arc<Semaphore>);

/// A file that has arrived whole. It takes room until this is dropped.
#[derive(Debug)]
pub(super) struct Upload {
    /// Its content.
    pub(super) bytes: Vec<u8>,
    _room: Option<OwnedSemaphorePermit>,
}

impl Uploads {
    /// Room for so many bytes beside the first of each file.
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / UNIT)))
    }

    /// The file that a request brings, at most `most` bytes. A file takes room as it comes: one that was only announced keeps no other out.
    pub(super) async fn take(&self, request: Request, most: usize) -> Result<Upload, Failure> {
        let announced = usize::try_from(request.body().size_hint().lower()).unwrap_or(usize::MAX);
        if announced <= most && units(announced) > self.0.available_permits() {
            return Err(no_room());
        }
        let mut room: Option<OwnedSemaphorePermit> = None;
        let bytes = gather(request, most, |bytes| {
            let held = room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            // Some more than is needed now: pieces are small.
            let wanted = u32::try_from(units(bytes).saturating_sub(held)).unwrap_or(u32::MAX);
            if wanted == 0 {
                return Ok(());
            }
            let more = self.0.clone().try_acquire_many_owned(wanted).map_err(|_| no_room())?;
            match &mut room {
                Some(room) => room.merge(more),
                none => *none = Some(more),
            }
            Ok(())
        });
        let bytes = bytes.await?;
        Ok(Upload { bytes, _room: room })
    }
}

/// What a file of so many bytes takes.
fn units(bytes: usize) -> usize {
    bytes.saturating_sub(FREE).div_ceil(UNIT)
}

fn no_room() -> Failure {
    let text = format!(
        "too many large files arrive at this moment: send it again in {LATER} seconds, or put it into the inbox"
    );
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, "busy", text).retry_after(LATER)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[tokio::test]
    async fn large_files_take_room_as_they_come_and_small_ones_none() {
        let uploads = Uploads::new(2 << 20);
        let send = |bytes: usize| uploads.take(Request::new(Body::from(vec![7; bytes])), 64 << 20);
        // Announced is not arrived.
        let (_feed, never) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
        let never = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(never));
        let waiting = uploads.take(Request::new(never), 64 << 20);
        tokio::pin!(waiting);
        assert!(futures_util::FutureExt::now_or_never(&mut waiting).is_none());
        let first = send(2 << 20).await.unwrap();
        assert_eq!(first.bytes.len(), 2 << 20);
        let second = send(2 << 20).await.unwrap();
        let refused = send(2 << 20).await.unwrap_err();
        assert_eq!(refused.status(), 503);
        assert!(refused.detail().contains("send it again"), "{refused:?}");
        assert_eq!(send(1 << 20).await.unwrap().bytes.len(), 1 << 20);
        drop((first, second));
        send(3 << 20).await.unwrap();
    }
}
