//! Uses a patch instead of chunks. It is one that the seeds hold the base of, and is fetched if it costs less than
//! chunks. Its result becomes a seed of its own. Anything that it does not yield, or yields wrongly, is fetched as
//! chunks.

mod ahead;
mod image;
mod segments;

use std::fs::File;
use std::path::Path;
use std::sync::mpsc::sync_channel;

use regrow_image::{StreamKind, WalkRules};
use regrow_index::{CodedStretch, Index, Part, decode_patch_codings};
use regrow_local::{
    GzipFiles, Hashed, PatchSeed, PatchSeedBuilder, PlainSource, Reading, Seeds, ingest_plain, spawn_scoped,
};
use regrow_patch::{ApplyError, PatchBase, PatchHeader, PatchTarget, TargetPart, TargetSizes, apply};
use regrow_store::patch_name;

use super::Run;
use super::assemble::check_encoders;
use super::output::OutputFile;
use crate::plan::closed_parts::ClosedLayer;
use crate::plan::locate::Counts;
use crate::plan::outline::{completed, is_outline};
use crate::plan::patch_or_chunks::{Candidate, Choice, PatchOrChunks, candidates};
use crate::transfer::delivery::Tally;
use crate::transfer::fetch::Fetcher;
use crate::{Stage, SyncError};

use crate::transfer::patch::{FoundPatch, Request};
use ahead::Ahead;
use image::{PatchedImage, Pieces};
use segments::SegmentCheck;

/// The most pieces that wait between the decoder and the cutter.
const PIECES_WAITING: usize = 32;

/// What came of looking for a patch.
pub(super) enum Extended {
    /// No patch was taken, or it did not yield all. What it yielded is among the seeds.
    Nothing,
    /// The patch made the image of an outline, which is completed by its recipe.
    Recipe(Box<Index>),
    /// What the patch would cost, in a dry run.
    Planned(Counts),
}

/// Adds the result of a patch to the seeds, if some seed has a patch that costs less than chunks. A dry run adds
/// nothing, and returns what the patch would cost. `closed` are parts of the image that are held but were not read. If it
/// is given at all, the patch makes the image without held parts, and those are read only where something else is made
/// from them.
pub(super) fn extend_seeds(
    run: &Run<'_>,
    fetcher: &Fetcher<'_>,
    seeds: &mut Seeds,
    closed: Option<&[ClosedLayer<'_>]>,
    (output, scratch): (&OutputFile, &Path),
) -> Result<Extended, SyncError> {
    if !run.options.patches || fetcher.first_store_is_local() {
        return Ok(Extended::Nothing);
    }
    let candidates = candidates(run.index, seeds, closed.unwrap_or_default());
    if !candidates.is_empty() {
        run.prefetch.on_patch_sought();
    }
    for candidate in candidates {
        let (base, target) = (candidate.base, run.index.image_id());
        let name = patch_name(&base, &target);
        let choice = PatchOrChunks::new(run.index, &candidate, output.missing_bytes(), scratch)
            .with_codings_left(run.codings_left());
        let refused = |reason: &dyn std::fmt::Display| {
            let patch = fetcher.patch_location(&name);
            run.progress.warn(&format!("{patch}: {reason}; chunks are fetched instead"));
            false
        };
        let takes = |header: &PatchHeader, bytes| match choice.of(header, bytes) {
            _ if candidate.held.for_version(header.version).is_none() => refused(&ApplyError::OtherBase),
            Choice::Patch => true,
            Choice::Chunks => false,
            Choice::ChunksForWantOfRoom => refused(&format!("{} has no room for its result", scratch.display())),
        };
        let request = Request { name: name.clone(), base, target, scratch, takes: &takes };
        let (header, found) = match fetcher.find_patch(&request, run.options.dry_run) {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(error) => {
                run.progress.warn(&format!("{error}; chunks are fetched instead"));
                continue;
            }
        };
        run.prefetch.on_patch_found();
        let mut file = match found {
            FoundPatch::Planned(bytes) => return Ok(Extended::Planned(planned(run, &header, bytes))),
            FoundPatch::Here(file) => file,
        };
        let codings = codings_of(run, &header, &mut file);
        let is_partial = closed.is_some();
        let source = Source { candidate: &candidate, request: &request, is_partial, codings: &codings, output };
        let (patched, recipe) = match yield_of(run, fetcher, seeds, &source, (header, file)) {
            Ok(Some(yielded)) => yielded,
            Ok(None) => continue,
            Err(error) => {
                warn(run, fetcher, &source, &error);
                continue;
            }
        };
        seeds.patched = Some(seeds.seeds.len() as u32);
        seeds.seeds.push(Box::new(patched));
        let recipe = recipe.map(|index| Extended::Recipe(Box::new(Index { codings, ..index })));
        return Ok(recipe.unwrap_or(Extended::Nothing));
    }
    Ok(Extended::Nothing)
}

/// The recipes of coded files that come with a patch, if they are not known yet. If they cannot be used, those of the index
/// are read later.
fn codings_of(run: &Run<'_>, header: &PatchHeader, file: &mut File) -> Vec<CodedStretch> {
    if run.codings_left() == 0 {
        return run.index.codings.clone();
    }
    let found = regrow_patch::codings(file, header).ok().flatten();
    let codings = found.and_then(|found| decode_patch_codings(&found, run.index).ok()).unwrap_or_default();
    let index = Index { codings, ..run.index.clone() };
    if check_encoders(run.location, &index).is_ok() { index.codings } else { Vec::new() }
}

/// The counts that a run with this patch would have.
fn planned(run: &Run<'_>, header: &PatchHeader, bytes: u64) -> Counts {
    let plain_bytes = run.index.skeleton.bytes + run.index.contents.bytes;
    // The outline of an index does not say how many chunks the image has. Those of the patch are known.
    let new_chunks = header.chunk_cost.chunks;
    let chunks = if is_outline(run.index) { new_chunks } else { run.index.chunks() };
    let patch = Tally { chunks: new_chunks.min(chunks), bytes: header.chunk_cost.plain_bytes.min(plain_bytes) };
    let seed = Tally { chunks: chunks - patch.chunks, bytes: plain_bytes - patch.bytes };
    let codings_left = if header.has_codings { 0 } else { run.codings_left() };
    let planned_requests = u64::from(codings_left > 0);
    Counts { patch, seed, planned_bytes: bytes + codings_left, planned_requests, ..Counts::default() }
}

/// A patch that was taken.
struct Source<'s> {
    candidate: &'s Candidate<'s>,
    request: &'s Request<'s>,
    /// Whether held parts are left out.
    is_partial: bool,
    /// The recipes of the image's coded files, if they are known.
    codings: &'s [CodedStretch],
    output: &'s OutputFile,
}

