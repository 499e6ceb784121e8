//! Converts the errors of SQLite and of the file system.
//!
//! A message names the operation and SQLite's result code, never a value, because rows hold signed URLs.

use std::io;

use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::error::{Code, Error};

/// Returns the conversion of SQLite's errors in an operation, such as "reading an asset from the database".
pub(super) fn sqlite(operation: &'static str) -> impl Fn(rusqlite::Error) -> Error {
    move |error| {
        let code = code_of(&error);
        let message = match error.sqlite_error() {
            Some(e) => format!("{operation} failed: {} (SQLite {})", reason(code), e.extended_code),
            None => format!("{operation} failed: {}", reason(code)),
        };
        Error::new(code, message).caused_by(error)
    }
}

/// Returns the conversion of the file system's errors in an operation, such as "creating the store's folder".
pub(super) fn file(operation: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| {
        let code = if is_full(&error) { Code::DiskFull } else { Code::StoreUnavailable };
        Error::new(code, format!("{operation} failed: {}", error.kind())).caused_by(error)
    }
}

/// True if no space or no quota is left.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// True for the two codes that mean a damaged file. Every other error leaves the file as it is: a locked device, a
/// missing volume or a failing disk must not cost a user's licenses.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    code_of(error) == Code::StoreCorrupt
}

fn code_of(error: &rusqlite::Error) -> Code {
    let Some(error) = error.sqlite_error() else { return Code::Internal };
    match (error.code, error.extended_code) {
        (ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _) => Code::StoreCorrupt,
        // The -shm file could not grow. SQLite reports a full disk there as an I/O error.
        (ErrorCode::DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => Code::DiskFull,
        (ErrorCode::TooBig, _) => Code::InvalidArgument,
        (
            ErrorCode::PermissionDenied
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::OutOfMemory
            | ErrorCode::ReadOnly
            | ErrorCode::OperationInterrupted
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::NoLargeFileSupport
            | ErrorCode::AuthorizationForStatementDenied,
            _,
        ) => Code::StoreUnavailable,
        _ => Code::Internal,
    }
}

fn reason(code: Code) -> &'static str {
    match code {
        Code::StoreCorrupt => "the file is damaged; the next opening repairs it",
        Code::DiskFull => "the disk is full",
        Code::StoreUnavailable => "the file is locked, missing or not accessible",
        Code::InvalidArgument => "a value is too large",
        _ => "internal error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(extended_code: i32) -> Code {
        code_of(&rusqlite::Error::SqliteFailure(ffi::Error::new(extended_code), None))
    }

    #[test]
    fn only_corrupt_and_notadb_count_as_damage() {
        let damage: Vec<i32> = (0..=0x2fff).filter(|code| of(*code) == Code::StoreCorrupt).collect();
        assert!(
            damage.iter().all(|code| matches!(code & 0xff, ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB)),
            "{damage:?}"
        );
        assert!(damage.contains(&ffi::SQLITE_CORRUPT) && damage.contains(&ffi::SQLITE_NOTADB));
    }

    #[test]
    fn sqlite_results_have_the_code_with_the_right_remedy() {
        for (result, code) in [
            (ffi::SQLITE_FULL, Code::DiskFull),
            (ffi::SQLITE_IOERR_SHMSIZE, Code::DiskFull),
            (ffi::SQLITE_BUSY, Code::StoreUnavailable),
            (ffi::SQLITE_BUSY_RECOVERY, Code::StoreUnavailable),
            (ffi::SQLITE_LOCKED, Code::StoreUnavailable),
            (ffi::SQLITE_PERM, Code::StoreUnavailable),
            (ffi::SQLITE_AUTH, Code::StoreUnavailable),
            (ffi::SQLITE_CANTOPEN, Code::StoreUnavailable),
            (ffi::SQLITE_PROTOCOL, Code::StoreUnavailable),
            (ffi::SQLITE_IOERR_READ, Code::StoreUnavailable),
            (ffi::SQLITE_IOERR_CORRUPTFS, Code::StoreUnavailable),
            (ffi::SQLITE_READONLY_DBMOVED, Code::StoreUnavailable),
            (ffi::SQLITE_NOMEM, Code::StoreUnavailable),
            (ffi::SQLITE_MISUSE, Code::Internal),
            (ffi::SQLITE_CONSTRAINT_CHECK, Code::Internal),
        ] {
            assert_eq!(of(result), code, "{result}");
        }
    }
}
