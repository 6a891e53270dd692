//! Rewrites chunks that lie thinly in old packs, so that they stand together.
//!
//! A frame is fetched whole. If an image uses only a few chunks of an old frame, a machine without a seed pays for the
//! dead ones too. This adds up from release to release. So once the image is known, the live chunks of the worst frames
//! go into new frames, until the waste of a first install is within a bound. Lillibridge, Eshghi and Bhagwat call the
//! idea capping, in "Improving Restore Speed for Backup Systems that Use Inline Chunk-Based Deduplication" (FAST '13).
//! See also ARCHITECTURE.md, "Dead chunks".

use std::collections::HashMap;

use futures::stream::{self, StreamExt};
use regrow_chunker::{ChunkId, PackId, Record};
use regrow_image::StreamKind;
use regrow_store::{Decompressor, PackSummary, Span, Store, StoreError, pack_name};

use super::contents::{OldFrame, StoreContents};
use super::packer::Packer;
use super::recipe::{ChunkSource, RecipeBuilder, UsedChunk};
use crate::transfer::fetch::GAP_BYTES;
use crate::{Network, Progress, SyncError};

/// The bytes that a table takes for a chunk: an id, and the length of a chunk of more than 127 bytes.
const RECORD_BYTES: u64 = 34;
/// The most frames that are read at the same time.
const IN_FLIGHT: usize = 8;
/// The divisor of the image's own cost that bounds how much is rewritten: at most a quarter.
const MOST_REWRITTEN: u64 = 4;

/// The waste that is always allowed, because a new pack costs two requests and an entry in the index.
const LEAST_ALLOWED_BYTES: u64 = 64 << 10;

/// The share of dead bytes that a machine without a seed may have to fetch, in millionths of what the image costs
/// alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxWaste(u32);

impl MaxWaste {
    /// Makes a share from a percentage between 0 and 100. With 100, no chunk is rewritten.
    #[must_use]
    pub fn percent(percent: f64) -> Option<Self> {
        (0.0..=100.0).contains(&percent).then(|| Self((percent * 10_000.0).round() as u32))
    }

    /// The bytes that this share allows, or `None` if no chunk is rewritten.
    fn of(self, bytes: u64) -> Option<u64> {
        let allowed = u128::from(bytes) * u128::from(self.0) / 1_000_000;
        (self.0 < 1_000_000).then(|| u64::try_from(allowed).unwrap_or(u64::MAX))
    }
}

impl Default for MaxWaste {
    /// The default share is 2.5 %.
    fn default() -> Self {
        Self(25_000)
    }
}

/// The bytes of the packs that hold what is new in an image.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NewBytes {
    frames: u64,
    /// The tables, which also list the old chunks of new segments.
    tables: u64,
}

impl NewBytes {
    pub(super) fn of(packs: &[PackSummary]) -> Self {
        let sum = |bytes: fn(&PackSummary) -> u64| packs.iter().map(bytes).sum();
        Self { frames: sum(|pack| pack.tail_at), tables: sum(|pack| pack.bytes - pack.tail_at) }
    }
}

/// The number of chunks that were rewritten.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rewritten {
    pub(super) chunks: u64,
    /// The plain bytes of those chunks.
    pub(super) bytes: u64,
}

/// The use that the image makes of an old frame.
#[derive(Clone, Copy, Default)]
struct Use {
    /// The plain bytes of the chunks that come from the frame.
    live: u64,
    /// The number of these chunks.
    chunks: u64,
    /// The first of these chunks, in the image's order.
    first: Option<u32>,
    /// The bytes of the frame that are fetched.
    fetched: u64,
}

impl Use {
    fn add(&mut self, chunk: u32, len: u32) {
        self.live += u64::from(len);
        self.chunks += 1;
        self.first.get_or_insert(chunk);
    }
}

/// A chunk that is rewritten: its number and id, and its offset in the plain bytes of its old frame.
struct Moving {
    number: u32,
    id: ChunkId,
    at: u32,
    len: u32,
}

