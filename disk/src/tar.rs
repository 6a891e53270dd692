//! Tars that are compressed as a whole. The rules by which they are walked are known to those that divide images.
//! docs/format/disk.md, section 14.

use crate::assembly::Assembly;
use crate::spool::Spools;
use crate::{DiskError, DiskKind, Divided, ReadAt, StretchKind};

/// Longer paths are left out, since they only guide guesses.
const MAX_PATH_BYTES: usize = 4096;
/// The most files: this many, and more for each byte of the compressed image.
const FILES: u64 = 1 << 16;
const BYTES_PER_FILE: u64 = 16;
/// The most bytes of all paths together: this many, and more for each byte of the compressed image.
const PATH_BYTES: u64 = 16 << 20;
const PATH_BYTES_EACH: u64 = 4;

/// A part of a tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TarPart<'t> {
    /// Headers, padding, and blocks of zeros.
    Skeleton(u64),
    /// The bytes of an entry, at least one.
    File {
        /// Their number.
        bytes: u64,
        /// The entry's path, as the tar states it.
        path: &'t [u8],
    },
    /// Bytes that are no entry's.
    Other(u64),
}

/// Divides a tar. `None` stands for anything else.
pub(crate) fn divide(tar: &dyn ReadAt, spools: &Spools<'_>) -> Divided {
    let mut all = Assembly::new(DiskKind::Tar);
    let most_path_bytes = spools.image_bytes().saturating_mul(PATH_BYTES_EACH).saturating_add(PATH_BYTES);
    let most_files = FILES.saturating_add(spools.image_bytes() / BYTES_PER_FILE);
    let (mut failure, mut files, mut paths_left) = (None, 0, most_path_bytes);
    let mut take = |part: TarPart<'_>| -> Result<(), DiskError> {
        match part {
            TarPart::Skeleton(bytes) => all.plain(bytes, StretchKind::Skeleton),
            TarPart::Other(bytes) => all.plain(bytes, StretchKind::System),
            TarPart::File { bytes, path } => {
                files += 1;
                if files > most_files {
                    return Err(too_large(most_files, "files"));
                }
                let path = if path.len() <= MAX_PATH_BYTES { in_tar(path) } else { b"" };
                let left = paths_left.checked_sub(path.len() as u64);
                paths_left = left.ok_or_else(|| too_large(most_path_bytes, "bytes of paths"))?;
                all.file(bytes, path.to_vec())?;
            }
        }
        Ok(())
    };
    let is_tar = spools.walk_tar(tar, &mut |part| match take(part) {
        Ok(()) => true,
        Err(error) => {
            failure = Some(error);
            false
        }
    })?;
    match failure {
        Some(error) => Err(error),
        // What does not cover all of it is no division.
        None => Ok((is_tar && all.image_at() == tar.bytes()).then(|| all.division("tar".to_owned()))),
    }
}

/// The path without what means the place of the tar itself.
fn in_tar(mut path: &[u8]) -> &[u8] {
    while let Some(rest) = path.strip_prefix(b"/").or_else(|| path.strip_prefix(b"./")) {
        path = rest;
    }
    path
}

fn too_large(limit: u64, what: &'static str) -> DiskError {
    DiskError::TooLarge { kind: DiskKind::Tar, limit, what }
}
