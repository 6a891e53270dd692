//! The reasons why a demo ends early. A lack of room is told apart, since the user can do something about it.

use std::error::Error;
use std::io;

use regrow_sync::SyncError;

use crate::failure::Failure;

/// A reason why a demo ended early.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The disk, or the user's share of it, is full.
    NoRoom,
    /// Anything else.
    Other(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

impl From<SyncError> for Trouble {
    fn from(error: SyncError) -> Self {
        if is_no_room(&error) { Self::NoRoom } else { Self::Other(error.into()) }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        if is_no_room(&error) { Self::NoRoom } else { Self::Other(error.into()) }
    }
}

fn is_no_room(error: &(dyn Error + 'static)) -> bool {
    let is_full = |error: &(dyn Error + 'static)| {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    };
    let mut cause = Some(error);
    while let Some(error) = cause {
        if is_full(error) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn want_of_room_is_found_under_other_errors() {
        let with = |kind: io::ErrorKind| Trouble::from(SyncError::io("x")(kind.into()));
        assert!(matches!(with(io::ErrorKind::StorageFull), Trouble::NoRoom));
        assert!(matches!(with(io::ErrorKind::NotFound), Trouble::Other(_)));
    }
}
