//! A file that grows under a temporary name beside its final one, for this user alone, and gets name, owner and mode when it is complete.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;

use super::attributes::Attributes;
use super::spot::Spot;
use crate::transfer::cache::FrameCache;
use crate::{Progress, SyncError};
use regrow_paths::{Access, Place};

/// Endings of the names beside an output.
const ENDINGS: [&str; 3] = [".regrow-part", ".regrow-image", ".regrow-meta"];
/// Bytes of a long name that a shorter one begins with, and digits of a hash that follow.
const SHORT_BYTES: usize = 16;
const HASH_DIGITS: usize = 32;

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
    /// The names beside an output of this name, in a folder that takes names of at most `max_bytes`.
    pub(super) fn of(name: &OsStr, max_bytes: usize) -> Self {
        let longest = 1 + name.len() + ENDINGS.iter().map(|ending| ending.len()).max().unwrap_or_default();
        let stem = if longest <= max_bytes { name.to_owned() } else { short(name) };
        // `.NAME` with an ending.
        let [part, coded, meta] = ENDINGS.map(|ending| {
            let mut hidden = OsString::from(".");
            hidden.push(&stem);
            hidden.push(ending);
            hidden
        });
        Self { part, coded, meta }
    }
}

/// A name's beginning, and a hash of all of it: a short name that no other output beside it has.
fn short(name: &OsStr) -> OsString {
    let bytes = &name.as_bytes()[..name.len().min(SHORT_BYTES)];
    // Not within a character, since some file systems want whole ones.
    let whole = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    let mut short = OsStr::from_bytes(&bytes[..whole]).to_owned();
    short.push("~");
    short.push(&blake3::hash(name.as_bytes()).to_hex()[..HASH_DIGITS]);
    short
}

/// See the module's documentation.
pub(super) struct Part {
    pub(super) spot: Spot,
    pub(super) names: Names,
}

impl Part {
    pub(super) fn new(spot: Spot) -> Self {
        let names = Names::of(&spot.name, spot.place.max_name_bytes());
        Self { spot, names }
    }

    fn place(&self) -> &Place {
        &self.spot.place
    }

    /// The folder for what the unfinished output cannot hold.
    pub(super) fn side_cache(&self, progress: &dyn Progress) -> Option<FrameCache> {
        FrameCache::beside(self.place(), &self.names.meta, progress)
    }

    /// Opens the unfinished output, or begins one, for this process alone.
    pub(super) fn open(&self) -> Result<File, SyncError> {
        let file = self.place().locked_file(&self.names.part).map_err(self.failed(&self.names.part))?;
        file.ok_or_else(|| SyncError::Busy { path: self.spot.path().to_owned() })
    }

    /// Begins the image of this many bytes that is made of a plain image. Whoever has the other file's lock may have this one.
    pub(super) fn begin_coded(&self, bytes: u64) -> Result<File, SyncError> {
        let name = &self.names.coded;
        let make = || {
            self.place().remove_file(name)?;
            let file = self.place().new_file(name)?;
            file.set_len(bytes)?;
            Ok(file)
        };
        make().map_err(self.failed(name))
    }

    /// What to say where a temporary file could not be made: something may be in its way.
    fn failed(&self, name: &OsStr) -> impl FnOnce(io::Error) -> SyncError + use<> {
        let path = self.place().path(name);
        let is_in_the_way = self.place().stat(name).is_ok();
        move |source| {
            let is_denied = matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::IsADirectory);
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
        if !is_coded {
            // A killed run with an index that had coded files may have left one. Whoever has the part file locked may remove it.
            self.remove_own_coded();
        }
        self.place().rename(name, &self.spot.name).map_err(SyncError::io(self.spot.path()))?;
        self.sync_names(file).map_err(SyncError::io(self.place().folder()))?;
        if is_coded {
            let _ = self.place().remove_file(&self.names.part);
        }
        let _ = self.place().remove_cache(&self.names.meta);
        Ok(())
    }

    /// Makes the new name durable. A folder that may not be read has no handle to be synced by: its whole file system is, then.
    fn sync_names(&self, file: &File) -> io::Result<()> {
        match self.place().sync() {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::BADF) => Ok(rustix::fs::syncfs(file)?),
            synced => synced,
        }
    }

    fn remove_own_coded(&self) {
        let own = self.place().find_file(&self.names.coded, Access::Read);
        if own.is_ok_and(|found| found.own().is_some()) {
            let _ = self.place().remove_file(&self.names.coded);
        }
    }

    /// Removes the unfinished output.
    pub(super) fn discard(&self) {
        let _ = self.place().remove_file(&self.names.part);
        let _ = self.place().remove_cache(&self.names.meta);
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
        let is_free = match own.map(regrow_paths::Found::own) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beside_an_output_fit() {
        let names = Names::of(OsStr::new("app.tar"), 255);
        assert_eq!(
            [names.part, names.coded, names.meta],
            ENDINGS.map(|ending| OsString::from(format!(".app.tar{ending}")))
        );
        let long = |last: &str| OsString::from("\u{e4}".repeat(120) + last);
        for (max_bytes, stem) in [(255, long("0123456789")), (143, OsString::from("x".repeat(143)))] {
            let Names { part, coded, meta } = Names::of(&stem, max_bytes);
            for name in [part, coded, meta] {
                assert!(name.len() <= 64 && name.to_str().is_some(), "{name:?}");
            }
        }
        assert_eq!(Names::of(&long("01"), 255).part, Names::of(&long("01"), 255).part);
        assert_ne!(Names::of(&long("01"), 255).part, Names::of(&long("02"), 255).part);
    }
}
