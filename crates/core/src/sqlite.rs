//! What the nouns are in a column of SQLite, and what its errors mean: the kind, and the remedy in words. Behind the feature `sqlite`, which only the
//! store asks for; only the crate of a type may say this of it.

use rusqlite::ErrorCode;
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::domain::ids::{
    DocumentId, GenerationId, JobId, LineageId, PassageId, ProbeId, SelfEditId, TrialId, WriterId,
};
use crate::error::{Error, Kind};

/// Numbers of rows as they are.
macro_rules! id_columns {
    ($($id:ident),+) => {$(
        impl ToSql for $id {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(self.0.into())
            }
        }

        impl FromSql for $id {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                i64::column_result(value).map(Self)
            }
        }
    )+};
}

id_columns!(DocumentId, PassageId, ProbeId, SelfEditId, TrialId, JobId, LineageId);

/// The base has no row, so that it is NULL where a row is referred to.
macro_rules! adapter_columns {
    ($($id:ident),+) => {$(
        impl ToSql for $id {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(if *self == Self::BASE { rusqlite::types::Null.into() } else { self.0.into() })
            }
        }

        impl FromSql for $id {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                Option::<i64>::column_result(value).map(|id| id.map_or(Self::BASE, Self))
            }
        }
    )+};
}

adapter_columns!(GenerationId, WriterId);

/// The methods of `seald_store::Store` add which file and which rows.
impl From<rusqlite::Error> for Error {
    fn from(e: rusqlite::Error) -> Self {
        let (kind, text) = match &e {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => {
                (Kind::Corrupt, "a row holds what this program never writes (restore a backup)")
            }
            _ => meaning(e.sqlite_error_code()),
        };
        match e {
            // Without the statement, which may be a page of SQL and tells a person nothing.
            rusqlite::Error::SqlInputError { error, msg, .. } => {
                Error::new(kind, text).with_source(rusqlite::Error::SqliteFailure(error, Some(msg)))
            }
            e => Error::new(kind, text).with_source(e),
        }
    }
}

fn meaning(code: Option<ErrorCode>) -> (Kind, &'static str) {
    match code {
        Some(ErrorCode::DiskFull) => (Kind::Io, "the disk is full (free some space)"),
        Some(ErrorCode::ReadOnly) => (
            Kind::Io,
            "the database may only be read (check who owns the file and its folder, and how the disk is mounted)",
        ),
        Some(
            ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied,
        ) => (Kind::Io, "the database cannot be opened (check that its folder exists and who owns it)"),
        Some(
            ErrorCode::SystemIoFailure | ErrorCode::NoLargeFileSupport | ErrorCode::FileLockingProtocolFailed,
        ) => (
            Kind::Io,
            "the operating system refused (check the disk; network mounts cannot hold the database)",
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (Kind::Conflict, "another process is writing (stop it, or try again)")
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => (
            Kind::Corrupt,
            "the file is damaged or no database (restore a backup, or move it away to start with an empty one)",
        ),
        Some(ErrorCode::OutOfMemory) => (Kind::Memory, "not enough memory"),
        Some(ErrorCode::TooBig) => (Kind::Invalid, "a value is larger than the database can hold (1 GB)"),
        Some(ErrorCode::ConstraintViolation) => (Kind::Internal, "a row breaks a rule of its table"),
        _ => (Kind::Internal, "the database refused a statement"),
    }
}
