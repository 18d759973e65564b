//! Models from the Hugging Face hub: which files of a repository make one, and fetching them so that no byte comes twice.
//!
//! Used by `sealctl models pull` alone; the daemon fetches nothing. The protocol is two requests: one lists a repository
//! with sizes and checksums at a commit, the other gives the bytes of a file of that commit, from any place in it.

mod address;
mod digest;
mod fetch;
mod folder;
mod http;
mod licence;
mod listing;

use std::thread;
use std::time::Duration;

use serde_json::Value;

pub use address::{Repo, Site};
pub use digest::Checksum;
use fetch::Fetch;
pub use folder::{Card, Target};
use http::{HubClient, RequestError};
pub use licence::Licence;
pub use listing::{Model, RemoteFile};
use seald_core::clock::Clock;
use seald_core::error::{Error, Kind, Result};

/// Bytes that a listing or an index may have: some thousand names with their checksums.
const MAX_LISTING: u64 = 32 << 20;

/// What happens while files are fetched.
#[derive(Debug)]
pub enum Event<'a> {
    /// So many bytes were there already.
    Kept(u64),
    /// So many bytes came.
    Arrived(u64),
    /// So many bytes count no more and come again.
    Lost(u64),
    /// A file is whole, and its checksum is right.
    Whole(&'a RemoteFile),
    /// A file is whole, and its checksum is wrong: it was removed and is fetched once more.
    Wrong(&'a RemoteFile),
    /// A request failed and is sent again after a pause.
    Again {
        /// Why.
        why: &'a Error,
        /// How long it waits.
        pause: Duration,
    },
}

/// Who is told of events.
pub type Tell<'a> = dyn FnMut(Event<'_>) + 'a;

/// The hub, or a mirror of it. Each call blocks.
#[derive(Debug)]
pub struct Hub {
    client: HubClient,
    /// How often a request is sent again that brought nothing.
    retries: u32,
}

impl Hub {
    /// Gets ready to ask; nothing is sent yet. A request that brought nothing is sent again up to `retries` times, with growing
    /// pauses.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a token that cannot be one.
    pub fn open(site: Site, retries: u32) -> Result<Self> {
        Ok(Self { client: HubClient::new(site)?, retries })
    }

    /// The page of a repository, where a person reads about it and accepts its terms.
    pub fn page(&self, repo: &Repo) -> String {
        self.client.site().page(repo)
    }

    /// What a repository holds at a revision (a branch, a tag or a commit), as far as it makes a model for seald.
    ///
    /// # Errors
    /// [`Kind::NotFound`] where there is no such repository or revision, [`Kind::Conflict`] where its terms or a token are
    /// wanting, [`Kind::Unsupported`] where it is no model that seald can read, [`Kind::Corrupt`] for an answer that makes no
    /// sense, [`Kind::Io`] for what may pass.
    pub fn look(&self, repo: &Repo, revision: &str, tell: &mut Tell<'_>) -> Result<Model> {
        let site = self.client.site();
        let listing = self.small(repo, &site.listing(repo, revision), tell)?;
        let listing = listing::Listing::read(repo, &listing)?;
        let read = |name: &str, tell: &mut Tell<'_>| {
            let bytes = self.small(repo, &site.file(repo, listing.commit(), name), tell)?;
            serde_json::from_slice::<Value>(&bytes).map_err(|e| {
                Error::new(Kind::Corrupt, format!("{name} of {repo} is not JSON")).with_source(e)
            })
        };
        let config = read(listing.config()?, tell)?;
        let index = listing.index().map(|name| read(name, tell)).transpose()?;
        listing.model(&config, index.as_ref())
    }

    /// Fetches a model's files into the folder, which appears whole or not at all. What an earlier attempt fetched is used.
    ///
    /// # Errors
    /// As [`Self::look`]; [`Kind::Conflict`] where the folder holds something else or another pull is at it; [`Kind::Corrupt`] where a file came twice with a wrong checksum. What was fetched stays
    /// beside the folder for the next attempt.
    pub fn pull(&self, model: &Model, target: &Target, clock: &Clock, tell: &mut Tell<'_>) -> Result<Card> {
        let staged = target.stage(model)?;
        staged.refuse_without_room(model)?;
        for file in &model.files {
            let url = self.client.site().file(&model.repo, &model.commit, &file.name);
            Fetch { hub: self, model, file, url: &url, folder: staged.path() }.whole(tell)?;
        }
        staged.publish(Card { pulled_at: Some(clock.now().to_string()), ..Card::of(model) })
    }

    /// A small answer, read into memory.
    fn small(&self, repo: &Repo, url: &str, tell: &mut Tell<'_>) -> Result<Vec<u8>> {
        let mut failures = 0;
        loop {
            match self.client.get(repo, url, 0).and_then(|answer| answer.all(MAX_LISTING)) {
                Ok(bytes) => return Ok(bytes),
                Err(failure) => self.pause(failure, &mut failures, tell)?,
            }
        }
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// The failure, where it helps no more to ask again.
    fn pause(&self, failure: RequestError, failures: &mut u32, tell: &mut Tell<'_>) -> Result<()> {
        let RequestError { error, again } = failure;
        *failures += 1;
        match again.pause(*failures) {
            Some(pause) if *failures <= self.retries => {
                tell(Event::Again { why: &error, pause });
                thread::sleep(pause);
                Ok(())
            }
            _ if *failures > 1 => Err(error.context(format!("given up after {failures} attempts"))),
            _ => Err(error),
        }
    }
}
