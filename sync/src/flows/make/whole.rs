//! Refuses to publish an incomplete image.

use std::path::Path;

use regrow_local::{LocalError, Whole};

use crate::{Progress, SyncError};

/// Refuses an incomplete image unless `allowed`. An image that only lacks its end marker gives a warning.
pub(super) fn check_whole(whole: &Whole, path: &Path, allowed: bool, progress: &dyn Progress) -> Result<(), SyncError> {
    match whole {
        Whole::Yes => {}
        Whole::Unmarked => progress.warn(&format!(
            "{}: this tar is without the zeros that end one; its entries are whole, so it is accepted",
            path.display()
        )),
        Whole::No(missing) if allowed => progress.warn(&format!("{}: {missing}", path.display())),
        Whole::No(missing) => {
            return Err(LocalError::Partial { path: path.to_owned(), missing: missing.clone() }.into());
        }
    }
    Ok(())
}
