//! The place of an output: an open folder and a name in it.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use regrow_paths::{LinkError, Place, Trust, walk};
use rustix::fs::Stat;
use rustix::io::Errno;

use crate::SyncError;

/// The place of an output. The name is not a link.
#[derive(Debug)]
pub(crate) struct Spot {
    pub(super) place: Place,
    pub(super) name: OsString,
    path: PathBuf,
}

impl Spot {
    /// Follows the links of a path to the file that it means, which need not exist yet.
    pub(super) fn find(path: &Path) -> Result<Self, SyncError> {
        let failed = |error: io::Error| SyncError::io(path)(error);
        let mut walked = walk(path, Trust::AsTheKernel).map_err(|error| match error {
            LinkError::Foreign { link, owner } => SyncError::Link { path: link, owner },
            LinkError::TooMany => failed(Errno::LOOP.into()),
            LinkError::Io { source, .. } => failed(source),
        })?;
        let reached = walked.path();
        let name = match walked.rest.as_slice() {
            [] => {
                let reason = "is a folder; the output is a file, a device or -";
                return Err(SyncError::Usage(format!("{}: {reason}", path.display())));
            }
            [name] => name.clone(),
            _ => return Err(failed(walked.obstacle.unwrap_or(Errno::NOTDIR.into()))),
        };
        if let Some(obstacle) = walked.obstacle.take() {
            if obstacle.kind() != io::ErrorKind::NotFound {
                return Err(failed(obstacle));
            }
            // A link of another user may choose which file is replaced, but not where a new one is made: it could lead
            // into a folder that only this user may write.
            if let Some((path, owner)) = walked.foreign.take() {
                return Err(SyncError::Link { path, owner });
            }
        }
        if walked.means_folder {
            return Err(failed(Errno::NOTDIR.into()));
        }
        Ok(Self { place: walked.into_place().map_err(failed)?, name, path: reached })
    }

    /// The path of the file, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The object at this place, if there is one.
    pub(super) fn stat(&self) -> Option<Stat> {
        self.place.stat(&self.name).ok()
    }
}
