//! Where a store's folder is when links on the way to it are followed.

use std::path::{Path, PathBuf};

use regrow_paths::{LinkError, Trust, follow_links};

use crate::StoreError;

/// The path with its links resolved. Parts that do not exist yet have no links.
///
/// # Errors
/// [`StoreError::Link`] for a link that another user put into a folder that everybody can write;
/// [`StoreError::Io`].
pub(super) fn follow(path: &Path) -> Result<PathBuf, StoreError> {
    follow_links(path, Trust::AsTheKernel).map_err(|error| match error {
        LinkError::Foreign { link, owner } => StoreError::Link { path: link, owner },
        LinkError::TooMany => StoreError::io(path)(rustix::io::Errno::LOOP.into()),
        LinkError::Io { path, source } => StoreError::io(&path)(source),
    })
}
