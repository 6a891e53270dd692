//! The files of an image archive, such as `docker save` writes. An engine that has most layers of an image needs only
//! the others, so only what is wanted is fetched and put together.

mod entry_list;
mod handing;
pub(crate) mod indexed;
pub(crate) mod on_disk;
mod wrapper;

use crate::flows::extract::partial::{self, Opened, WholeImage};
use crate::flows::extract::{ExtractOptions, ExtractReport};
use crate::{Location, Network, Progress, SyncError};

use indexed::Indexed;
use on_disk::OnDisk;

/// The largest file in bytes that [`ArchiveFiles::small`] gives: manifests and configurations.
pub(crate) const MAX_SMALL_BYTES: u64 = 4 << 20;

/// An entry of an image archive, at its outermost level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArchiveEntry {
    /// The path as the archive gives it.
    pub(crate) path: Vec<u8>,
    /// The kind of the entry.
    pub(crate) kind: EntryKind,
    /// The number of bytes that the archive holds for the entry.
    pub(crate) stored_bytes: u64,
    /// The number of the part, from 0, whose plain bytes the entry holds. There is none for small files, and for
    /// whatever is in an archive of which nothing but the file is known.
    pub(crate) part: Option<usize>,
    /// Whether the entry is compressed, so that its bytes are made from the plain ones.
    pub(crate) is_coded: bool,
}

/// The kind of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// A file.
    File,
    /// A link to this path. Docker writes a layer that an archive has twice as a link to the first one.
    Link(Vec<u8>),
    /// Anything else, such as a folder.
    Other,
}

/// A part of an image: a layer, or a large file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ArchivePart {
    /// SHA-256 of the plain bytes. For a layer this is its diff id.
    pub(crate) name: [u8; 32],
    /// The number of plain bytes.
    pub(crate) plain_bytes: u64,
}

/// Something of an archive that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Wanted {
    /// The bytes of the entry with this number, as the archive has them.
    Stored(usize),
    /// The plain bytes of the part with this number.
    Plain(usize),
}

/// The files of an image archive.
pub(crate) trait ArchiveFiles {
    /// The entries at the outermost level, in order.
    fn entries(&self) -> &[ArchiveEntry];

    /// The parts, in order. There are none if the index does not name them.
    fn parts(&self) -> &[ArchivePart];

    /// The bytes of a small file, of at most [`MAX_SMALL_BYTES`].
    fn small(&mut self, entry: usize) -> Result<Vec<u8>, SyncError>;

    /// Fetches whatever is missing of all this at once, and then gives it to the sink in the same order. Nothing else
    /// of the image is fetched, and no part that is not wanted is read, unless a wanted one is made from it. In a dry run,
    /// parts are only counted, and the sink gets nothing.
    fn put_together(&mut self, wanted: &[Wanted], sink: &mut dyn FileSink) -> Result<(), SyncError>;

    /// What was done so far: the bytes that were fetched, and where chunks came from.
    fn report(&self) -> ExtractReport;
}

/// Takes files, one after the other.
pub(crate) trait FileSink {
    /// Begins a file of this many bytes.
    fn begin(&mut self, wanted: Wanted, bytes: u64) -> Result<(), SyncError>;

    /// Takes the next bytes of the file. The last ones come only when all were found to be the right ones.
    fn write(&mut self, bytes: &[u8]) -> Result<(), SyncError>;

    /// Ends the file, which is complete. After an error, this is not called.
    fn end(&mut self) -> Result<(), SyncError>;
}

/// Opens the archive of the image that the index at `location` describes: checks whether it is trusted, opens the seeds,
/// takes a patch if one pays, and reads the entries. If the index has no parts, or if only a digest of the whole image
/// checks it, all of it is put together in a file without a name.
///
/// # Errors
/// The image is not trusted, or it cannot be read.
pub(crate) fn open<'a>(
    location: &'a Location,
    options: &'a ExtractOptions,
    network: &'a mut Network,
    progress: &'a dyn Progress,
    is_there: &mut dyn FnMut(&[u8; 32]) -> Result<bool, SyncError>,
) -> Result<Option<Box<dyn ArchiveFiles + 'a>>, SyncError> {
    match partial::open(location, options, network, progress, is_there)? {
        Opened::Parts(image) => Ok(Some(Box::new(Indexed::new(*image)?))),
        Opened::Whole(image) => {
            let WholeImage { file, path, report } = *image;
            Ok(Some(Box::new(OnDisk::open(file, path, report)?)))
        }
        Opened::Unneeded => Ok(None),
    }
}

#[cfg(test)]
mod tests;
