//! Writes a patch: header, member lists, coded body, checksum. FORMAT.md, section 10.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use regrow_chunker::{ImageId, Params};
use regrow_delta::{Coding, DeltaEncoder, DeltaError, Op};
use regrow_local::{LocalError, Pool, Progress};

use crate::base::{LocalPart, PatchBase};
use crate::body::write_body;
use crate::check::{check, confirm};
use crate::header::{CHECKSUM_BYTES, ChunkCost, MAX_LISTS_BYTES, PatchHeader, PatchVersion, rebuilder};
use crate::held::HeldPart;
use crate::image::PatchImage;
use crate::joining;
use crate::level::PatchLevel;
use crate::members::MAX_MEMBERS;
use crate::plan::{Limit, Planned, plan};
use crate::sample::SAMPLED_FROM_BYTES;
use crate::side::Side;
use crate::space::FilesOfBase;
use crate::spent::{Spent, lists_of};

/// Two images, with everything that a patch between them needs.
pub struct Between<'a> {
    /// The image that machines have.
    pub base: &'a Arc<PatchImage>,
    /// The image that they will get.
    pub target: &'a Arc<PatchImage>,
    /// The image ids of both.
    pub ids: (ImageId, ImageId),
    /// The version of the patch. By version 2 the base is the base image's parts, and both images must have parts.
    pub version: PatchVersion,
    /// The codings of the target for a machine that has the base, which only a patch from parts has. If there are none,
    /// machines use those of the index.
    pub codings: &'a [u8],
    /// The parameters with which both images were cut.
    pub params: Params,
    /// The cost of the same update by chunks, for the header.
    pub chunk_cost: ChunkCost,
    /// The least that the patch must save of the chunks' cost, in percent. If it saves less, it is not made. With 0 it
    /// is always made.
    pub least_saving: u8,
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
}

/// The outcome of [`write()`].
pub enum Made {
    /// The patch was written.
    Patch(Written),
    /// The patch would save too little. What was written so far is of no use.
    NotWorth {
        /// The size of the patch in bytes, as far as it is known. It may be an estimate.
        bytes: u64,
    },
}

