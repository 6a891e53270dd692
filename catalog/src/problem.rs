//! The problems that can occur. Callers see them only as text.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use thiserror::Error;

/// A reason why the catalog did not do what was asked.
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
    #[error("the catalog {} must be replaced, but is in use", .0.display())]
    InUse(PathBuf),
    #[error("the catalog {} was not usable, and was replaced by an empty one: {reason}", path.display())]
    MadeAnew { path: PathBuf, reason: String },
    #[error("the entry of {} is damaged and was dropped", .0.display())]
    Damaged(PathBuf),
    #[error("{} was changed just before it was looked at, so it is not remembered", .0.display())]
    NotSettled(PathBuf),
    #[error("the entry of {} takes {bytes} bytes, but the catalog may hold {limit_bytes}", path.display())]
    TooLarge { path: PathBuf, bytes: u64, limit_bytes: u64 },
}

impl Problem {
    /// Adds the failed action to an SQLite error; for `map_err`.
    pub(crate) fn sqlite(action: &'static str) -> impl Fn(rusqlite::Error) -> Self {
        move |source| Self::Sqlite { action, source }
    }

    /// Adds the failed action and its path to a file error; for `map_err`.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    /// A place that belongs to other users, or that they can write.
    pub(crate) fn unsafe_place(path: &Path, reason: &'static str) -> Self {
        Self::Unsafe { path: path.to_owned(), reason }
    }

    /// Whether the file itself is at fault, so that replacing it helps. It does not help against a full disk or a
    /// busy database.
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
            // Unknown stands for plain SQLITE_ERROR, such as a table that is not there or an unsupported format.
            ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::Unknown | ErrorCode::ConstraintViolation
        ),
        rusqlite::Error::SqlInputError { .. } => true,
        rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::IntegralValueOutOfRange(..) => true,
        _ => false,
    }
}
