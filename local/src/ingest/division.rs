//! Divides an input that is a disk image. docs/format/disk.md.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileTypeExt;

use regrow_disk::{DiskError, DiskKind, Division, ReadAt, SizedFile, StretchKind, divide};
use regrow_image::{BLOCK, MAX_LITERAL_BYTES, Op, TarHeader, opaque_format};

use super::{GzipFiles, Input, Reading};

/// The facts about a disk image that is divided, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskFacts {
    /// The format.
    pub kind: DiskKind,
    /// The format's own words about this image. There may be none.
    pub details: String,
    /// The number of files.
    pub files: u64,
}

impl DiskFacts {
    pub(super) fn of(division: &Division) -> Self {
        Self { kind: division.kind, details: division.details.clone(), files: division.files.len() as u64 }
    }
}

/// A file of which the size is known. That of a device is asked for by its end, which leaves the position as it was.
///
/// # Errors
/// The file tells no size.
pub fn sized(file: &File) -> io::Result<SizedFile<'_>> {
    let metadata = file.metadata()?;
    let bytes = match metadata.file_type().is_block_device() {
        true => {
            let mut device = file;
            let at = device.stream_position()?;
            let end = device.seek(SeekFrom::End(0))?;
            device.seek(SeekFrom::Start(at))?;
            end
        }
        false => metadata.len(),
    };
    Ok(SizedFile { file, bytes })
}

/// Divides an input. The result is `None` if it is no disk image, or one that cannot be divided, which the maker of an
/// image is told.
pub(super) fn of_input(input: &Input<'_>, reading: &Reading<'_>) -> Option<Division> {
    let unfolds = !matches!(reading.gzip_files, GzipFiles::Contents);
    let bytes = input.at_random.filter(|_| unfolds && reading.rules.divide_disks(&reading.params))?;
    if !may_be_disk(bytes) {
        return None;
    }
    match divide(bytes) {
        Ok(division) => division.filter(|division| is_usable(division, bytes.bytes())),
        // The reading itself fails too, and says so.
        Err(DiskError::Read(_)) => None,
        Err(reason) => {
            if reading.is_made() {
                let name = input.name.display();
                let cost = "an update fetches more of it than of one that is seen through";
                reading.progress.warn(&format!("{name}: {reason}, so it is cut as it lies: {cost}"));
            }
            None
        }
    }
}

/// Whether bytes that are read at random may be a disk image. A tar is none, and neither is a compressed file.
fn may_be_disk(bytes: &dyn ReadAt) -> bool {
    let mut block = [0; BLOCK];
    let is_there = bytes.bytes() >= BLOCK as u64 && bytes.read_exact_at(&mut block, 0).is_ok();
    is_there && TarHeader::parse(&block).is_none() && !block.starts_with(GZIP) && opaque_format(&block).is_none()
}

/// The beginning of a gzip file.
const GZIP: &[u8] = &[0x1f, 0x8b, 8];

/// Whether a division covers an image of this many bytes, and nothing of it is compressed.
fn is_usable(division: &Division, image_bytes: u64) -> bool {
    !division.has_blocks() && division.plain_bytes() == image_bytes
}

/// The operations of a divided image. A stretch of the skeleton is one literal or several, and any other is contents.
pub(crate) fn ops_of(division: &Division) -> Vec<Op> {
    let mut ops = Vec::with_capacity(division.stretches.len());
    for stretch in &division.stretches {
        if stretch.kind != StretchKind::Skeleton {
            ops.push(Op::Contents(stretch.bytes));
            continue;
        }
        let mut left = stretch.bytes;
        while left > 0 {
            let now = left.min(MAX_LITERAL_BYTES as u64);
            ops.push(Op::Literal(now as u32));
            left -= now;
        }
    }
    ops
}
