//! Patches from nothing: the whole image in one object, for machines that have none of it. Such a patch is one of version
//! 2 without base parts, and its body is sorted by kind. docs/format/patch-2.md, section 5.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;
use std::sync::Arc;

use regrow_chunker::{ImageId, Params};
use regrow_delta::{DeltaError, LaneKind, SortedEncoder};
use regrow_image::StreamKind;
use regrow_local::{LocalError, Pool, Progress, Stage};

use crate::base::PatchBase;
use crate::check::check_target;
use crate::header::{CHECKSUM_BYTES, ChunkCost, MAX_LISTS_BYTES, PatchHeader, PatchVersion, rebuilder};
use crate::image::PatchImage;
use crate::level::PatchLevel;
use crate::members::MAX_MEMBERS;
use crate::plan::{PatchPlan, Planned, plan};
use crate::side::Side;
use crate::space::FilesOfBase;
use crate::spent::{ends, lists_of};
use crate::stretch::Stretches;
use crate::write::{Made, Written, code_lists, seal};

/// The base image's id in patches from nothing.
pub const NOTHING: ImageId = ImageId::from_bytes([0; 32]);

/// An image, with everything that a patch from nothing needs.
pub struct FromNothing<'a> {
    /// The image. It must have parts.
    pub target: &'a Arc<PatchImage>,
    /// Its image id.
    pub id: ImageId,
    /// The parameters with which it was cut.
    pub params: Params,
    /// The cost of all its chunks.
    pub chunk_cost: ChunkCost,
    /// The effort that goes into making the patch small.
    pub level: PatchLevel,
    /// The workers that look into compressed files.
    pub pool: &'a Pool,
    /// A folder for temporary files. They take up to twice the image's plain bytes.
    pub scratch: &'a Path,
    /// The receiver of progress.
    pub progress: &'a dyn Progress,
}

/// Writes a patch from nothing into `out`, an empty file, unless the chunks would cost less.
///
/// # Errors
/// [`LocalError`]: the image cannot be read, the patch cannot be written, or the image has too many members.
pub fn write_from_nothing(from: &FromNothing<'_>, out: &mut File) -> Result<Made, LocalError> {
    let FromNothing { target, pool, scratch, progress, level, .. } = *from;
    let (base, target) = (Arc::new(of_nothing(target)), Arc::new(Side::whole(target)));
    let plan = match plan((&base, &target), level, None, pool, scratch, progress)? {
        Planned::Plan(plan) => plan,
        Planned::TooLarge(bytes) => return Ok(Made::NotWorth { bytes }),
    };
    let lists = lists_of((Vec::new(), Vec::new()), (&base, &target), &plan);
    let rebuilt = lists.members.target.len();
    let io = || LocalError::io("the patch that is made");
    let lists_plain = lists.encode(PatchVersion::V2, &FilesOfBase::new(&base.base()), &mut Vec::new()).map_err(io())?;
    if lists_plain.len() > MAX_LISTS_BYTES as usize || rebuilt > MAX_MEMBERS {
        return Err(LocalError::TooManyMembers);
    }
    let (lists_stored, _) = code_lists(&lists_plain, None).map_err(failed)?;
    let mut header = PatchHeader {
        version: PatchVersion::V2,
        has_codings: false,
        has_joined_files: false,
        rebuilder: rebuilder(rebuilt > 0, lists.has_xz()),
        base: NOTHING,
        target: from.id,
        patch_bytes: 0,
        chunk_cost: from.chunk_cost,
        // Both sizes are at most MAX_LISTS_BYTES, plus the few bytes that coding adds.
        lists_stored: lists_stored.len() as u32,
        lists_plain: lists_plain.len() as u32,
        expanded_bytes: plan.expanded_bytes,
    };
    out.write_all(&header.encode()).map_err(io())?;
    out.write_all(&lists_stored).map_err(io())?;
    write_body(from, &target, &plan, out)?;
    header.patch_bytes = out.stream_position().map_err(io())? + CHECKSUM_BYTES as u64;
    if header.patch_bytes >= from.chunk_cost.bytes {
        return Ok(Made::NotWorth { bytes: header.patch_bytes });
    }
    seal(out, &header).map_err(io())?;
    Ok(Made::Patch(Written { header, members: rebuilt as u64 }))
}

