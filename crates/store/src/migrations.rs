//! Migrations: the tables of version N are those of version N - 1 after `migrations/000N.sql`.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::columns::first;
use seald_core::error::{Error, Kind, Result};

/// One file for each version, in order. Append only: a released file never changes.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
    include_str!("migrations/0005.sql"),
    include_str!("migrations/0006.sql"),
    include_str!("migrations/0007.sql"),
    include_str!("migrations/0008.sql"),
    include_str!("migrations/0009.sql"),
    include_str!("migrations/0010.sql"),
    include_str!("migrations/0011.sql"),
    include_str!("migrations/0012.sql"),
];

/// The version of the tables that this program works with.
pub const VERSION: usize = MIGRATIONS.len();

/// The version of the tables in an open database; 0 for an empty one.
pub(super) fn version(connection: &Connection) -> Result<i64> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// Brings the tables to version `to`, each step in a transaction of its own; the version found. Ends with foreign keys
/// enforced.
///
/// The version is read under the write lock, so that of two programs that open at once, one migrates.
pub(super) fn migrate(connection: &mut Connection, to: usize) -> Result<i64> {
    let found = version(connection)?;
    // A table is changed by making it anew, which takes the rows that refer to it along unless this is off; it cannot
    // be switched within a transaction.
    connection.pragma_update(None, "foreign_keys", false)?;
    for (index, sql) in MIGRATIONS.iter().enumerate().take(to) {
        let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
        if version(&transaction)? == index as i64 {
            transaction.execute_batch(sql).map_err(|e| {
                let next = index + 1;
                Error::from(e).context(format!("its tables cannot be brought from version {index} to {next}"))
            })?;
            refuse_dangling(&transaction)?;
            transaction.pragma_update(None, "user_version", index as i64 + 1)?;
            transaction.commit()?;
        }
    }
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(found)
}