/// Rewrites the live chunks of thin frames into packs of their own. Machines that have the old image need not fetch
/// those packs. `new` are the packs that were written before.
pub(super) fn rewrite(
    recipe: &mut RecipeBuilder,
    packer: &mut Packer<'_>,
    new: NewBytes,
    max_waste: MaxWaste,
    (network, store, progress): (&Network, &dyn Store, &dyn Progress),
) -> Result<Rewritten, SyncError> {
    let mut rewritten = Rewritten::default();
    let uses = choose_copies(recipe);
    let image = ImageBytes { new, tables: recipe.used.len() as u64 * RECORD_BYTES };
    let frames = choose_frames(&recipe.known, &uses, image, max_waste);
    if frames.is_empty() {
        return Ok(rewritten);
    }
    let moving = moving_chunks(recipe, &frames);
    let old: Vec<(PackId, OldFrame)> = frames.iter().map(|&frame| located(&recipe.known, frame)).collect();
    let reading = old.iter().map(|(pack, frame)| read_frame(store, pack, frame));
    let mut reading = stream::iter(reading).buffered(IN_FLIGHT);
    packer.pack_as_update(false);
    for (chunks, (pack, frame)) in moving.iter().zip(&old) {
        let Some(stored) = network.block_on(reading.next()) else { break };
        match stored.and_then(|stored| open(pack, frame, chunks, &stored)) {
            Ok(plain) => write(recipe, packer, (frame, chunks), &plain, &mut rewritten)?,
            // The image is complete without the rewritten chunks, and only costs more to fetch.
            Err(error) => progress.warn(&format!("{error}; its chunks are not written again")),
        }
    }
    Ok(rewritten)
}

/// Chooses a copy for each chunk that the store has more than once: the one whose frame the image uses most. Returns
/// the resulting use of each frame.
fn choose_copies(recipe: &mut RecipeBuilder) -> Vec<Use> {
    let known = &recipe.known;
    let mut possible = vec![0_u64; known.frames.len()];
    for chunk in &recipe.used {
        if let ChunkSource::Copy(first) = chunk.source {
            let copies = known.copies_from(first).filter(|(_, copy)| copy.len == chunk.len);
            copies.for_each(|(_, copy)| possible[copy.frame as usize] += u64::from(chunk.len));
        }
    }
    let rank = |frame: u32| {
        let found = &known.frames[frame as usize];
        let share = (possible[frame as usize] << 24) / found.plain_bytes.max(1);
        (std::cmp::Reverse(share), known.packs[found.pack as usize].id, found.stored.start)
    };
    let mut uses = vec![Use::default(); known.frames.len()];
    for (number, chunk) in (0..).zip(&mut recipe.used) {
        let ChunkSource::Copy(first) = chunk.source else { continue };
        let copies = known.copies_from(first).filter(|(_, copy)| copy.len == chunk.len);
        if let Some((copy, found)) = copies.min_by_key(|(_, copy)| rank(copy.frame)) {
            chunk.source = ChunkSource::Copy(copy);
            uses[found.frame as usize].add(number, chunk.len);
        }
    }
    count_fetched(recipe, &mut uses);
    uses
}

/// Counts the bytes that are fetched of each frame: the whole frame, or only the chunks and the small gaps between them
/// if it is read by the chunk.
fn count_fetched(recipe: &RecipeBuilder, uses: &mut [Use]) {
    let known = &recipe.known;
    for (used, frame) in uses.iter_mut().zip(&known.frames).filter(|(used, frame)| used.live > 0 && !frame.is_raw()) {
        used.fetched = frame.stored_bytes();
    }
    let in_raw = |chunk: &UsedChunk| {
        let ChunkSource::Copy(copy) = chunk.source else { return None };
        let copy = known.copies[copy as usize];
        let (at, len) = (u64::from(copy.at), u64::from(chunk.len));
        known.frames[copy.frame as usize].is_raw().then_some((copy.frame, at, at + len))
    };
    let mut parts: Vec<(u32, u64, u64)> = recipe.used.iter().filter_map(in_raw).collect();
    parts.sort_unstable();
    let mut last = None;
    for (frame, at, end) in parts {
        let gap = last.filter(|&(other, _)| other == frame).map_or(0, |(_, end): (_, u64)| at.saturating_sub(end));
        uses[frame as usize].fetched += end - at + if gap <= GAP_BYTES { gap } else { 0 };
        last = Some((frame, end));
    }
}

/// The bytes of an image that do not depend on what is rewritten.
struct ImageBytes {
    new: NewBytes,
    /// The tables of a store that has the image alone.
    tables: u64,
}

