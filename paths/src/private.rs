//! Folders that belong to this user alone, for what must not be written by others.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, Stat};

use crate::{LinkError, Place, Trust, is_sticky, is_trusted, walk};

/// A reason why a private folder cannot be used.
#[derive(Debug)]
pub enum PrivateProblem {
    /// A folder or file belongs to others, or they may write to it.
    Foreign(PathBuf),
    /// A file operation failed.
    Io(PathBuf, io::Error),
}

impl fmt::Display for PrivateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign(path) => write!(f, "{}: others could have written it, so it is not used", path.display()),
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

/// Opens a folder of this user's alone, and makes it if there is none and `makes` says so.
///
/// # Errors
/// The folder is another's, or others may write to it or to where it would be made, or a file operation fails.
pub fn open_private(folder: &Path, makes: bool) -> Result<Option<Place>, PrivateProblem> {
    let io = |error| PrivateProblem::Io(folder.to_owned(), error);
    let foreign = || PrivateProblem::Foreign(folder.to_owned());
    let path = std::path::absolute(folder).map_err(io)?;
    let walked = walk(&path, Trust::OwnLinks).map_err(|error| match error {
        LinkError::Io { path, source } => PrivateProblem::Io(path, source),
        _ => foreign(),
    })?;
    let (rest, obstacle) = (walked.rest.clone(), walked.obstacle.as_ref().map(io::Error::kind));
    let mut place = walked.into_place().map_err(io)?;
    let stat = place.stat_folder().map_err(io)?;
    if rest.is_empty() {
        return if is_private(&stat) { Ok(Some(place)) } else { Err(foreign()) };
    }
    match (obstacle, makes) {
        (Some(io::ErrorKind::NotFound), false) => return Ok(None),
        (Some(io::ErrorKind::NotFound), true) if may_make_in(&stat) => {}
        (Some(io::ErrorKind::NotFound), true) => return Err(foreign()),
        (Some(kind), _) => return Err(io(kind.into())),
        (None, _) => return Err(io(io::ErrorKind::NotADirectory.into())),
    }
    for name in rest {
        place = place.own_folder(&name).map_err(io)?;
    }
    Ok(Some(place))
}

/// Whether users other than the owner may write. A group that has the owner's number is the owner's own.
fn others_write(stat: &Stat) -> bool {
    let mode = Mode::from_raw_mode(stat.st_mode);
    mode.contains(Mode::WOTH) || (mode.contains(Mode::WGRP) && stat.st_gid != stat.st_uid)
}

fn is_private(stat: &Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw() && !others_write(stat)
}

/// Whether nobody else can put another folder in the place of one that is made in this folder.
fn may_make_in(stat: &Stat) -> bool {
    is_trusted(stat.st_uid) && (!others_write(stat) || is_sticky(stat))
}