fn refuse_dangling(transaction: &Transaction<'_>) -> Result<()> {
    let sql = "SELECT \"table\" FROM pragma_foreign_key_check";
    match first(transaction, sql, [], |row| row.get::<_, String>(0))? {
        None => Ok(()),
        Some(table) => {
            let text = format!("table {table} refers to rows that are not there: restore a backup");
            Err(Error::new(Kind::Corrupt, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rusqlite::types::Value;

    use super::super::Store;
    use super::super::columns::all;
    use super::*;

    /// For each version, a row in each table that it added.
    const ROWS: &[&str] = &[
        include_str!("migrations/0001.rows.sql"),
        include_str!("migrations/0002.rows.sql"),
        include_str!("migrations/0003.rows.sql"),
        include_str!("migrations/0004.rows.sql"),
        include_str!("migrations/0005.rows.sql"),
        include_str!("migrations/0006.rows.sql"),
        include_str!("migrations/0007.rows.sql"),
        include_str!("migrations/0008.rows.sql"),
        include_str!("migrations/0009.rows.sql"),
        include_str!("migrations/0010.rows.sql"),
        include_str!("migrations/0011.rows.sql"),
        include_str!("migrations/0012.rows.sql"),
    ];

    fn tables(connection: &Connection) -> Vec<String> {
        let sql =
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
        all(connection, sql, [], |row| row.get(0)).unwrap()
    }

    fn count(connection: &Connection, table: &str) -> i64 {
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }

    /// A database as the program of an earlier version left it.
    fn database_of(version: usize, path: &Path) {
        let mut connection = Connection::open(path).unwrap();
        connection.pragma_update(None, "application_id", super::super::open::APPLICATION_ID).unwrap();
        for (index, rows) in ROWS[..version].iter().enumerate() {
            migrate(&mut connection, index + 1).unwrap();
            connection.execute_batch(rows).unwrap();
            // Full-text search keeps tables of its own, which need not all be filled.
            for table in tables(&connection).into_iter().filter(|t| !t.starts_with("lookup_")) {
                assert!(count(&connection, &table) > 0, "000{}.rows.sql has no row for {table}", index + 1);
            }
        }
    }

    #[test]
    fn databases_of_every_version_are_migrated_with_their_rows() {
        assert_eq!(ROWS.len(), VERSION, "each version needs its rows");
        let dir = tempfile::tempdir().unwrap();
        let fresh = Store::open(&dir.path().join("fresh.db")).unwrap();
        for old in 0..=VERSION {
            let path = dir.path().join(format!("{old}.db"));
            database_of(old, &path);
            let store = Store::open(&path).unwrap();
            assert_eq!(version(&store.connection).unwrap(), VERSION as i64);
            assert_eq!(tables(&store.connection), tables(&fresh.connection), "from version {old}");
            store.dump().unwrap();
            let strict: bool =
                store.connection.query_row("PRAGMA foreign_keys", [], |row| row.get(0)).unwrap();
            assert!(strict);
            if old > 0 {
                let document = store.document(seald_core::domain::ids::DocumentId(1)).unwrap();
                assert_eq!(document.title, "Bulletin 7");
                assert_eq!(store.live().unwrap().unwrap().documents, [document.id]);
                assert_eq!(store.curriculum().unwrap().len(), 1);
                assert!(!store.replay_row(store.live().unwrap().unwrap().id).unwrap().is_empty());
                let found = store.look_up("When does the ferry leave?", 3).unwrap();
                assert_eq!(found.iter().map(|d| d.id).collect::<Vec<_>>(), [document.id]);
                assert_eq!(store.base_samples("base", 1).unwrap(), Some(vec![vec![1, 2], vec![3]]));
                let rate = store.calibration("base", "general").unwrap().map(|made| made.learning_rate);
                assert_eq!(rate, (old >= 6).then_some(0.002), "from version {old}");
                // Document 77 was forgotten in version 3.
                let last = "SELECT seq FROM sqlite_sequence WHERE name = 'documents'";
                let last: i64 = store.connection.query_row(last, [], |row| row.get(0)).unwrap();
                assert_eq!(last, if old >= 3 { 77 } else { 1 }, "from version {old}");
            }
        }
    }

    /// To SQLite before 3.45 json_valid(NULL) was 0, and its `PRAGMA integrity_check` called such a row damaged.
    #[test]
    fn what_may_be_null_is_whole_to_every_sqlite() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, VERSION).unwrap();
        let mut found = 0;
        for table in tables(&connection) {
            let sql: String = connection
                .query_row("SELECT sql FROM sqlite_schema WHERE name = ?", [&table], |row| row.get(0))
                .unwrap();
            let nullable = "SELECT name FROM pragma_table_info(?) WHERE NOT \"notnull\"";
            for column in all(&connection, nullable, [&table], |row| row.get::<_, String>(0)).unwrap() {
                let check = format!("json_valid({column})");
                let whole = format!("CHECK ({column} IS NULL OR {check})");
                assert_eq!(sql.contains(&check), sql.contains(&whole), "{table}.{column}: write {whole}");
                found += usize::from(sql.contains(&whole));
            }
        }
        assert_eq!(found, 3, "documents.probe_stats, consolidations.reasons, writer_rounds.reasons");
    }

    #[test]
    fn a_document_that_was_accepted_is_learned() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("11.db");
        database_of(11, &path);
        let mut connection = Connection::open(&path).unwrap();
        let told = r#"INSERT INTO events (at, kind, body) VALUES (1, 'finished', '{"verdict": "accepted"}')"#;
        connection.execute(told, []).unwrap();
        migrate(&mut connection, VERSION).unwrap();
        let word = |sql| connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
        assert_eq!(word("SELECT state FROM documents WHERE id = 1"), "learned");
        assert_eq!(word("SELECT body ->> 'verdict' FROM events WHERE kind = 'finished'"), "learned");
    }

    #[test]
    fn what_was_trained_is_the_same_in_tables_that_are_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("10.db");
        database_of(10, &path);
        let mut connection = Connection::open(&path).unwrap();
        connection.execute("UPDATE consolidations SET reasons = NULL", []).unwrap();
        let rows = |connection: &Connection| {
            ["consolidations", "writer_rounds", "writer_samples"].map(|table| {
                let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
                let names: Vec<String> = statement.column_names().map(str::to_string).collect();
                let mut row = |row: &rusqlite::Row<'_>| {
                    (0..names.len()).map(|column| row.get(column)).collect::<rusqlite::Result<Vec<Value>>>()
                };
                let values: Vec<Vec<Value>> =
                    statement.query_map([], &mut row).unwrap().collect::<rusqlite::Result<_>>().unwrap();
                assert!(!values.is_empty());
                (names, values)
            })
        };
        let before = rows(&connection);
        migrate(&mut connection, VERSION).unwrap();
        assert_eq!(rows(&connection), before);
    }

    #[test]
    fn a_migration_that_would_leave_dangling_rows_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, VERSION).unwrap();
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        connection.execute("INSERT INTO passages VALUES (1, 77, 0, 'x')", []).unwrap();
        let transaction = connection.transaction().unwrap();
        let e = refuse_dangling(&transaction).unwrap_err();
        assert_eq!((e.kind(), e.to_string().contains("passages")), (Kind::Corrupt, true));
    }
}