/// Applies a patch. If something fails, a warning says so, and the chunks that came before are kept if possible.
fn yield_of(
    run: &Run<'_>,
    fetcher: &Fetcher<'_>,
    seeds: &Seeds,
    source: &Source<'_>,
    (header, mut file): (PatchHeader, File),
) -> Result<Option<(PatchSeed, Option<Index>)>, SyncError> {
    let base = || source.candidate.held.for_version(header.version);
    let Some(first) = base() else { return Ok(None) };
    let mut applied = apply_to(run, seeds, source, (&header, &mut file), &first)?;
    // Bytes near those that are used were looked at after all.
    if applied.failure.is_some()
        && first.has_guessed()
        && let Some(again) = base()
    {
        applied = apply_to(run, seeds, source, (&header, &mut file), &again.guessing_nothing())?;
    }
    match &applied.failure {
        Some(error) => warn(run, fetcher, source, error),
        None => source.output.keep_coded(applied.made),
    }
    Ok(applied.patched.map(|patched| (patched, applied.recipe)))
}

/// What came of applying a patch.
struct Applied {
    /// The chunks that came.
    patched: Option<PatchSeed>,
    /// The index with the recipe of the image, if it was an outline.
    recipe: Option<Index>,
    /// The coded stretches that are in the output. They are right if all came.
    made: Vec<usize>,
    /// The reason why not all came, or something else.
    failure: Option<String>,
}

