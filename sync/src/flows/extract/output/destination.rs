//! The place for the image, found and checked before anything is done.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::attributes;
use super::mounted::{check_changeable, is_mounted};
use super::part::Part;
use super::spot::Spot;
use crate::SyncError;
use crate::flows::extract::Output;

/// A possible place for the output. Links were followed.
pub(crate) enum Destination {
    File(Spot),
    InPlace(Spot),
    Pipe(Box<dyn Write + Send>),
    /// The file of a dry run, in a folder that does not exist.
    Nowhere(PathBuf),
}

impl Destination {
    /// Finds the output's place, and refuses one that cannot be written.
    pub(crate) fn find(output: Output, dry_run: bool) -> Result<Self, SyncError> {
        match output {
            Output::Pipe(pipe) => Ok(Self::Pipe(pipe)),
            Output::InPlace(path) => Spot::find(&path).map(Self::InPlace),
            Output::File(path) if path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) => {
                Err(no_file(&path))
            }
            Output::File(path) => match Spot::find(&path) {
                Err(SyncError::Io { source, .. }) if dry_run && source.kind() == io::ErrorKind::NotFound => {
                    Ok(Self::Nowhere(path))
                }
                spot => Self::file(spot?),
            },
        }
    }

    fn file(spot: Spot) -> Result<Self, SyncError> {
        match spot.stat() {
            Some(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile => Err(no_file(spot.path())),
            Some(_) => check_changeable(&spot).map(|()| Self::File(spot)),
            None => Ok(Self::File(spot)),
        }
    }

    /// The path of a file or device.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(spot) | Self::InPlace(spot) => Some(spot.path()),
            Self::Nowhere(path) => Some(path),
            Self::Pipe(_) => None,
        }
    }

    /// The path of the file that will be replaced, if there is one. It is a seed.
    pub(crate) fn replaced(&self) -> Option<PathBuf> {
        match self {
            Self::File(spot) if spot.stat().is_some_and(|stat| stat.st_size > 0) => Some(spot.path().to_owned()),
            _ => None,
        }
    }

    /// The file that will be written over, because something is mounted on it.
    pub(crate) fn mounted(&self) -> Option<&Path> {
        match self {
            Self::File(spot) if is_mounted(spot) => Some(spot.path()),
            _ => None,
        }
    }

    /// The size of the file that will be replaced or written over, unless it is empty. The size of a device is not
    /// known.
    pub(crate) fn present_bytes(&self) -> Option<u64> {
        match self {
            Self::File(spot) | Self::InPlace(spot) => {
                spot.stat().map(|stat| stat.st_size as u64).filter(|&size| size > 0)
            }
            Self::Nowhere(_) | Self::Pipe(_) => None,
        }
    }

    /// Whether a file that is the image already may stay. In a folder like `/tmp`, the file of another user may change
    /// at any time.
    pub(crate) fn may_stay(&self) -> bool {
        match self {
            Self::File(spot) => spot.stat().is_some_and(|stat| attributes::are_kept(&spot.place, &stat)),
            _ => false,
        }
    }

    /// Removes the files that an unfinished run left beside an output that is complete by now.
    pub(crate) fn sweep(self) {
        if let Self::File(spot) = self {
            Part::new(spot).sweep();
        }
    }
}

fn no_file(path: &Path) -> SyncError {
    SyncError::NoFile { path: path.to_owned() }
}
