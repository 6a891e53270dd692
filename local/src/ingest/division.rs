//! Divides an input that is a disk image. docs/format/disk.md.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileTypeExt;

use regrow_disk::{
    DiskError, Division, DivisionRules, ReadAt, Scratch, SizedFile, StoredPiece, StretchKind, divide, divide_with,
};
use regrow_image::{BLOCK, MAX_LITERAL_BYTES, Op, TarHeader, WalkRules, is_zstd, opaque_format};
use regrow_index::{DiskCoding, DiskNote};

use super::file_cutters::laid;
use super::{GzipFiles, Input, Reading};
use crate::LocalError;
use crate::coded::{DiskGuess, DiskProof, SpoolFolder, guess_disk, prove_disk};

/// A disk image: how it is divided, unless it cannot be, and what the index tells of it.
pub(super) struct Disk {
    pub(super) division: Option<Division>,
    pub(super) note: DiskNote,
    /// How the image is made from its plain image, if it has compressed blocks and is made.
    pub(super) coding: Option<DiskCoding>,
}

impl Disk {
    fn divided(division: Division, coding: Option<DiskCoding>) -> Self {
        let (files, words, pieces) = (division.files.len() as u64, words(&division), laid(&division));
        let note = DiskNote { is_divided: true, files, words, pieces };
        Self { division: Some(division), note, coding }
    }

    fn refused(reason: String) -> Self {
        Self {
            division: None,
            note: DiskNote { is_divided: false, files: 0, words: reason, pieces: None },
            coding: None,
        }
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

/// What came of dividing an input.
enum Attempt {
    /// It is no disk image.
    Nothing,
    Divided(Disk),
    /// It stays as it is, for this reason, which may lie in its compressed streams.
    Refused(String, InStreams),
}

/// Whether something concerns compressed streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InStreams {
    Yes,
    No,
}

/// Looks at an input that may be a disk image. The maker of an image is told of one that cannot be divided.
pub(super) fn of_input(input: &Input<'_>, reading: &Reading<'_>) -> Result<Option<Disk>, LocalError> {
    let unfolds = !matches!(reading.gzip_files, GzipFiles::Contents);
    let Some(rules) = division_rules(reading.rules).filter(|_| unfolds) else { return Ok(None) };
    let Some(bytes) = input.at_random else { return Ok(None) };
    let tell = |reason: &str, what: &str| {
        if reading.is_made() {
            let name = input.name.display();
            let cost = "an update fetches more of it than of one that is seen through";
            reading.progress.warn(&format!("{name}: {reason}, so {what}: {cost}"));
        }
    };
    let refused = |reason: String| {
        tell(&reason, "it is cut as it lies");
        Ok(Some(Disk::refused(reason)))
    };
    let mut in_streams = None;
    if let Some(folder) = reading.scratch().filter(|_| rules >= DivisionRules::V6) {
        match attempt(bytes, rules, Some(&SpoolFolder(folder)), reading)? {
            Attempt::Nothing => return Ok(None),
            Attempt::Divided(disk) => return Ok(Some(disk)),
            Attempt::Refused(reason, InStreams::No) => return refused(reason),
            Attempt::Refused(reason, InStreams::Yes) => in_streams = Some(reason),
        }
    }
    match (attempt(bytes, rules, None, reading)?, in_streams) {
        (Attempt::Divided(disk), in_streams) => {
            in_streams.iter().for_each(|reason| tell(reason, "what is compressed stays so"));
            Ok(Some(disk))
        }
        (Attempt::Refused(reason, _), _) => refused(reason),
        // Gzip and zstd files are seen through as files too.
        (Attempt::Nothing, Some(reason)) if !begins_like_coded_file(bytes) => refused(reason),
        (Attempt::Nothing, _) => Ok(None),
    }
}

/// Divides an input, and looks into compressed streams if there is a place for what they hold.
fn attempt(
    bytes: &(dyn ReadAt + Sync),
    rules: DivisionRules,
    scratch: Option<&dyn Scratch>,
    reading: &Reading<'_>,
) -> Result<Attempt, LocalError> {
    if !may_be_disk(bytes, scratch.is_some()) {
        return Ok(Attempt::Nothing);
    }
    match divide_with(bytes, rules, scratch) {
        Ok(Some(division)) if !is_usable(&division, bytes.bytes()) => Ok(Attempt::Nothing),
        Ok(Some(division)) if division.has_blocks() => Ok(match coding_of(bytes, &division, reading)? {
            Ok(coding) => Attempt::Divided(Disk::divided(division, coding)),
            Err(reason) => {
                let in_streams = if division.has_streams() { InStreams::Yes } else { InStreams::No };
                Attempt::Refused(format!("it is {}, and {reason}", words(&division)), in_streams)
            }
        }),
        Ok(Some(division)) => Ok(Attempt::Divided(Disk::divided(division, None))),
        // The reading itself fails too, and says so.
        Ok(None) | Err(DiskError::Read(_)) => Ok(Attempt::Nothing),
        Err(reason @ (DiskError::Scratch(_) | DiskError::Compressed { .. })) => {
            Ok(Attempt::Refused(reason.to_string(), InStreams::Yes))
        }
        Err(reason) => Ok(Attempt::Refused(reason.to_string(), InStreams::No)),
    }
}

/// Whether an input begins like a file that is seen through without being a disk image.
fn begins_like_coded_file(bytes: &dyn ReadAt) -> bool {
    let mut block = [0; BLOCK];
    bytes.read_exact_at(&mut block, 0).is_ok() && (block.starts_with(GZIP) || is_zstd(&block))
}

/// How a disk image with compressed blocks is made from its plain image, if that is asked for, or the reason why it is not.
fn coding_of(
    image: &(dyn ReadAt + Sync),
    division: &Division,
    reading: &Reading<'_>,
) -> Result<Result<Option<DiskCoding>, String>, LocalError> {
    if reading.is_made() {
        return Ok(match prove_disk(image, (&division.pieces, division.tree.as_ref()), reading.pool)? {
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
    let is_asked = input.at_random.is_none() && reading.is_made() && may_be_disk(&block, false);
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

/// Whether bytes that are read at random may be a disk image. A tar is none, and neither is a compressed file, unless streams
/// are looked into.
fn may_be_disk(bytes: &dyn ReadAt, with_streams: bool) -> bool {
    let mut block = [0; BLOCK];
    let is_there = bytes.bytes() >= BLOCK as u64 && bytes.read_exact_at(&mut block, 0).is_ok();
    let is_compressed = || block.starts_with(GZIP) || opaque_format(&block).is_some();
    is_there && TarHeader::parse(&block).is_none() && (with_streams || !is_compressed())
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