/// Chooses the frames whose live chunks are rewritten. Those with the smallest live share come first, until the rest
/// wastes no more than is allowed. The result is in the order in which the image uses the frames.
fn choose_frames(known: &StoreContents, uses: &[Use], image: ImageBytes, max_waste: MaxWaste) -> Vec<u32> {
    let live_stored = |frame: u32| {
        let (found, live) = (&known.frames[frame as usize], uses[frame as usize].live);
        found.stored_bytes() * live / found.plain_bytes.max(1)
    };
    let used = || (0..).zip(uses).filter(|(_, used)| used.live > 0).map(|(frame, _)| frame);
    let live: u64 = used().map(live_stored).sum();
    let fetched = |frame: u32| uses[frame as usize].fetched.max(live_stored(frame));
    // Chunks that are rewritten stand in two tables.
    let saved = |frame: u32| {
        let twice = uses[frame as usize].chunks * RECORD_BYTES;
        (fetched(frame) - live_stored(frame)).saturating_sub(twice)
    };
    let all: u64 = used().map(fetched).sum();
    let alone = image.new.frames + live + image.tables;
    let Some(allowed) = max_waste.of(alone) else { return Vec::new() };
    let allowed = allowed.max(LEAST_ALLOWED_BYTES);
    let tables = image.new.tables + used_tails(known, uses);
    let mut wasted = all - live + tables.saturating_sub(image.tables);
    let mut thin: Vec<u32> = used().collect();
    thin.retain(|&frame| saved(frame) > 0);
    thin.sort_by_cached_key(|&frame| {
        let found = &known.frames[frame as usize];
        let share = (uses[frame as usize].live << 24) / found.plain_bytes;
        (share, known.packs[found.pack as usize].id, found.stored.start)
    });
    let (mut rewritten, mut chosen) = (0, Vec::new());
    for frame in thin {
        rewritten += live_stored(frame);
        if wasted <= allowed || rewritten > alone / MOST_REWRITTEN {
            break;
        }
        wasted = wasted.saturating_sub(saved(frame));
        chosen.push(frame);
    }
    chosen.sort_by_key(|&frame| uses[frame as usize].first);
    chosen
}

/// The bytes of the tables of all packs that the image uses chunks of.
fn used_tails(known: &StoreContents, uses: &[Use]) -> u64 {
    let mut is_used = vec![false; known.packs.len()];
    for (frame, _) in known.frames.iter().zip(uses).filter(|(_, used)| used.live > 0) {
        is_used[frame.pack as usize] = true;
    }
    let used = known.packs.iter().zip(is_used).filter(|(_, is_used)| *is_used);
    used.map(|(pack, _)| pack.bytes - pack.tail_at).sum()
}

/// The chunks that move out of each of these frames, by their offset there.
fn moving_chunks(recipe: &RecipeBuilder, frames: &[u32]) -> Vec<Vec<Moving>> {
    let numbers: HashMap<u32, usize> = frames.iter().copied().zip(0..).collect();
    let mut moving: Vec<Vec<Moving>> = frames.iter().map(|_| Vec::new()).collect();
    for (number, id) in recipe.ids() {
        let ChunkSource::Copy(copy) = recipe.used[number as usize].source else { continue };
        let copy = recipe.known.copies[copy as usize];
        if let Some(&frame) = numbers.get(&copy.frame) {
            let len = recipe.used[number as usize].len;
            moving[frame].push(Moving { number, id, at: copy.at, len });
        }
    }
    moving.iter_mut().for_each(|chunks| chunks.sort_unstable_by_key(|chunk| chunk.at));
    moving
}

fn located(known: &StoreContents, frame: u32) -> (PackId, OldFrame) {
    let frame = &known.frames[frame as usize];
    (known.packs[frame.pack as usize].id, frame.clone())
}

async fn read_frame(store: &dyn Store, pack: &PackId, frame: &OldFrame) -> Result<bytes::Bytes, StoreError> {
    store.get(&pack_name(pack), Span::Range(frame.stored.clone())).await?.bytes().await
}

/// The plain bytes of a frame. Each of the chunks that move must match its id.
fn open(pack: &PackId, frame: &OldFrame, chunks: &[Moving], stored: &[u8]) -> Result<bytes::Bytes, StoreError> {
    let damaged = || StoreError::Damaged {
        object: pack_name(pack),
        reason: format!("the frame at {} is not what its table says", frame.stored.start),
    };
    let mut decompressor = Decompressor::new().map_err(StoreError::io("decompression"))?;
    let plain = decompressor.decompress(stored, frame.plain_bytes).ok_or_else(damaged)?;
    let is_right = |chunk: &Moving| chunk.of(&plain).is_some_and(|bytes| ChunkId::of(bytes) == chunk.id);
    if chunks.iter().all(is_right) { Ok(plain) } else { Err(damaged()) }
}

