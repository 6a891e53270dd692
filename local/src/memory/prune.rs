//! What the memory holds, and forgetting the oldest of it.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::time::SystemTime;

use regrow_index::Statement;

use super::{ENDING, IMAGE, Memory, PartFile, file};

/// The most bytes that the folder keeps, unless a caller says otherwise.
pub const MAX_BYTES: u64 = 256 << 20;

/// What is kept.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// The most bytes of all files.
    pub bytes: u64,
    /// The most images, the newest ones.
    pub images: usize,
}

/// What was forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// The number of images.
    pub images: u64,
    /// The number of bytes.
    pub bytes: u64,
}

/// An image that is remembered.
#[derive(Debug, Clone)]
pub struct RememberedImage {
    /// The image.
    pub statement: Statement,
    /// The time when it was made last.
    pub made: SystemTime,
    /// The number of its parts that have a description.
    pub described: u64,
    /// The bytes of the files that it needs, those that it shares with others included.
    pub bytes: u64,
    files: Vec<(OsString, u64)>,
}

impl Memory {
    /// The images that are remembered, the newest first.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn images(&self) -> io::Result<Vec<RememberedImage>> {
        let mut images: Vec<_> = self.place.entries()?.into_iter().filter_map(|name| self.image(name)).collect();
        images.sort_by_key(|image| std::cmp::Reverse(image.made));
        Ok(images)
    }

    /// The image that a file is of, unless the file is damaged.
    fn image(&self, name: OsString) -> Option<RememberedImage> {
        name.to_str().filter(|name| name.starts_with(IMAGE) && name.ends_with(ENDING))?;
        let file = self.own_file(&name).ok()?;
        let made = file.metadata().and_then(|metadata| metadata.modified()).ok()?;
        let (statement, variants) = file::decode_image(file)?;
        let part = |name, variant| PartFile { name, variant }.file_name();
        let parts =
            statement.parts.iter().zip(variants).map(|(stated, variant)| part(*stated.name.as_bytes(), variant));
        let sized = |name: OsString| self.size_of(&name).map(|bytes| (name, bytes));
        let mut files: Vec<_> = parts.filter_map(sized).collect();
        let described = files.len() as u64;
        files.extend(sized(name));
        let bytes = files.iter().map(|(_, bytes)| bytes).sum();
        Some(RememberedImage { statement, made, described, bytes, files })
    }

    fn size_of(&self, name: &OsStr) -> Option<u64> {
        self.place.stat(name).ok().and_then(|stat| u64::try_from(stat.st_size).ok())
    }

    /// Forgets what is too much: the images that were made first, and what belongs to no image.
    ///
    /// # Errors
    /// The folder cannot be read, or a file not be removed.
    pub fn prune(&self, keep: Keep) -> io::Result<Forgotten> {
        let lock = self.place.as_file()?;
        let _ = lock.lock();
        self.forget(keep)
    }

    pub(super) fn forget(&self, keep: Keep) -> io::Result<Forgotten> {
        let (mut kept, mut left, mut forgotten) = (HashSet::new(), keep.bytes, Forgotten::default());
        for (number, image) in self.images()?.into_iter().enumerate() {
            let new = image.files.iter().filter(|(name, _)| !kept.contains(name));
            let bytes = new.map(|(_, bytes)| bytes).sum();
            match left.checked_sub(bytes).filter(|_| number < keep.images) {
                Some(rest) => {
                    left = rest;
                    kept.extend(image.files.into_iter().map(|(name, _)| name));
                }
                None => {
                    // No older image takes the room of a newer one.
                    left = 0;
                    forgotten.images += 1;
                }
            }
        }
        for name in self.place.entries()? {
            // The other files of the folder are not of the memory.
            let is_of_memory = name.to_str().is_some_and(|name| name.ends_with(ENDING));
            if is_of_memory && !kept.contains(&name) {
                let bytes = self.size_of(&name).unwrap_or_default();
                match self.place.remove_file(&name) {
                    Ok(()) => forgotten.bytes += bytes,
                    // A folder of such a name is nobody's work here, and in nobody's way.
                    Err(error) if error.kind() == io::ErrorKind::IsADirectory => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(forgotten)
    }
}
