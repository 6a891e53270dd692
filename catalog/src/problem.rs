//! What can go wrong. Nothing of it reaches callers but as text.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use thiserror::Error;

/// Why the catalog did not do what was asked.
#[derive(Debug, Error)]
pub(crate) enum Problem {
    #[error("cannot {action} {}: {source}", path.display())]
    File { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{}: {reason}; the catalog there is not used, and nothing is remembered", path.display())]
    Unsafe { path: PathBuf, reason: &'static str },
    #[error("cannot {action} the catalog: {source}")]
    Sqlite { action: &'static str, source: rusqlite::Error },
    #[error("the catalog is not usable: {0}")]
    Unusable(&'static str),
    #[error("the catalog {} must be made anew, but is in use", .0.display())]
    InUse(PathBuf),
    #[error("the catalog {} was made anew, since it was not usable: {reason}", path.display())]
    MadeAnew { path: PathBuf, reason: String },
    #[error("the entry of {} is damaged and was dropped", .0.display())]
    Damaged(PathBuf),
    #[error("{} was changed just before it was looked at: not remembered", .0.display())]
    NotSettled(PathBuf),
    #[error("what was found in {} takes {bytes} bytes, the catalog may hold {limit_bytes}", path.display())]
    TooLarge { path: PathBuf, bytes: u64, limit_bytes: u64 },
}

impl Problem {
    /// For `map_err`: an SQLite error with what was being done.
    pub(crate) fn sqlite(action: &'static str) -> impl Fn(rusqlite::Error) -> Self {
        move |source| Self::Sqlite { action, source }
    }

    /// For `map_err`: a file error with what was being done to what.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    /// A place that others than this user can write, or belongs to them.
    pub(crate) fn unsafe_place(path: &Path, reason: &'static str) -> Self {
        Self::Unsafe { path: path.to_owned(), reason }
    }

    /// Whether the file itself is at fault, so that it helps to make it anew; a full disk or a busy
    /// database is not.
    pub(crate) fn is_file_at_fault(&self) -> bool {
        match self {
            Self::Unusable(_) => true,
            Self::Sqlite { source, .. } => is_damage(source),
            _ => false,
        }
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => matches!(
            failure.code,
            // Unknown: plain SQLITE_ERROR, such as a table that is not there or an unsupported format.
            ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::Unknown | ErrorCode::ConstraintViolation
        ),
        rusqlite::Error::SqlInputError { .. } => true,
        rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::IntegralValueOutOfRange(..) => true,
        _ => false,
    }
}
