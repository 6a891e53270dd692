//! A folder that keeps parts of packs, and whole patches: FORMAT.md, section 9. Nothing in it is trusted, and a failure
//! to write it is never an error.
//!
//! The cached parts of a private image must stay private too, so the cache's folders and files belong to this user
//! alone. The cache never follows a link inside its folder, and never uses a folder that somebody else can write.

use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use regrow_chunker::{ImageId, PackId};
use regrow_store::{MAX_TAIL_BYTES, PATCHES_FOLDER};
use rustix::fs::{Mode, Stat};

use super::open_frame::OpenFrame;
use crate::Progress;
use regrow_paths::{Access, NEW_ENTRY, Place};

/// A cache of parts of packs and of patches. Its clones share one folder.
#[derive(Debug, Clone)]
pub(crate) struct FrameCache {
    root: Arc<Root>,
    /// Whether nothing may be written, as in a dry run.
    is_read_only: bool,
}

#[derive(Debug)]
struct Root {
    path: PathBuf,
    kind: Kind,
    /// The folder, once it has been opened.
    place: Mutex<Option<Arc<Place>>>,
}

/// Whether the user or regrow chose a cache's folder.
#[derive(Debug)]
enum Kind {
    /// The user chose the folder, and may have put a link there.
    Given,
    /// regrow chose the folder: it has this name beside an output, in a folder that anybody may be able to write.
    Beside(Place, OsString),
}

impl FrameCache {
    /// Makes the cache beside an output. Returns `None`, after a warning, if the name is taken by a folder that is not
    /// regrow's.
    pub(crate) fn beside(place: &Place, name: &OsStr, progress: &dyn Progress) -> Option<Self> {
        let path = place.path(name);
        if !place.may_hold_cache(name) {
            progress.warn(&format!(
                "{}: parts of packs are not kept there, since the folder is another user's, or holds other files",
                path.display()
            ));
            return None;
        }
        Some(Self::of(&path, Kind::Beside(place.try_clone().ok()?, name.to_owned())))
    }

    /// Opens the cache that a user asked for. A missing folder is made by the first write. Returns `None`, after a
    /// warning, for a folder that others can write.
    pub(crate) fn given(root: &Path, progress: &dyn Progress) -> Option<Self> {
        let cache = Self::of(root, Kind::Given);
        match cache.root.open(false) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                progress.warn(&format!(
                    "{}: the cache is not used, since the folder is another user's, or others may write it",
                    root.display()
                ));
                None
            }
            // Without a folder that can be opened, the run is only slower.
            _ => Some(cache),
        }
    }

    fn of(root: &Path, kind: Kind) -> Self {
        let root = Root { path: root.to_owned(), kind, place: Mutex::default() };
        Self { root: Arc::new(root), is_read_only: false }
    }

    /// The same cache, which this run will only read.
    pub(crate) fn read_only(self) -> Self {
        Self { is_read_only: true, ..self }
    }

    pub(crate) fn is_writable(&self) -> bool {
        !self.is_read_only
    }

    /// Opens a folder of entries for reading.
    fn folder(&self, name: &str) -> Option<Place> {
        self.root.open(false).ok()?.find_folder(OsStr::new(name)).ok()?.own()
    }

    /// Opens a folder of entries for writing, and makes it if it is missing.
    fn folder_to_write(&self, name: &str) -> io::Result<Place> {
        if self.is_read_only {
            return Err(ErrorKind::ReadOnlyFilesystem.into());
        }
        self.root.open(true)?.own_folder(OsStr::new(name))
    }

    fn open(&self, folder: &str, name: &str) -> Option<File> {
        self.folder(folder)?.find_file(OsStr::new(name), Access::Read).ok()?.own()
    }

    fn remove_entry(&self, folder: &str, name: &str) {
        if !self.is_read_only
            && let Some(folder) = self.folder(folder)
        {
            let _ = folder.remove_file(OsStr::new(name));
        }
    }

    /// Opens a cached patch, which is always a whole one.
    pub(crate) fn patch(&self, base: &ImageId, target: &ImageId) -> Option<File> {
        self.open(PATCHES_FOLDER, &patch_entry(base, target))
    }

    /// Begins an entry for a patch. Returns `None` if the cache cannot be written.
    pub(crate) fn begin_patch(&self) -> Option<NewEntry> {
        NewEntry::begin(self.folder_to_write(PATCHES_FOLDER).ok()?).ok()
    }

    /// Removes a patch that turned out to be damaged.
    pub(crate) fn remove_patch(&self, base: &ImageId, target: &ImageId) {
        self.remove_entry(PATCHES_FOLDER, &patch_entry(base, target));
    }

    /// Returns the bytes that were kept for exactly this range of a pack.
    pub(crate) fn get(&self, pack: &PackId, range: &Range<u64>) -> Option<Bytes> {
        let wanted = range.end.checked_sub(range.start).filter(|&len| len <= 2 * MAX_TAIL_BYTES)?;
        let file = self.open(&pack.shard(), &entry(pack, range))?;
        if file.metadata().ok()?.len() != wanted {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(wanted).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 == wanted).then(|| Bytes::from(bytes))
    }

    /// Whether the cache has exactly this range of a pack.
    pub(crate) fn holds(&self, pack: &PackId, range: &Range<u64>) -> bool {
        let file = self.open(&pack.shard(), &entry(pack, range));
        file.and_then(|file| file.metadata().ok()).is_some_and(|found| found.len() == range.end - range.start)
    }

    /// Keeps a frame, which lies in this range of a pack.
    pub(crate) fn put_frame(&self, pack: &PackId, range: &Range<u64>, frame: &OpenFrame) {
        self.put(pack, range, frame.stored());
    }

    /// Keeps the end of a pack, which was checked as far as its own hash goes.
    pub(crate) fn put_end(&self, pack: &PackId, range: &Range<u64>, bytes: &[u8]) {
        self.put(pack, range, bytes);
    }

    fn put(&self, pack: &PackId, range: &Range<u64>, bytes: &[u8]) {
        let write = || {
            let mut new = NewEntry::begin(self.folder_to_write(&pack.shard())?)?;
            new.file.write_all(bytes)?;
            new.keep(&entry(pack, range))
        };
        // If the cache cannot be written, the next run is only slower.
        let _ = write();
    }

    /// Removes a range that turned out to be damaged.
    pub(crate) fn remove(&self, pack: &PackId, range: &Range<u64>) {
        self.remove_entry(&pack.shard(), &entry(pack, range));
    }
}