fn apply_to(
    run: &Run<'_>,
    seeds: &Seeds,
    source: &Source<'_>,
    (header, file): (&PatchHeader, &mut File),
    base: &PatchBase<'_>,
) -> Result<Applied, SyncError> {
    let (index, Source { request, is_partial, .. }) = (run.index, source);
    let sizes =
        TargetSizes { image: index.plain_bytes(), skeleton: index.skeleton.bytes, contents: index.contents.bytes };
    let parts = stated_parts(index);
    let target = PatchTarget { sizes, parts: &parts, leaves_out_held: *is_partial };
    let kinds = parts.iter().map(|part| part.kind).collect();
    let mut yielded = Yield::new(run, seeds, request.scratch, *is_partial)?;
    run.progress.begin(Stage::Patch, Some(index.plain_bytes()));
    let (pieces, arriving) = sync_channel(PIECES_WAITING);
    let ahead = Ahead::of(run.pool, source.output, index, source.codings);
    let (applied, ingested, made) = std::thread::scope(|scope| {
        let apply = move || apply(file, header, base, &target, request.scratch, &mut Pieces::new(pieces));
        let applying = spawn_scoped(scope, apply)?;
        let rules = WalkRules::of_version(index.walk_version).unwrap_or_default();
        let image = PatchedImage::new(arriving, Path::new(&request.name), kinds, rules);
        let mut read = |source: &mut dyn PlainSource| {
            let (params, gzip_files) = (index.params, GzipFiles::Contents);
            let reading =
                Reading { rules, params, pool: run.pool, stage: Stage::Patch, progress: run.progress, gzip_files };
            ingest_plain(source, &reading, |chunk| yielded.take(&chunk))
        };
        let (ingested, made) = ahead::read_and_encode(ahead.as_ref(), scope, image, &mut read)?;
        Ok::<_, SyncError>((applying.join().map_err(|_| SyncError::Worker), ingested, made))
    })?;
    run.progress.end(Stage::Patch);
    let error = match (applied?, ingested) {
        (Ok(()), Ok(parts)) => {
            let patched = yielded.builder.finish(parts)?;
            // Without the held parts, only the end tells whether the image is the right one.
            let checks_end = is_outline(index) || *is_partial;
            let recipe = if checks_end { completed(index, patched.unit_recipes()) } else { None };
            let failure = (checks_end && recipe.is_none()).then(|| wrong_base().to_string());
            if failure.is_some() {
                source.output.begin_coded_again()?;
            }
            return Ok(Applied { patched: Some(patched), recipe: recipe.filter(|_| is_outline(index)), made, failure });
        }
        // If nobody takes its output, the decoder stops. So an error of the taker is reported first.
        (Err(error), Err(ended)) if is_early_end(&ended) => error.to_string(),
        (_, Err(error)) => error.to_string(),
        (Err(error), Ok(_)) => error.to_string(),
    };
    source.output.begin_coded_again()?;
    // Another error of the same temporary file is not worth a second warning.
    let patched = yielded.builder.finish(Vec::new()).ok();
    Ok(Applied { patched, recipe: None, made: Vec::new(), failure: Some(error) })
}

/// The parts of the image, as the index states them.
fn stated_parts(index: &Index) -> Vec<TargetPart> {
    let parts = index.units.iter().flat_map(|units| &units.parts);
    let stated = |part: &Part| TargetPart {
        id: part.unit.id,
        kind: part.kind,
        plain_bytes: part.plain_bytes,
        skeleton_bytes: part.unit.skeleton.bytes,
        contents_bytes: part.unit.contents.bytes,
    };
    parts.map(stated).collect()
}

/// Whether reading failed because the decoder gave no more.
fn is_early_end(error: &SyncError) -> bool {
    matches!(error, SyncError::Io { source, .. } if source.kind() == std::io::ErrorKind::UnexpectedEof)
}

/// Warns that a patch failed, at least in part. If its base is unchanged, the patch is removed from the caches, so that
/// the next run fetches it again or does without.
fn warn(
    run: &Run<'_>,
    fetcher: &Fetcher<'_>,
    Source { candidate, request, .. }: &Source<'_>,
    error: &dyn std::fmt::Display,
) {
    if candidate.held.is_unchanged() {
        fetcher.forget_patch(request);
    }
    let location = fetcher.patch_location(&request.name);
    run.progress.warn(&format!("{location}: {error}; what is missing is fetched as chunks"));
}

/// The chunks of a patched image, as they arrive.
struct Yield<'a> {
    builder: PatchSeedBuilder,
    seeds: &'a Seeds,
    /// The segments of the new image, of the skeleton and of the contents. The outline of an index has none, and parts that
    /// are left out do not come, so then only the end tells whether the image is the right one.
    checks: Option<[SegmentCheck; 2]>,
}

impl<'a> Yield<'a> {
    fn new(run: &Run<'_>, seeds: &'a Seeds, scratch: &Path, is_partial: bool) -> Result<Self, SyncError> {
        let checks = (!is_outline(run.index) && !is_partial).then(|| SegmentCheck::of_streams(run.index));
        Ok(Self { builder: PatchSeedBuilder::new(scratch)?, seeds, checks })
    }

    /// Keeps a chunk that no seed has. A segment that the new image does not have is an error: the base is not what it
    /// was, and the bytes that follow are most likely nonsense.
    fn take(&mut self, chunk: &Hashed) -> Result<(), SyncError> {
        let is_new = self.seeds.find(&chunk.record.id).is_none();
        let pushed = self.builder.push(chunk.stream, chunk.record, &chunk.bytes, is_new);
        pushed.map_err(SyncError::io("temporary file"))?;
        let Some([skeleton, contents]) = &mut self.checks else { return Ok(()) };
        let check = match chunk.stream {
            StreamKind::Skeleton => skeleton,
            StreamKind::Contents => contents,
        };
        if check.push(chunk.record) { Ok(()) } else { Err(wrong_base()) }
    }
}

/// The error for a base that is not what it was.
fn wrong_base() -> SyncError {
    SyncError::Recipe {
        location: "its base".to_owned(),
        reason: "is not the image that it was made for, or changed while it was read".to_owned(),
    }
}