impl Moving {
    fn of<'b>(&self, plain: &'b [u8]) -> Option<&'b [u8]> {
        plain.get(self.at as usize..)?.get(..self.len as usize)
    }
}

/// Stores the chunks again, and points the recipe to their new frames.
fn write(
    recipe: &mut RecipeBuilder,
    packer: &mut Packer<'_>,
    (frame, chunks): (&OldFrame, &[Moving]),
    plain: &[u8],
    rewritten: &mut Rewritten,
) -> Result<(), SyncError> {
    let stream = if frame.is_skeleton { StreamKind::Skeleton } else { StreamKind::Contents };
    for chunk in chunks {
        let Some(bytes) = chunk.of(plain) else { continue };
        let item = packer.add_chunk(stream, Record { id: chunk.id, len: chunk.len }, bytes)?;
        recipe.used[chunk.number as usize].source = ChunkSource::New(item);
        rewritten.chunks += 1;
        rewritten.bytes += u64::from(chunk.len);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use regrow_index::PackRef;

    const FRAME: u64 = 1 << 20;

    /// The frames that are chosen from a pack whose frames store 1 MiB each. The image uses these percentages of them.
    fn chosen(percentages: &[u64], percent: f64) -> Vec<u32> {
        chosen_beside(0, percentages, percent)
    }

    /// The same for an image whose new tables have this many bytes more than those of a store of the image alone.
    fn chosen_beside(new_tables: u64, percentages: &[u64], percent: f64) -> Vec<u32> {
        let bytes = percentages.len() as u64 * FRAME;
        let pack = PackRef { id: PackId::default(), bytes: bytes + 100, skeleton_at: bytes, tail_at: bytes };
        let frame = |n: u64| OldFrame {
            pack: 0,
            stored: n * FRAME..(n + 1) * FRAME,
            plain_bytes: 2 * FRAME,
            is_skeleton: false,
        };
        let known = StoreContents {
            packs: vec![pack],
            frames: (0..percentages.len() as u64).map(frame).collect(),
            ..StoreContents::default()
        };
        // The image uses the last frame first.
        let last = percentages.len() as u32;
        let used = |(n, share): (u32, &u64)| Use {
            live: 2 * FRAME * share / 100,
            chunks: 1,
            first: Some(last - n),
            fetched: FRAME,
        };
        let uses: Vec<Use> = (0..).zip(percentages).map(used).collect();
        let image = ImageBytes { new: NewBytes { frames: 0, tables: new_tables }, tables: 100 };
        choose_frames(&known, &uses, image, MaxWaste::percent(percent).unwrap())
    }

    #[test]
    fn the_thinnest_frames_are_chosen_until_little_is_wasted() {
        let mut shares = [100; 40];
        assert!(chosen(&shares, 0.0).is_empty());
        (shares[3], shares[7], shares[9], shares[11]) = (80, 10, 40, 0);
        assert_eq!(chosen(&shares, 2.5), [7], "1.7 of 37.3 MiB are wasted, then 0.8");
        assert_eq!(chosen(&shares, 2.0), [9, 7], "then 0.2");
        assert_eq!(chosen(&shares, 0.0), [9, 7, 3]);
        assert!(chosen(&shares, 5.0).is_empty() && chosen(&shares, 100.0).is_empty());
        assert_eq!(chosen_beside(FRAME / 2, &shares, 2.5), [9, 7], "1.3 after the first");
    }

    #[test]
    fn a_quarter_is_written_again_at_most() {
        let frames = chosen(&[50; 64], 2.5);
        assert_eq!(frames.len(), 16, "32 MiB are used, and 8 of them are written again");
    }

    #[test]
    fn shares_are_percentages() {
        assert_eq!(MaxWaste::percent(2.5), Some(MaxWaste::default()));
        assert_eq!(MaxWaste::default().of(1000), Some(25));
        assert!([-1.0, 100.1, f64::NAN].into_iter().all(|share| MaxWaste::percent(share).is_none()));
        assert_eq!(MaxWaste::percent(100.0).unwrap().of(1000), None);
        assert_eq!(MaxWaste::percent(99.0).unwrap().of(u64::MAX), Some(u64::MAX / 100 * 99 + 14));
    }
}
