//! The tables of a database, compared with those that its version has: a trigger that somebody added would change what is stored, and a table or an index that is
//! missing would be noticed only where it is needed.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::columns::all;
use super::migrations::{migrate, version};
use seald_core::error::{Error, Kind, Result};

/// Differences that are named; of more the number is told.
const MAX_NAMED: usize = 3;

/// Refuses a database whose tables, indexes and triggers are not those of its version.
pub(super) fn refuse_altered(db: &Connection) -> Result<()> {
    let version = version(db)?;
    let mut fresh = Connection::open_in_memory()?;
    migrate(&mut fresh, usize::try_from(version).unwrap_or(0))?;
    let (expected, found) = (parts(&fresh)?, parts(db)?);
    let strange = found.keys().filter(|part| !expected.contains_key(*part));
    let missing = expected.keys().filter(|part| !found.contains_key(*part));
    let changed = expected.iter().filter(|(part, sql)| found.get(*part).is_some_and(|found| found != *sql));
    let mut differences: Vec<String> = strange
        .map(|(kind, name)| format!("{kind} {name} is not of seald"))
        .chain(missing.map(|(kind, name)| format!("{kind} {name} is missing")))
        .chain(changed.map(|((kind, name), _)| format!("{kind} {name} was changed")))
        .collect();
    if differences.is_empty() {
        return Ok(());
    }
    // A table goes with its indexes, and is what a person looks for.
    differences.sort_by_key(|difference| difference.starts_with("index "));
    let more = match differences.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let named = differences[..differences.len().min(MAX_NAMED)].join(", ");
    let text = format!(
        "its tables are not as seald makes them in version {version}: {named}{more}: restore a backup from before somebody changed that, or undo the change"
    );
    Err(Error::new(Kind::Corrupt, text))
}

/// What is in the schema, by kind and name: the statement that made it, or nothing where SQLite made it by itself.
fn parts(db: &Connection) -> Result<BTreeMap<(String, String), String>> {
    let sql =
        "SELECT type, name, ifnull(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'";
    let rows: Vec<(String, String, String)> =
        all(db, sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let searched: Vec<String> = rows
        .iter()
        .filter(|(_, _, sql)| sql.trim_start().to_ascii_uppercase().starts_with("CREATE VIRTUAL TABLE"))
        .map(|(_, name, _)| format!("{name}_"))
        .collect();
    let normal = |(kind, name, sql): (String, String, String)| {
        // The tables behind full-text search are as its version makes them.
        let behind = searched.iter().any(|front| name.starts_with(front.as_str()));
        let sql = if behind { String::new() } else { normal(&sql) };
        ((kind, name), sql)
    };
    Ok(rows.into_iter().map(normal).collect())
}

/// A statement without what means nothing: white space, comments, quotes around names, which SQLite adds where it renames.
fn normal(sql: &str) -> String {
    let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
    let text = lines.collect::<Vec<_>>().join(" ");
    text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '"' | '`' | '[' | ']')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VERSION;
    use crate::migrations::MIGRATIONS;

    fn of_version(version: usize) -> Connection {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db, version).unwrap();
        db
    }

    #[test]
    fn what_somebody_added_took_away_or_changed_is_named() {
        let altered = |sql: &str, words: &str| {
            let db = of_version(VERSION);
            refuse_altered(&db).unwrap();
            db.pragma_update(None, "foreign_keys", false).unwrap();
            db.execute_batch(sql).unwrap();
            let error = refuse_altered(&db).unwrap_err();
            assert!(error.kind() == Kind::Corrupt && error.to_string().contains(words), "{words}: {error}");
            assert!(error.to_string().contains("restore a backup"), "{error}");
        };
        altered(
            "CREATE TRIGGER evil AFTER INSERT ON documents BEGIN UPDATE documents SET title = 'x'; END",
            "trigger evil is not of seald",
        );
        altered("CREATE VIEW v AS SELECT 1", "view v is not of seald");
        altered("DROP TABLE probes", "table probes is missing");
        altered("DROP INDEX documents_by_state", "index documents_by_state is missing");
        altered("DROP TABLE lookup", "table lookup is missing");
        altered("ALTER TABLE documents ADD COLUMN mine TEXT", "table documents was changed");
        altered("PRAGMA user_version = 3", "in version 3");
    }

    #[test]
    fn tables_of_every_version_are_known() {
        for version in 0..=MIGRATIONS.len() {
            refuse_altered(&of_version(version)).unwrap();
        }
    }

    #[test]
    fn how_a_statement_is_written_does_not_matter() {
        assert_eq!(normal("CREATE TABLE \"a\" (b, -- c\n  d)"), normal("CREATE TABLE a (b,d)"));
        assert_ne!(normal("CREATE TABLE a (b)"), normal("CREATE TABLE a (c)"));
    }
}