/// Writes the patch into `out`, an empty file. If `spent` is there, it counts what the bytes are for.
pub(crate) fn write_counted(
    between: &Between<'_>,
    out: &mut File,
    mut spent: Option<&mut Spent>,
    is_checked: bool,
) -> Result<Made, LocalError> {
    let Between { version, level, pool, scratch, progress, .. } = *between;
    let Sides { base, target, held } = Sides::of(between)?;
    let plan = match plan((&base, &target), level, between.limit(), pool, scratch, progress)? {
        Planned::Plan(plan) => plan,
        Planned::TooLarge(bytes) => return Ok(Made::NotWorth { bytes }),
    };
    let io = || LocalError::io("the patch that is made");
    let codings = if version == PatchVersion::V2 { between.codings.to_vec() } else { Vec::new() };
    let lists = lists_of((codings, held), (&base, &target), &plan);
    let (has_codings, has_joined_files) = (!lists.codings.is_empty(), !lists.joined.is_empty());
    let (rebuilt, mut ends, of_base) = (plan.target_members.len(), Vec::new(), base.base());
    let lists_plain = lists.encode(version, &FilesOfBase::new(&of_base), &mut ends).map_err(io())?;
    if lists_plain.len() > MAX_LISTS_BYTES as usize || lists.most_members() > MAX_MEMBERS {
        return Err(LocalError::TooManyMembers);
    }
    let (lists_stored, of_lists) = code_lists(&lists_plain, spent.as_ref().map(|_| ends)).map_err(failed)?;
    let mut header = PatchHeader {
        version,
        has_codings,
        has_joined_files,
        rebuilder: rebuilder(rebuilt > 0, lists.has_xz()),
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
    let checked = is_checked.then_some(&header);
    let coded = write_body(between, (&base, &of_base, &target), &plan, out, (spent.is_some(), checked))?;
    header.patch_bytes = out.stream_position().map_err(io())? + CHECKSUM_BYTES as u64;
    // Without the patch, a machine would need the codings of the index, which are not among the costs.
    let without_codings = header.patch_bytes.saturating_sub(between.codings.len() as u64);
    if without_codings > between.most_bytes(between.least_saving) {
        return Ok(Made::NotWorth { bytes: header.patch_bytes });
    }
    seal(out, &header).map_err(io())?;
    if let Some(spent) = &mut spent {
        **spent = Spent::of(&header, (&plan, &target), &of_lists, &coded.costs);
    }
    drop((plan, lists));
    match coded.checked {
        Some(was_read) => confirm(out, &header, &was_read)?,
        None if is_checked => check(between, out)?,
        None => {}
    }
    Ok(Made::Patch(Written { header, members: rebuilt as u64 }))
}

/// Writes the patch into `out`, an empty file, unless it would save too little.
pub fn write(between: &Between<'_>, out: &mut File) -> Result<Made, LocalError> {
    write_counted(between, out, None, false)
}

/// Writes the patch as [`write()`] does, and applies it to see that it yields the target, as [`check()`] does. What is
/// written is applied at once where that is possible.
///
/// # Errors
/// Those of [`write()`] and of [`check()`]. What is in the file is then of no use.
pub fn write_checked(between: &Between<'_>, out: &mut File) -> Result<Made, LocalError> {
    write_counted(between, out, None, true)
}

/// Both sides of a patch.
pub(crate) struct Sides {
    pub(crate) base: Arc<Side>,
    pub(crate) target: Arc<Side>,
    /// The parts of the target that the base has. They are left out of the target's side.
    pub(crate) held: Vec<HeldPart>,
}

impl Sides {
    pub(crate) fn of(between: &Between<'_>) -> Result<Self, LocalError> {
        let Between { base, target, params, .. } = *between;
        if between.version == PatchVersion::V1 {
            let [base, target] = [base, target].map(|image| Arc::new(Side::whole(image)));
            return Ok(Self { base, target, held: Vec::new() });
        }
        let base = Side::of_base(base, params);
        let (target, held) = Side::of_target(target, &base, params);
        let (base, target) = (Arc::new(base.without_held(&held)), Arc::new(target));
        let [base, target] = joining::join([base, target], between.pool)?;
        Ok(Self { base, target, held })
    }
}

/// The base of the patch that is made.
pub(crate) fn base_of<'a>(between: &Between<'a>) -> PatchBase<'a> {
    let seed = between.base.seed();
    match between.version {
        PatchVersion::V1 => PatchBase::of_image(seed),
        PatchVersion::V2 => PatchBase::of_parts(LocalPart::base_of(seed, between.params)),
    }
}

impl Between<'_> {
    /// The size of a patch that saves this many percent.
    fn most_bytes(&self, percent: u8) -> u64 {
        if percent == 0 {
            return u64::MAX;
        }
        (u128::from(self.chunk_cost.bytes) * u128::from(100 - percent.min(100)) / 100) as u64
    }

    /// The limit for estimates. It is wider than that for the patch itself, since a sample may err: what seems to save
    /// half of what is asked for is made to see.
    fn limit(&self) -> Option<Limit> {
        let estimated_bytes = self.most_bytes(self.least_saving.div_ceil(2));
        (self.least_saving > 0).then_some(Limit { estimated_bytes, sampled_from: SAMPLED_FROM_BYTES })
    }
}

fn failed(error: DeltaError) -> LocalError {
    LocalError::io("the patch that is made")(io::Error::other(error))
}

/// Codes the lists as literals, since there is nothing to copy from. If the ends of parts are given, the costs of the
/// parts are counted.
pub(crate) fn code_lists(plain: &[u8], ends: Option<Vec<u64>>) -> Result<(Vec<u8>, Vec<u64>), DeltaError> {
    if plain.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let mut encoder = DeltaEncoder::new(&[][..], plain.len() as u64, Coding::Mixed, 9, Vec::new())?;
    if let Some(ends) = ends {
        encoder = encoder.metered(ends)?;
    }
    encoder.push(&Op { literal: plain.to_vec(), ..Op::default() })?;
    encoder.finish_metered()
}

/// Writes the header again, now with the final size, and then the checksum.
pub(crate) fn seal(out: &mut File, header: &PatchHeader) -> io::Result<()> {
    out.seek(SeekFrom::Start(0))?;
    out.write_all(&header.encode())?;
    out.seek(SeekFrom::Start(0))?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(Read::take(&mut *out, header.patch_bytes - CHECKSUM_BYTES as u64))?;
    out.write_all(hasher.finalize().as_bytes())
}
