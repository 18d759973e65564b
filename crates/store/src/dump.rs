//! All that must be equal between a run that was interrupted and resumed and one that was not, as text.

use std::fmt::Write;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::Store;
use super::columns::all;
use seald_core::error::Result;

/// A table in the dump.
struct Dumped {
    name: &'static str,
    /// Columns that differ from run to run: times, durations, counts of attempts. All others are in the dump.
    without: &'static [&'static str],
    order: &'static str,
}

const fn table(name: &'static str, without: &'static [&'static str], order: &'static str) -> Dumped {
    Dumped { name, without, order }
}

/// Every table but [`LEFT_OUT`].
const TABLES: &[Dumped] = &[
    table("documents", &["received_at"], "id"),
    table("passages", &[], "id"),
    table("supplied_probes", &[], "document, position"),
    table("jobs", &["attempts", "lease_until", "ends", "began_at", "boot", "ended_at"], "id"),
    table("probes", &[], "id"),
    table("self_edits", &[], "id"),
    table("trials", &["seconds"], "id"),
    table("trial_self_edits", &[], "trial, position"),
    table("decisions", &[], "document"),
    table("findings", &[], "document, position"),
    table("generations", &["created_at"], "id"),
    table("generation_documents", &[], "generation, document"),
    table("live", &["since"], "only"),
    // Where the model lies is not what was learned.
    table("lineages", &["model", "begun_at", "left_at"], "id"),
    table("consolidations", &["seconds", "ended_at"], "job"),
    table("forgettings", &["ended_at"], "job"),
    table("writers", &["created_at"], "id"),
    table("writer_documents", &[], "writer, document"),
    table("writer_rounds", &["seconds", "ended_at"], "job"),
    table("writer_samples", &[], "job, position"),
    table("evaluations", &[], "asked_for, probe, subject, generation"),
    table("base_samples", &[], "base_fingerprint"),
    // What was measured holds how fast the machine was.
    table("calibrations", &["calibration", "made_at"], "base_fingerprint, prompts"),
    table("inbox_files", &["taken_at", "missing_since"], "path, document"),
];

/// The log tells of the interruption itself, SQLite's own counters follow it; what was said about when to work is no knowledge.
#[cfg(test)]
const LEFT_OUT: &[&str] = &["events", "sqlite_sequence", "schedule", "pause"];

impl Store {
    /// The tables as text: one line a row, in a fixed order, without times, durations, counts of attempts and the log
    /// of events. Equal dumps mean equal knowledge. Holds whole documents: for tests and bug reports of one's own.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn dump(&self) -> Result<String> {
        self.read("everything", |db| {
            let mut text = String::new();
            TABLES.iter().try_for_each(|one| append(db, one, &mut text))?;
            Ok(text)
        })
    }
}

fn append(db: &Connection, table: &Dumped, text: &mut String) -> Result<()> {
    let Dumped { name, without, order } = table;
    let columns: Vec<String> = all(db, "SELECT name FROM pragma_table_info(?)", [name], |row| row.get(0))?;
    let columns: Vec<_> = columns.into_iter().filter(|c| !without.contains(&c.as_str())).collect();
    let columns = columns.join(", ");
    text.push_str(&format!("{name}: {columns}\n"));
    let lines = all(db, &format!("SELECT {columns} FROM {name} ORDER BY {order}"), [], |row| {
        let mut line = String::from(" ");
        for index in 0..row.as_ref().column_count() {
            // Writing to a string cannot fail.
            let _ = match row.get_ref(index)? {
                ValueRef::Null => write!(line, " null"),
                ValueRef::Integer(n) => write!(line, " {n}"),
                ValueRef::Real(n) => write!(line, " {n:?}"),
                ValueRef::Text(bytes) => write!(line, " {:?}", String::from_utf8_lossy(bytes)),
                ValueRef::Blob(bytes) => write!(line, " x{bytes:02x?}"),
            };
        }
        line.push('\n');
        Ok(line)
    })?;
    text.extend(lines);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_table_is_in_the_dump_or_left_out_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("seald.db")).unwrap();
        // The index of full-text search follows from the passages.
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'lookup%'";
        let there: Vec<String> = store.read("tables", |db| all(db, sql, [], |row| row.get(0))).unwrap();
        let named: BTreeSet<_> = TABLES.iter().map(|t| t.name).chain(LEFT_OUT.iter().copied()).collect();
        assert_eq!(there.iter().map(String::as_str).collect::<BTreeSet<_>>(), named);
        for Dumped { name, without, .. } in TABLES {
            let sql = "SELECT name FROM pragma_table_info(?)";
            let columns: Vec<String> = store.read("t", |db| all(db, sql, [name], |row| row.get(0))).unwrap();
            assert!(without.iter().all(|w| columns.iter().any(|c| c == w)), "{name}");
        }
    }
}
