//! A file that grows under a temporary name beside its final place, for this user alone. It gets its name, owner and
//! mode when it is complete.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;

use super::attributes::Attributes;
use super::in_place::InPlace;
use super::mounted::{is_mounted, write_over};
use super::spot::Spot;
use crate::transfer::cache::FrameCache;
use crate::{Progress, SyncError};
use regrow_paths::{Access, Place};

/// The endings of the names beside an output.
const ENDINGS: [&str; 3] = [".regrow-part", ".regrow-image", ".regrow-meta"];
/// The length of the shortened form of a long name: the bytes that are kept, and the hash digits that follow.
const SHORT_BYTES: usize = 16;
const HASH_DIGITS: usize = 32;

/// The names beside an output.
pub(super) struct Names {
    /// The name of the image. If the image has coded files, this file is the part of its plain image that was fetched.
    pub(super) part: OsString,
    /// The name of an image with coded files, while it is made from its plain image.
    pub(super) coded: OsString,
    /// The name of the folder for data that an unfinished output cannot hold.
    pub(super) meta: OsString,
}

impl Names {
    /// The names beside an output called `name`, in a folder that takes names of at most `max_bytes`.
    pub(super) fn of(name: &OsStr, max_bytes: usize) -> Self {
        let longest = 1 + name.len() + ENDINGS.iter().map(|ending| ending.len()).max().unwrap_or_default();
        let stem = if longest <= max_bytes { name.to_owned() } else { short(name) };
        // Each name is a dot, the stem and an ending.
        let [part, coded, meta] = ENDINGS.map(|ending| {
            let mut hidden = OsString::from(".");
            hidden.push(&stem);
            hidden.push(ending);
            hidden
        });
        Self { part, coded, meta }
    }
}

/// Shortens a name to its beginning and a hash of the whole name, so that no other output beside it gets the same.
fn short(name: &OsStr) -> OsString {
    let bytes = &name.as_bytes()[..name.len().min(SHORT_BYTES)];
    // Some file systems take only whole characters, so the cut is not within one.
    let whole = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    let mut short = OsStr::from_bytes(&bytes[..whole]).to_owned();
    short.push("~");
    short.push(&blake3::hash(name.as_bytes()).to_hex()[..HASH_DIGITS]);
    short
}

/// An output that is not complete yet.
pub(super) struct Part {
    pub(super) spot: Spot,
    pub(super) names: Names,
    /// The file at the place, if something is mounted on it, so that the image must be written over it.
    over: Option<InPlace>,
}

impl Part {
    pub(super) fn new(spot: Spot) -> Self {
        let names = Names::of(&spot.name, spot.place.max_name_bytes());
        Self { spot, names, over: None }
    }

    fn place(&self) -> &Place {
        &self.spot.place
    }

    /// The cache for data that the unfinished output cannot hold.
    pub(super) fn side_cache(&self, progress: &dyn Progress) -> Option<FrameCache> {
        FrameCache::beside(self.place(), &self.names.meta, progress)
    }

    /// Opens the file at the place, which will have this many bytes, if no other can take its place.
    pub(super) fn open_mounted(&mut self, image_bytes: u64) -> Result<(), SyncError> {
        if is_mounted(&self.spot) {
            self.over = Some(InPlace::open(&self.spot, image_bytes, false)?);
        }
        Ok(())
    }

    /// The file that the image is written over at the end.
    pub(super) fn over(&self) -> Option<&InPlace> {
        self.over.as_ref()
    }

    /// Opens and locks the unfinished output, or begins one.
    pub(super) fn open(&self) -> Result<File, SyncError> {
        let file = self.place().locked_file(&self.names.part);
        if self.over.is_some() && file.is_err() {
            // Beside files that a container mounts, there often is no place for others.
            return Err(SyncError::MountPoint { path: self.spot.path().to_owned() });
        }
        let file = file.map_err(self.failed(&self.names.part))?;
        file.ok_or_else(|| SyncError::Busy { path: self.spot.path().to_owned() })
    }

    /// Begins the file for an image with coded files, of this many bytes. A process that has locked the other file may
    /// do so.
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

    /// The error for a temporary file that could not be made, which tells whether something is in its way.
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

    /// Makes the complete file durable, and gives it its name. `is_coded` says which file it is: the one for an image
    /// with coded files.
    pub(super) fn commit(&self, file: &File, is_coded: bool) -> Result<(), SyncError> {
        let name = if is_coded { &self.names.coded } else { &self.names.part };
        let path = self.place().path(name);
        // The first sync takes long. If the power fails then, the next run can use the file. After it, only the short
        // steps below are left.
        file.sync_all().map_err(SyncError::io(&path))?;
        if let Some(over) = &self.over {
            write_over(over, file).map_err(SyncError::io(self.spot.path()))?;
            self.discard();
            return self.place().remove_file(&self.names.coded).map_err(SyncError::io(self.place().folder()));
        }
        Attributes::at(self.place(), &self.spot.name).give(file);
        file.sync_all().map_err(SyncError::io(&path))?;
        if !self.place().names(name, file) {
            return Err(SyncError::Lost { path });
        }
        if !is_coded {
            // A killed run with an index that had coded files may have left such a file. The lock on the part file
            // allows its removal.
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

    /// Makes the new name durable. A folder that may not be read has no handle to sync, so its whole file system is
    /// synced.
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

    /// Removes the unfinished file for an image with coded files. The next run begins it again.
    pub(super) fn discard_coded(&self, file: &File) {
        if self.place().names(&self.names.coded, file) {
            let _ = self.place().remove_file(&self.names.coded);
        }
    }

    /// Removes a part file that was never written, unless there is a cache folder beside it.
    pub(super) fn discard_empty(&self, file: &File) {
        if self.place().stat(&self.names.meta).is_err() && self.place().names(&self.names.part, file) {
            let _ = self.place().remove_file(&self.names.part);
        }
    }

    /// Removes what an unfinished run left beside an output that is complete by now, unless another run is at work
    /// there.
    pub(super) fn sweep(&self) {
        let own = self.place().find_file(&self.names.part, Access::Read);
        let is_free = match own.map(regrow_paths::Ownership::own) {
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
