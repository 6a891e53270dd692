//! Disk images: which of their bytes belong to which file, and where compressed blocks lie.
//!
//! A file system spreads files over an image in a way that only its tables tell. [`divide()`] reads those tables, at
//! random and as few of them as it needs, and gives a [`Division`]: the image's pieces as they are stored, with each
//! compressed block apart, and the *stretches* of the plain image, which has what the blocks hold in their places. A
//! stretch is a file's, or it is the file system's own, such as a table of inodes or free room.
//!
//! Both lists cover everything, in order, so nothing is lost that is not understood: it is a stretch without a file.
//! [`StretchList`] gathers the stretches and joins those that are too short. An image that is damaged, or has a feature
//! that changes where bytes lie and that is not known here, is no disk image, and the reason is told.
//!
//! The division follows from the image's bytes alone. Image ids depend on it, so what [`divide()`] gives for an image
//! never changes under the same version of the walking rules (docs/format/disk.md).

mod assembly;
mod claims;
pub mod codec;
mod cpio;
mod division;
mod erofs;
mod error;
mod ext;
mod fat;
mod input;
mod names;
mod nested;
mod partitions;
mod pieces;
mod qcow2;
mod read_at;
mod squashfs;
mod stretches;

pub use division::{
    BlockCodec, DiskFile, DiskKind, Division, DivisionRules, FileRun, StoredForm, StoredPiece, Stretch, StretchKind,
};
pub use error::DiskError;
pub use read_at::{ReadAt, SizedFile};
pub use stretches::StretchList;

/// Divides a disk image by these rules. `None` stands for an image that is none.
///
/// # Errors
/// [`DiskError`]: the image could not be read, or it is a disk image of a kind that cannot be divided, and why.
pub fn divide(image: &dyn ReadAt, rules: DivisionRules) -> Result<Option<Division>, DiskError> {
    match whole(image, &|image| file_system(image, rules, |file| in_file(file, rules)))? {
        None if rules >= DivisionRules::V6 => qcow2::divide(image, |guest| in_file(guest, rules)),
        found => Ok(found),
    }
}

/// A division, if there is one.
type Divided = Result<Option<Division>, DiskError>;

/// Divides a file that is an image itself. Those in its files are not looked for.
fn in_file(file: &dyn ReadAt, rules: DivisionRules) -> Divided {
    whole(file, &|image| file_system(image, rules, |_| Ok(None)))
}

/// Divides an image of one file system, or of several in partitions.
fn whole(image: &dyn ReadAt, file_system: &dyn Fn(&dyn ReadAt) -> Divided) -> Divided {
    match file_system(image)? {
        None => partitions::divide(image, file_system),
        found => Ok(found),
    }
}

/// Divides an image that is all of one file system, or archives, and by `inner` files of it that are images themselves.
fn file_system(image: &dyn ReadAt, rules: DivisionRules, inner: impl Fn(&dyn ReadAt) -> Divided) -> Divided {
    if let Some(division) = squashfs::divide(image, &inner)? {
        return Ok(Some(division));
    }
    if let Some(division) = cpio::divide(image, &inner)? {
        return Ok(Some(division));
    }
    if let Some(division) = erofs::divide(image, rules)? {
        return Ok(Some(division));
    }
    for format in [ext::divide, fat::divide] {
        if let Some(division) = format(image)? {
            return Ok(Some(division));
        }
    }
    Ok(None)
}
