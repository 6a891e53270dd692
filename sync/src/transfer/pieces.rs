//! The pieces of packs that are requested. A frame is fetched whole, unless it is stored uncompressed: then only its
//! wanted chunks are fetched.

use std::ops::Range;

use regrow_store::{FrameEntry, RawFrame};

use super::delivery::Wanted;
use super::fetch::{Fetcher, GAP_BYTES, Piece, RangeJob, join};
use super::open_frame::chunks;
use super::packs::{Packs, Table};

impl Fetcher<'_> {
    /// The requests for frames, which must be sorted by pack and number. With `wanted`, only the wanted chunks of
    /// frames that are stored uncompressed are requested, unless there is a cache, which keeps whole frames.
    pub(crate) fn ranges(&self, packs: &Packs, frames: &[(u32, u32)], wanted: Option<&Wanted>) -> Vec<RangeJob> {
        let wanted = wanted.filter(|_| self.cache.is_none());
        let pieces = frames.iter().flat_map(|&(pack, frame)| {
            let pieces = packs
                .table(pack)
                .and_then(|table| Some(pieces(table, table.frames.get(frame as usize)?, (pack, frame), wanted)));
            pieces.into_iter().flatten().map(move |piece| (pack, piece))
        });
        let mut jobs = join(pieces);
        if self.takes_whole_packs && self.first_store_is_a_host() {
            for job in &mut jobs {
                let frames = packs.table(job.pack).map_or(&[][..], |table| &table.frames);
                let plain_bytes = frames.iter().map(|frame| frame.plain_bytes).sum();
                job.widen(self.pack_ref(job.pack).bytes, plain_bytes);
            }
        }
        jobs
    }
}

/// The whole frame, or its wanted parts.
fn pieces(table: &Table, entry: &FrameEntry, frame: (u32, u32), wanted: Option<&Wanted>) -> Vec<Piece> {
    let whole = || Piece { frame: frame.1, stored: entry.stored.clone(), part: None };
    let raw = RawFrame::of(entry.stored.end - entry.stored.start, entry.plain_bytes);
    let (Some(wanted), Some(raw)) = (wanted, raw) else { return vec![whole()] };
    let parts = wanted_parts(table, entry, frame, wanted);
    let piece = |part: Range<u64>| {
        let stored = raw.stored(&part)?;
        let stored = entry.stored.start + stored.start..entry.stored.start + stored.end;
        Some(Piece { frame: frame.1, stored, part: Some(part) })
    };
    let is_all = parts.iter().map(|part| part.end - part.start).sum::<u64>() == entry.plain_bytes;
    let found: Option<Vec<Piece>> = if is_all { None } else { parts.into_iter().map(piece).collect() };
    found.filter(|found| !found.is_empty()).unwrap_or_else(|| vec![whole()])
}

/// The ranges of plain bytes that cover a frame's wanted chunks, and the small gaps between them.
fn wanted_parts(table: &Table, entry: &FrameEntry, frame: (u32, u32), wanted: &Wanted) -> Vec<Range<u64>> {
    let mut parts: Vec<Range<u64>> = Vec::new();
    for (record, chunk) in chunks(table.records_of(entry)) {
        if wanted.of_frame(&record.id, frame).next().is_none() {
            continue;
        }
        match parts.last_mut() {
            Some(last) if chunk.start as u64 - last.end <= GAP_BYTES => last.end = chunk.end as u64,
            _ => parts.push(chunk.start as u64..chunk.end as u64),
        }
    }
    parts
}
