//! Writes a patch: header, member lists, coded body, checksum. FORMAT.md, section 10.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use regrow_chunker::ImageId;
use regrow_delta::{Coding, DeltaEncoder, DeltaError, Op};
use regrow_local::{LocalError, Pool, Progress, Stage};

use crate::expand::ExpandedMember;
use crate::header::{CHECKSUM_BYTES, ChunkCost, MAX_LISTS_BYTES, PatchHeader};
use crate::image::{ImageFile, PatchImage};
use crate::level::PatchLevel;
use crate::members::{MAX_MEMBERS, MemberLists, TargetMember};
use crate::plan::{PatchPlan, plan};
use crate::space::{BaseSpace, SeedFiles};

/// Two images, with everything that a patch between them needs.
pub struct Between<'a> {
    /// The image that machines have.
    pub base: &'a Arc<PatchImage>,
    /// The image that they will get.
    pub target: &'a Arc<PatchImage>,
    /// The image ids of both.
    pub ids: (ImageId, ImageId),
    /// The cost of the same update by chunks, for the header.
    pub chunk_cost: ChunkCost,
    /// The effort that goes into making the patch small.
    pub level: PatchLevel,
    /// The workers that match.
    pub pool: &'a Pool,
    /// A folder for temporary files.
    pub scratch: &'a Path,
    /// The receiver of progress.
    pub progress: &'a dyn Progress,
}

/// A patch that was written.
pub struct Written {
    /// The patch's header.
    pub header: PatchHeader,
    /// The number of the target's members that are rebuilt.
    pub members: u64,
    /// The range of each file of the target in the contents stream, and in the expanded contents.
    pub(crate) expanded: Vec<(Range<u64>, Range<u64>)>,
}

/// A receiver of costs. For each op, it gets its offset in the target space, and the bytes of the patch that the op
/// takes.
pub type Costs<'a> = &'a mut dyn FnMut(&Op, u64, u64);

/// Writes the patch into `out`, an empty file.
pub fn write(between: &Between<'_>, out: &mut File, costs: Costs<'_>) -> Result<Written, LocalError> {
    let Between { base, target, level, pool, scratch, progress, .. } = *between;
    let plan = plan(base, target, level, pool, scratch, progress)?;
    let io = || LocalError::io("the patch that is made");
    let lists = MemberLists { base: plan.base_members.clone(), target: listed(&plan) };
    let lists_plain = lists.encode(&SeedFiles::new(base.seed())).map_err(io())?;
    let most_members = lists.base.len().max(lists.target.len());
    if lists_plain.len() > MAX_LISTS_BYTES as usize || most_members > MAX_MEMBERS {
        return Err(LocalError::TooManyMembers);
    }
    let lists_stored = code_lists(&lists_plain).map_err(failed)?;
    let mut header = PatchHeader {
        rebuilder: if lists.target.is_empty() { 0 } else { regrow_deflate::REBUILDER_VERSION },
        base: between.ids.0,
        target: between.ids.1,
        patch_bytes: 0,
        chunk_cost: between.chunk_cost,
        // Both sizes are at most MAX_LISTS_BYTES, plus the few bytes that coding adds.
        lists_stored: lists_stored.len() as u32,
        lists_plain: lists_plain.len() as u32,
        expanded_bytes: plan.expanded_bytes,
    };
    out.write_all(&header.encode()).map_err(io())?;
    out.write_all(&lists_stored).map_err(io())?;
    write_body(between, &plan, out, costs)?;
    header.patch_bytes = out.stream_position().map_err(io())? + CHECKSUM_BYTES as u64;
    seal(out, &header).map_err(io())?;
    Ok(Written { header, members: lists.target.len() as u64, expanded: expanded(between.target, &plan) })
}

/// The ranges of the target's files in its contents, and in the contents with members as plain bytes.
fn expanded(target: &PatchImage, plan: &PatchPlan) -> Vec<(Range<u64>, Range<u64>)> {
    let mut members = plan.target_members.iter().peekable();
    let mut at = 0;
    let place = |(number, file): (u64, &ImageFile)| {
        let mut bytes = file.bytes();
        while let Some(member) = members.next_if(|member| member.file == number) {
            let stored = member.stored.end - member.stored.start + member.trailer.len() as u64;
            bytes = bytes + member.plain_bytes - stored;
        }
        let expanded = at..at + bytes;
        at = expanded.end;
        (file.contents.clone(), expanded)
    };
    (0..).zip(target.files()).map(place).collect()
}

/// The target's members, by the distances between them.
fn listed(plan: &PatchPlan) -> Vec<TargetMember> {
    let (mut file, mut end) = (u64::MAX, 0);
    let list = |found: &ExpandedMember| {
        let from = if found.file == file { end } else { 0 };
        (file, end) = (found.file, found.stored.end + found.trailer.len() as u64);
        TargetMember {
            file,
            gap: found.stored.start - from,
            trailer: found.trailer,
            plain_bytes: found.plain_bytes,
            corrections: found.corrections.clone(),
        }
    };
    plan.target_members.iter().map(list).collect()
}

fn failed(error: DeltaError) -> LocalError {
    LocalError::io("the patch that is made")(io::Error::other(error))
}

/// Codes the lists as literals, since there is nothing to copy from.
fn code_lists(plain: &[u8]) -> Result<Vec<u8>, DeltaError> {
    let mut coded = Vec::new();
    if plain.is_empty() {
        return Ok(coded);
    }
    let mut encoder = DeltaEncoder::new(&[][..], plain.len() as u64, Coding::Mixed, 9, &mut coded)?;
    encoder.push(&Op { literal: plain.to_vec(), ..Op::default() })?;
    encoder.finish()?;
    Ok(coded)
}

fn write_body(between: &Between<'_>, plan: &PatchPlan, out: &mut File, costs: Costs<'_>) -> Result<(), LocalError> {
    let space = BaseSpace::new(between.base.seed(), &plan.base_members, between.scratch)?;
    let target_bytes = between.target.skeleton_bytes() + plan.expanded_bytes;
    let mut buffered = BufWriter::with_capacity(1 << 20, &mut *out);
    let mut encoder = DeltaEncoder::new(
        &space,
        target_bytes,
        Coding::choose(plan.ops.statistics()),
        between.level.coder(),
        &mut buffered,
    )
    .map_err(failed)?;
    between.progress.begin(Stage::Patch, Some(target_bytes));
    let (mut at, mut cost) = (0, 0);
    for op in plan.ops.iter() {
        let op = op?;
        encoder.push(&op).map_err(failed)?;
        let (end, now) = (at + op.target_bytes(), encoder.written());
        between.progress.add(Stage::Patch, end - at);
        costs(&op, at, now.saturating_sub(cost));
        (at, cost) = (end, now);
    }
    encoder.finish().map_err(failed)?;
    between.progress.end(Stage::Patch);
    buffered.flush().map_err(LocalError::io("the patch that is made"))
}

/// Writes the header again, now with the final size, and then the checksum.
fn seal(out: &mut File, header: &PatchHeader) -> io::Result<()> {
    out.seek(SeekFrom::Start(0))?;
    out.write_all(&header.encode())?;
    out.seek(SeekFrom::Start(0))?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(Read::take(&mut *out, header.patch_bytes - CHECKSUM_BYTES as u64))?;
    out.write_all(hasher.finalize().as_bytes())
}