fn entry(pack: &PackId, range: &Range<u64>) -> String {
    format!("{pack}-{}-{}", range.start, range.end - range.start)
}

fn patch_entry(base: &ImageId, target: &ImageId) -> String {
    format!("{base}-{target}")
}

impl Root {
    /// Opens the folder. If it is missing and `is_to_write` is set, the folder is made.
    fn open(&self, is_to_write: bool) -> io::Result<Arc<Place>> {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = &*place {
            return Ok(Arc::clone(place));
        }
        let opened = match &self.kind {
            Kind::Given => self.open_given(is_to_write)?,
            Kind::Beside(parent, name) if is_to_write => parent.own_folder(name)?,
            Kind::Beside(parent, name) => parent.find_folder(name)?.own().ok_or(ErrorKind::NotFound)?,
        };
        Ok(Arc::clone(place.insert(Arc::new(opened))))
    }

    fn open_given(&self, is_to_write: bool) -> io::Result<Place> {
        let opened = match Place::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound && is_to_write => {
                DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
                Place::open(&self.path)
            }
            opened => opened,
        }?;
        // A folder that the user chose keeps its mode.
        if is_own(&opened.stat(OsStr::new("."))?) { Ok(opened) } else { Err(ErrorKind::PermissionDenied.into()) }
    }
}

/// Whether this user owns the folder and nobody else can write it. A group whose number equals the owner's contains
/// only the owner, by the convention of systems that give each user a group.
fn is_own(stat: &Stat) -> bool {
    let mode = Mode::from_raw_mode(stat.st_mode);
    let group_writes = mode.contains(Mode::WGRP) && stat.st_gid != stat.st_uid;
    stat.st_uid == rustix::process::geteuid().as_raw() && !mode.contains(Mode::WOTH) && !group_writes
}

/// An entry that is being written under a temporary name. It is removed when dropped, unless it was kept.
pub(crate) struct NewEntry {
    folder: Place,
    name: OsString,
    pub(crate) file: File,
}

impl NewEntry {
    fn begin(folder: Place) -> io::Result<Self> {
        // The system seeds the number, so two processes never choose the same name.
        let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
        let name = OsString::from(format!("{NEW_ENTRY}{random:016x}"));
        let file = folder.new_file(&name)?;
        Ok(Self { folder, name, file })
    }

    /// Gives the complete entry its final name.
    pub(crate) fn keep(self, name: &str) -> io::Result<()> {
        self.folder.rename(&self.name, OsStr::new(name))
    }

    /// Gives a complete patch its final name.
    pub(crate) fn keep_patch(self, base: &ImageId, target: &ImageId) -> io::Result<()> {
        self.keep(&patch_entry(base, target))
    }
}

impl Drop for NewEntry {
    fn drop(&mut self) {
        // After `keep`, no file has the temporary name, so nothing is removed.
        let _ = self.folder.remove_file(&self.name);
    }
}
