//! An image that is not all there is not published.

use std::path::Path;

use regrow_local::{LocalError, Whole};

use crate::{Progress, SyncError};

/// Refuses an image that is not all there.
pub(super) fn check_whole(whole: &Whole, path: &Path, allowed: bool, progress: &dyn Progress) -> Result<(), SyncError> {
    match whole {
        Whole::Yes => {}
        Whole::Unmarked => progress.warn(&format!(
            "{}: a tar without the zeros that end one; its entries are whole, so it is taken",
            path.display()
        )),
        Whole::No(missing) if allowed => progress.warn(&format!("{}: {missing}", path.display())),
        Whole::No(missing) => {
            return Err(LocalError::Partial { path: path.to_owned(), missing: missing.clone() }.into());
        }
    }
    Ok(())
}
