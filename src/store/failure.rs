//! What SQLite's errors mean: the kind, and the remedy in words.

use rusqlite::ErrorCode;

use crate::error::{Error, Kind};

/// [`super::Store`]'s methods add which file and which rows.
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
        Error::new(kind, text).with_source(e)
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

/// A state that forbids what was asked.
pub(super) fn conflict(text: impl Into<String>) -> Error {
    Error::new(Kind::Conflict, text)
}

/// A row that was named and is not there.
pub(super) fn not_found(text: impl Into<String>) -> Error {
    Error::new(Kind::NotFound, text)
}
