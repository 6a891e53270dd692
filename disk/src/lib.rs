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
mod btrfs;
mod claims;
pub mod codec;
mod compressed;
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
mod spool;
mod squashfs;
mod stretches;
mod tar;
mod verity;

pub use compressed::{XzEnd, XzStream};
pub use division::{
    BlockCodec, DiskFile, DiskKind, Division, DivisionRules, FileRun, StoredForm, StoredPiece, StreamCodec, Stretch,
    StretchKind,
};
pub use error::DiskError;
pub use read_at::{ReadAt, SizedFile};
pub use spool::{Scratch, Spool};
pub use stretches::StretchList;
pub use tar::TarPart;
pub use verity::{HashTree, TreeHasher};

use compressed::Wanted;
use spool::Spools;

/// Divides a disk image by these rules. `None` stands for an image that is none. Nothing is looked for in compressed
/// streams.
///
/// # Errors
/// [`DiskError`]: the image could not be read, or it is a disk image of a kind that cannot be divided, and why.
pub fn divide(image: &dyn ReadAt, rules: DivisionRules) -> Result<Option<Division>, DiskError> {
    divide_with(image, rules, None)
}

/// Does the same, and divides what compressed streams hold, which is put into `scratch` to be read at random.
///
/// # Errors
/// [`DiskError`]: as for [`divide()`], or there is no room in `scratch`.
pub fn divide_with(
    image: &dyn ReadAt,
    rules: DivisionRules,
    scratch: Option<&dyn Scratch>,
) -> Result<Option<Division>, DiskError> {
    let scratch = scratch.filter(|_| rules >= DivisionRules::V6);
    let spools = scratch.map(|scratch| Spools::new(scratch, image.bytes()));
    let streams = Streams { rules, spools: spools.as_ref() };
    if let Some((division, end)) = streams.divide((image, 0), Wanted::Image)? {
        return Ok(Some(division.with_tail(image.bytes() - end)));
    }
    match whole(image, rules, &|image| file_system(image, streams, |file| in_file(file, rules)))? {
        None if rules >= DivisionRules::V6 => qcow2::divide(image, |guest| in_file(guest, rules)),
        Some(division) if division.kind == DiskKind::Squashfs && rules >= DivisionRules::V6 => {
            verity::without_tree(image, division).map(Some)
        }
        found => Ok(found),
    }
}

/// Compressed streams, which are looked into if there are spools.
#[derive(Clone, Copy)]
pub(crate) struct Streams<'s> {
    rules: DivisionRules,
    spools: Option<&'s Spools<'s>>,
}

impl Streams<'_> {
    /// Divides the compressed file that begins at a place of an image, and tells where it ends. `None` stands for anything
    /// else, and for one that cannot be seen through.
    pub(crate) fn divide(
        self,
        place: (&dyn ReadAt, u64),
        wanted: Wanted,
    ) -> Result<Option<(Division, u64)>, DiskError> {
        let Some(spools) = self.spools else { return Ok(None) };
        // Streams and blocks do not hold streams or blocks in turn.
        let plain = Streams { spools: None, ..self };
        let file = |file: &dyn ReadAt| Ok(in_file(file, self.rules)?.filter(|division| !division.has_blocks()));
        let system =
            |image: &dyn ReadAt| Ok(file_system(image, plain, file)?.filter(|division| !division.has_blocks()));
        compressed::divide(place, spools, wanted, |image| match whole(image, self.rules, &system)? {
            None => qcow2::divide(image, file),
            found => Ok(found),
        })
    }
}

/// A division, if there is one.
type Divided = Result<Option<Division>, DiskError>;

/// Divides a file that is an image itself. Those in its files are not looked for.
fn in_file(file: &dyn ReadAt, rules: DivisionRules) -> Divided {
    whole(file, rules, &|image| file_system(image, Streams { rules, spools: None }, |_| Ok(None)))
}

/// Divides an image of one file system, or of several in partitions.
fn whole(image: &dyn ReadAt, rules: DivisionRules, file_system: &dyn Fn(&dyn ReadAt) -> Divided) -> Divided {
    let btrfs = |image: &dyn ReadAt| if rules >= DivisionRules::V6 { btrfs::divide(image) } else { Ok(None) };
    if let Some(division) = file_system(image)? {
        return Ok(Some(division));
    }
    // A disk with partitions may have the superblock of an older file system between two of them.
    let partition = |image: &dyn ReadAt| match file_system(image)? {
        None => btrfs(image),
        found => Ok(found),
    };
    match partitions::divide(image, partition)? {
        None => btrfs(image),
        found => Ok(found),
    }
}

/// Divides an image that is all of one file system, or archives, and by `inner` files of it that are images themselves.
fn file_system(image: &dyn ReadAt, streams: Streams<'_>, inner: impl Fn(&dyn ReadAt) -> Divided) -> Divided {
    if let Some(division) = squashfs::divide(image, streams.rules, &inner)? {
        return Ok(Some(division));
    }
    if let Some(division) = cpio::divide(image, streams, &inner)? {
        return Ok(Some(division));
    }
    if let Some(division) = erofs::divide(image, streams.rules)? {
        return Ok(Some(division));
    }
    for format in [ext::divide, fat::divide] {
        if let Some(division) = format(image)? {
            return Ok(Some(division));
        }
    }
    Ok(None)
}