/// Applies the patch in `file`, and compares the result with the image.
///
/// # Errors
/// [`LocalError::Io`] if the result is not the image.
pub fn check_from_nothing(from: &FromNothing<'_>, file: &mut File) -> Result<(), LocalError> {
    check_target((from.target.seed(), from.params), &PatchBase::of_nothing(), from.scratch, file)
}

/// A base without parts. The image is only there to be read, and never is.
fn of_nothing(image: &Arc<PatchImage>) -> Side {
    let nothing = |stream| Stretches::of_ranges(image, stream, std::iter::empty());
    Side::new(image, nothing(StreamKind::Skeleton), nothing(StreamKind::Contents), Some(Vec::new()))
}

fn failed(error: DeltaError) -> LocalError {
    LocalError::io("the patch that is made")(io::Error::other(error))
}

/// Sorts the target space by the kinds of its files, and compresses it.
fn write_body(from: &FromNothing<'_>, target: &Side, plan: &PatchPlan, out: &mut File) -> Result<(), LocalError> {
    let target_bytes = target.skeleton_bytes() + plan.expanded_bytes;
    from.progress.begin(Stage::Patch, Some(target_bytes));
    let spool = || tempfile::tempfile_in(from.scratch);
    let mut sorter =
        Sorter { encoder: SortedEncoder::new(&spool), ends: ends(target, plan), file: 0, at: 0, kind: None };
    let mut beginning = Vec::new();
    for op in plan.ops.iter() {
        let mut bytes = &op?.literal[..];
        from.progress.add(Stage::Patch, bytes.len() as u64);
        while !bytes.is_empty() {
            let taken = sorter.push(bytes, &mut beginning).map_err(failed)?;
            bytes = &bytes[taken..];
        }
    }
    let mut buffered = BufWriter::with_capacity(1 << 20, &mut *out);
    sorter.encoder.finish(from.level.coder(), &mut buffered).map_err(failed)?;
    from.progress.end(Stage::Patch);
    buffered.flush().map_err(LocalError::io("the patch that is made"))
}

/// Tells the kinds of files, and passes their bytes on.
struct Sorter<'s> {
    encoder: SortedEncoder<'s>,
    /// Where the skeleton ends in the target space, and where each file does.
    ends: Vec<u64>,
    /// The position of the present file in `ends`, and the bytes before the next byte.
    file: usize,
    at: u64,
    /// The kind of the present file, once it is known.
    kind: Option<LaneKind>,
}

impl Sorter<'_> {
    /// Takes bytes of the present file, and returns how many. Its first bytes wait in `beginning` until they tell its kind.
    fn push(&mut self, bytes: &[u8], beginning: &mut Vec<u8>) -> Result<usize, DeltaError> {
        while self.file + 1 < self.ends.len() && self.ends[self.file] <= self.at {
            self.file += 1;
            self.kind = None;
        }
        let left = usize::try_from(self.ends[self.file].saturating_sub(self.at)).unwrap_or(usize::MAX);
        let mut taken = bytes.len().min(left.max(1));
        match self.kind {
            _ if self.file == 0 => self.encoder.push(LaneKind::Skeleton, &bytes[..taken])?,
            Some(kind) => self.encoder.push(kind, &bytes[..taken])?,
            None => {
                taken = taken.min(LaneKind::BEGINNING_BYTES - beginning.len());
                beginning.extend_from_slice(&bytes[..taken]);
                if beginning.len() == LaneKind::BEGINNING_BYTES || taken == left {
                    let kind = LaneKind::of(beginning);
                    self.encoder.push(kind, beginning)?;
                    self.kind = Some(kind);
                    beginning.clear();
                }
            }
        }
        self.at += taken as u64;
        Ok(taken)
    }
}
