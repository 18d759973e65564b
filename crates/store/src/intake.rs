//! Documents taken in together, in one transaction: one by one each would wait for the disk.

use std::collections::HashSet;

use rusqlite::{Connection, params};

use super::Store;
use super::columns::{Json, all, first};
use super::documents::{self, NewDocument, Received};
use super::probes::SuppliedProbe;
use seald_core::clock::Timestamp;
use seald_core::domain::document::DocumentState;
use seald_core::domain::ids::DocumentId;
use seald_core::error::Result;

/// What becomes of documents that are known.
#[derive(Debug, Clone, Copy)]
pub struct TakeIn {
    /// Whether those that were rejected, or failed, are learned again.
    pub retry: bool,
    /// Whether documents of the same name and tag are earlier versions, which these replace.
    pub versions: bool,
}

impl Store {
    /// Takes documents in, each with the questions that came with it. Of each its number, and whether it was known and nothing is to be done for it but what already waits: one
    /// that was rejected, or failed, is learned again if that is wanted, or if other questions come with it now.
    ///
    /// # Errors
    /// As [`Store::retry_with`]; then none is taken in.
    pub fn take_in(
        &mut self,
        documents: &[(NewDocument, Vec<SuppliedProbe>)],
        rules: TakeIn,
        now: Timestamp,
    ) -> Result<Vec<(DocumentId, bool)>> {
        let name = documents.first().map_or("nothing", |(document, _)| &document.name);
        self.write(format_args!("take in {name}"), |db| {
            let of = |(document, supplied): &(NewDocument, Vec<SuppliedProbe>)| {
                one(db, document, supplied, rules.retry, now)
            };
            let taken = documents.iter().map(of).collect::<Result<Vec<Taken>>>()?;
            if rules.versions {
                mark_versions(db, documents, &taken)?;
            }
            Ok(taken.into_iter().map(|one| (one.id, one.known)).collect())
        })
    }
}

struct Taken {
    id: DocumentId,
    /// Whether it has just got its row.
    new: bool,
    /// Whether nothing is to be done for it.
    known: bool,
}

fn one(
    db: &Connection,
    document: &NewDocument,
    supplied: &[SuppliedProbe],
    retry: bool,
    now: Timestamp,
) -> Result<Taken> {
    let id = match documents::receive(db, document, supplied, now)? {
        Received::New(id, _) => return Ok(Taken { id, new: true, known: false }),
        Received::Known(id) => id,
    };
    let state = documents::find(db, id)?.state;
    let ended = matches!(state, DocumentState::Rejected | DocumentState::Failed);
    let other_questions = !supplied.is_empty() && supplied != documents::supplied_of(db, id)?;
    let again = ended && (retry || other_questions);
    if again {
        documents::retry_with(db, id, supplied)?;
    }
    Ok(Taken { id, new: false, known: !again })
}

/// Documents take the place of others of their name and tag. A copy under another name says nothing about which version is the newest.
fn mark_versions(
    db: &Connection,
    documents: &[(NewDocument, Vec<SuppliedProbe>)],
    taken: &[Taken],
) -> Result<()> {
    // Looked for once for all, since names have no index.
    let names: Vec<&String> = documents.iter().map(|(document, _)| &document.name).collect();
    let sql = "SELECT name, tag FROM documents WHERE name IN (SELECT value FROM json_each(?))
               GROUP BY name, tag HAVING count(*) > 1";
    let several: HashSet<(String, Option<String>)> =
        all(db, sql, [Json(names)], |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect();
    for ((document, _), one) in documents.iter().zip(taken) {
        let sql = "SELECT 1 FROM documents WHERE id = ? AND name = ? AND tag IS ?";
        let same = || first(db, sql, params![one.id, document.name, document.tag], |_| Ok(()));
        let takes_place = match one.new {
            true => several.contains(&(document.name.clone(), document.tag.clone())),
            false => same()?.is_some(),
        };
        if takes_place {
            documents::replace_versions(db, one.id)?;
        }
    }
    Ok(())
}
