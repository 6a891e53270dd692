//! Divides an input that is a disk image. docs/format/disk.md.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileTypeExt;

use regrow_disk::{DiskError, Division, DivisionRules, ReadAt, SizedFile, StoredPiece, StretchKind, divide};
use regrow_image::{BLOCK, MAX_LITERAL_BYTES, Op, TarHeader, WalkRules, opaque_format};
use regrow_index::{DiskCoding, DiskNote};

use super::{GzipFiles, Input, Reading};
use crate::LocalError;
use crate::coded::{DiskGuess, DiskProof, guess_disk, prove_disk};

/// A disk image: how it is divided, unless it cannot be, and what the index tells of it.
pub(super) struct Disk {
    pub(super) division: Option<Division>,
    pub(super) note: DiskNote,
    /// How the image is made from its plain image, if it has compressed blocks and is made.
    pub(super) coding: Option<DiskCoding>,
}

impl Disk {
    fn divided(division: Division, coding: Option<DiskCoding>) -> Self {
        let note = DiskNote { is_divided: true, files: division.files.len() as u64, words: words(&division) };
        Self { division: Some(division), note, coding }
    }

    fn refused(reason: String) -> Self {
        Self { division: None, note: DiskNote { is_divided: false, files: 0, words: reason }, coding: None }
    }
}

/// The format of a division, in words for people.
fn words(division: &Division) -> String {
    match division.details.is_empty() {
        true => division.kind.to_string(),
        false => division.details.clone(),
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

/// Looks at an input that may be a disk image. The maker of an image is told of one that cannot be divided.
pub(super) fn of_input(input: &Input<'_>, reading: &Reading<'_>) -> Result<Option<Disk>, LocalError> {
    let unfolds = !matches!(reading.gzip_files, GzipFiles::Contents);
    let Some(rules) = division_rules(reading.rules).filter(|_| unfolds) else { return Ok(None) };
    let Some(bytes) = input.at_random.filter(|&bytes| may_be_disk(bytes)) else { return Ok(None) };
    let refused = |reason: String| {
        if reading.is_made() {
            let name = input.name.display();
            let cost = "an update fetches more of it than of one that is seen through";
            reading.progress.warn(&format!("{name}: {reason}, so it is cut as it lies: {cost}"));
        }
        Ok(Some(Disk::refused(reason)))
    };
    match divide(bytes, rules) {
        Ok(Some(division)) if !is_usable(&division, bytes.bytes()) => Ok(None),
        Ok(Some(division)) if division.has_blocks() => match coding_of(bytes, &division, reading)? {
            Ok(coding) => Ok(Some(Disk::divided(division, coding))),
            Err(reason) => refused(format!("it is {}, and {reason}", words(&division))),
        },
        Ok(division) => Ok(division.map(|division| Disk::divided(division, None))),
        // The reading itself fails too, and says so.
        Err(DiskError::Read(_)) => Ok(None),
        Err(reason) => refused(reason.to_string()),
    }
}

/// How a disk image with compressed blocks is made from its plain image, if that is asked for, or the reason why it is not.
fn coding_of(
    image: &dyn ReadAt,
    division: &Division,
    reading: &Reading<'_>,
) -> Result<Result<Option<DiskCoding>, String>, LocalError> {
    if reading.is_made() {
        return Ok(match prove_disk(image, &division.pieces, reading.pool)? {
            DiskProof::Exact(coding) => Ok(Some(coding)),
            DiskProof::Impossible(reason) => Err(reason),
        });
    }
    // Whether all blocks are made again takes too long to find out.
    Ok(match guess_disk(image, &division.pieces) {
        DiskGuess::Coded(_) => Ok(None),
        DiskGuess::NotRebuilt(reason) => Err(reason),
    })
}

/// Tells the maker of an image that comes from a pipe if it begins like a disk image, since that is not divided.
pub(super) fn tell_of_pipe(block: &[u8], input: &Input<'_>, reading: &Reading<'_>) {
    let is_asked = input.at_random.is_none() && reading.is_made() && may_be_disk(&block);
    let Some(rules) = division_rules(reading.rules).filter(|_| is_asked) else { return };
    // Its tables end early, so the rest is said to be damaged.
    let kind = match divide(&block, rules) {
        Ok(Some(Division { kind, .. }))
        | Err(
            DiskError::Damaged { kind, .. } | DiskError::Unsupported { kind, .. } | DiskError::TooLarge { kind, .. },
        ) => kind,
        _ => return,
    };
    let name = input.name.display();
    reading.progress.warn(&format!(
        "{name}: it seems to be {kind}, which is seen through only if the image is a file or a device: \
         an update fetches less of it then"
    ));
}

/// The rules by which disk images are divided, if they are.
fn division_rules(rules: WalkRules) -> Option<DivisionRules> {
    DivisionRules::of_version(rules.latest_version())
}

/// Whether bytes that are read at random may be a disk image. A tar is none, and neither is a compressed file.
fn may_be_disk(bytes: &dyn ReadAt) -> bool {
    let mut block = [0; BLOCK];
    let is_there = bytes.bytes() >= BLOCK as u64 && bytes.read_exact_at(&mut block, 0).is_ok();
    is_there && TarHeader::parse(&block).is_none() && !block.starts_with(GZIP) && opaque_format(&block).is_none()
}

/// The beginning of a gzip file.
const GZIP: &[u8] = &[0x1f, 0x8b, 8];

/// Whether a division covers an image of this many bytes, and its pieces and its stretches have the same plain image.
fn is_usable(division: &Division, image_bytes: u64) -> bool {
    if !division.has_blocks() {
        return division.plain_bytes() == image_bytes;
    }
    let add = |(stored, plain): (u64, u64), piece: &StoredPiece| {
        Some((stored.checked_add(piece.bytes)?, plain.checked_add(piece.plain_bytes())?))
    };
    division.pieces.iter().try_fold((0, 0), add) == Some((image_bytes, division.plain_bytes()))
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
