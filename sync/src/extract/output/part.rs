//! A file that grows under a temporary name beside its final one, for this user alone, and gets name, owner and mode when it is complete.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::PathBuf;

use super::attributes::Attributes;
use super::spot::Spot;
use crate::SyncError;
use crate::place::{Access, Place};

/// The names beside an output.
pub(super) struct Names {
    /// The image; if it has coded files, the part of its plain image that was fetched.
    pub(super) part: OsString,
    /// The image while it is made of its plain image.
    pub(super) coded: OsString,
    /// The folder for what an unfinished output cannot hold.
    pub(super) meta: OsString,
}

impl Names {
    pub(super) fn of(name: &OsStr) -> Self {
        // `.NAME` with an ending.
        let beside = |ending| {
            let mut hidden = OsString::from(".");
            hidden.push(name);
            hidden.push(ending);
            hidden
        };
        Self { part: beside(".regrow-part"), coded: beside(".regrow-image"), meta: beside(".regrow-meta") }
    }
}

/// See the module's documentation.
pub(super) struct Part {
    pub(super) spot: Spot,
    pub(super) names: Names,
}

impl Part {
    pub(super) fn new(spot: Spot) -> Self {
        let names = Names::of(&spot.name);
        Self { spot, names }
    }

    fn place(&self) -> &Place {
        &self.spot.place
    }

    pub(super) fn meta_path(&self) -> PathBuf {
        self.place().path(&self.names.meta)
    }

    /// Opens the unfinished output, or begins one, for this process alone.
    pub(super) fn open(&self) -> Result<File, SyncError> {
        let file = self.place().locked_file(&self.names.part).map_err(self.failed(&self.names.part))?;
        file.ok_or_else(|| SyncError::Busy { path: self.spot.path().to_owned() })
    }

    /// Begins the image that is made of a plain image. Whoever has the other file's lock may have this one.
    pub(super) fn begin_coded(&self) -> Result<File, SyncError> {
        let name = &self.names.coded;
        let made = self.place().remove_file(name).and_then(|()| self.place().new_file(name));
        made.map_err(self.failed(name))
    }

    /// What to say where a temporary file could not be made: something may be in its way.
    fn failed(&self, name: &OsStr) -> impl FnOnce(io::Error) -> SyncError + use<> {
        let path = self.place().path(name);
        let is_in_the_way = self.place().stat(name).is_ok();
        move |source| {
            let is_denied = source.kind() == io::ErrorKind::PermissionDenied;
            if is_denied && is_in_the_way {
                SyncError::Occupied { path, source }
            } else {
                SyncError::Io { path, source }
            }
        }
    }

    /// Makes the complete file durable and gives it its name. `is_coded`: it is the image made of its plain image.
    pub(super) fn commit(&self, file: &File, is_coded: bool) -> Result<(), SyncError> {
        let name = if is_coded { &self.names.coded } else { &self.names.part };
        let path = self.place().path(name);
        // A power cut during the long first sync leaves a file that the next run may use; after it, nothing is left to do but this.
        file.sync_all().map_err(SyncError::io(&path))?;
        Attributes::at(self.place(), &self.spot.name).give(file);
        file.sync_all().map_err(SyncError::io(&path))?;
        if !self.place().names(name, file) {
            return Err(SyncError::Lost { path });
        }
        self.place().rename(name, &self.spot.name).map_err(SyncError::io(self.spot.path()))?;
        self.place().sync().map_err(SyncError::io(self.place().folder()))?;
        if is_coded {
            let _ = self.place().remove_file(&self.names.part);
        }
        let _ = self.place().remove_folder(&self.names.meta);
        Ok(())
    }

    /// Removes the unfinished output.
    pub(super) fn discard(&self) {
        let _ = self.place().remove_file(&self.names.part);
        let _ = self.place().remove_folder(&self.names.meta);
    }

    /// Removes the image that was to be made of a plain image: it begins again in the next run.
    pub(super) fn discard_coded(&self, file: &File) {
        if self.place().names(&self.names.coded, file) {
            let _ = self.place().remove_file(&self.names.coded);
        }
    }

    /// Removes a part file that holds nothing, unless there is a folder beside it.
    pub(super) fn discard_empty(&self, file: &File) {
        if self.place().stat(&self.names.meta).is_err() && self.place().names(&self.names.part, file) {
            let _ = self.place().remove_file(&self.names.part);
        }
    }

    /// Removes what an unfinished run left beside an output that is complete by now, unless one is at work there.
    pub(super) fn sweep(&self) {
        let own = self.place().find_file(&self.names.part, Access::Read);
        let is_free = match own.map(crate::place::Found::own) {
            Ok(Some(file)) => file.try_lock().is_ok(),
            Ok(None) => self.place().stat(&self.names.part).is_err(),
            Err(_) => false,
        };
        if is_free {
            self.discard();
            let _ = self.place().remove_file(&self.names.coded);
        }
    }
}
