//! The daemon's routes, with what goes into them made safe.

use seald_core::domain::document::DocumentState;
use seald_core::domain::export::ExportFormat;
use seald_core::domain::ids::{DocumentId, JobId};

/// The daemon at a glance.
pub const STATUS: &str = "/v1/status";
/// Every generation.
pub const ADAPTERS: &str = "/v1/adapters";
/// Models that can answer.
pub const MODELS: &str = "/v1/models/local";
/// The forgetting matrix.
pub const FORGETTING: &str = "/v1/forgetting";
/// Files that could not be read.
pub const REFUSED: &str = "/v1/inbox/failed";
/// Backups of the database.
pub const BACKUPS: &str = "/v1/backups";
/// Puts a question.
pub const ASK: &str = "/v1/ask";
/// Puts a question, and asks what taught the answer.
pub const WHY: &str = "/v1/why";
/// Holds learning.
pub const PAUSE: &str = "/v1/pause";
/// Learns on.
pub const RESUME: &str = "/v1/resume";
/// Makes another generation live.
pub const ROLLBACK: &str = "/v1/rollback";
/// Asks about everything learned.
pub const REPLAY: &str = "/v1/replay?wait_seconds=0";
/// Trains everything anew.
pub const CONSOLIDATE: &str = "/v1/consolidate";
/// Trains a new writer.
pub const TRAIN_WRITER: &str = "/v1/writer/rounds";

/// Which documents.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those of which this became.
    pub state: Option<DocumentState>,
    /// Only those of this subfolder.
    pub tag: Option<String>,
    /// Only those whose title or file name holds these words.
    pub search: Option<String>,
    /// Only those before this one.
    pub before: Option<DocumentId>,
    /// At most so many.
    pub limit: usize,
}

/// A page of documents.
pub fn documents(filter: &Filter) -> String {
    let Filter { state, tag, search, before, limit } = filter;
    let mut path = format!("/v1/documents?limit={limit}");
    if let Some(state) = state {
        path += &format!("&state={state}");
    }
    if let Some(tag) = tag {
        path += &format!("&tag={}", encoded(tag));
    }
    if let Some(search) = search {
        path += &format!("&search={}", encoded(search));
    }
    if let Some(before) = before {
        path += &format!("&before={before}");
    }
    path
}

/// One document, by number or exact name.
pub fn document(document: &str) -> String {
    format!("/v1/documents/{}", encoded(document))
}

/// The self-edits of one document.
pub fn edits(document: &str) -> String {
    format!("/v1/documents/{}/edits", encoded(document))
}

/// Learns one document again.
pub fn retry(document: &str) -> String {
    format!("/v1/documents/{}/retry", encoded(document))
}

/// Forgets one document.
pub fn forget(document: &str) -> String {
    format!("/v1/documents/{}/forget", encoded(document))
}

/// One generation in a form that other programs load.
pub fn export(generation: &str, format: ExportFormat) -> String {
    format!("/v1/adapters/{}/export?format={format}", encoded(generation))
}

/// One job.
pub fn job(job: JobId) -> String {
    format!("/v1/jobs/{job}")
}

/// Who writes self-edits, and what changed in one round; in the newest where none is named.
pub fn writer(round: Option<u32>) -> String {
    round.map_or_else(|| "/v1/writer".into(), |round| format!("/v1/writer?round={round}"))
}

/// Hands in a file.
pub fn add(name: &str, tag: Option<&str>) -> String {
    let tag = tag.map_or_else(String::new, |tag| format!("&tag={}", encoded(tag)));
    format!("/v1/documents?name={}{tag}", encoded(name))
}

/// What happens, or happened after that event.
pub fn events(after: Option<i64>) -> String {
    after.map_or_else(|| "/v1/events".into(), |after| format!("/v1/events?after={after}"))
}

/// The newest kept events, oldest of them first; and then what happens, or not.
pub fn newest_events(last: u32, follow: bool) -> String {
    format!("/v1/events?last={last}&follow={follow}")
}

/// Percent-encodes all but letters, digits and `-._~` (RFC 3986, 2.3). A path of dots alone would climb.
fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_~".contains(&b) || (b == b'.' && !is_dots(text));
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn is_dots(text: &str) -> bool {
    text.bytes().all(|b| b == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_one_segment() {
        assert_eq!(document("a/b ?#%é.md"), "/v1/documents/a%2Fb%20%3F%23%25%C3%A9.md");
        assert_eq!(document(".."), "/v1/documents/%2E%2E");
        assert_eq!(export("../x", ExportFormat::Gguf), "/v1/adapters/..%2Fx/export?format=gguf");
        let filter = Filter {
            state: Some(DocumentState::Failed),
            tag: Some("x&limit=9".into()),
            search: Some("a b".into()),
            before: Some(DocumentId(7)),
            limit: 20,
        };
        assert_eq!(
            documents(&filter),
            "/v1/documents?limit=20&state=failed&tag=x%26limit%3D9&search=a%20b&before=7"
        );
        assert_eq!(add("a b.md", Some("t")), "/v1/documents?name=a%20b.md&tag=t");
    }
}
