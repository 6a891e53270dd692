//! Decoding of a pack's end: its chunks, its segments, and their places. Nothing of it is trusted until it is
//! checked.

use std::ops::Range;

use bytes::Bytes;
use regrow_chunker::{ChunkId, MAX_CHUNK_BYTES, Record, SegmentId, bounds, varint};

use super::{HEADER_BYTES, KIND_ZSTD, MAX_TAIL_BYTES, TRAILER_MAGIC, VERSION};
use crate::frame::MAX_FRAME_BYTES;

/// The size of the trailer in bytes.
pub const TRAILER_BYTES: u64 = 96;
/// The most records in a segment (FORMAT.md, section 4).
const MAX_SEGMENT_RECORDS: u64 = 256;

/// A reason why bytes are not the end of a pack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// There is no trailer where one should be.
    #[error("not a pack, or cut off")]
    NotAPack,
    /// The pack has another version of the format.
    #[error("pack of format version {0}; this regrow reads version {version}", version = VERSION)]
    Version(u32),
    /// The pack has a frame of a kind that this version does not know.
    #[error("pack has a frame of kind {0}: made by a newer regrow")]
    UnknownFrame(u8),
    /// A value is impossible.
    #[error("pack is damaged: {0}")]
    Damaged(&'static str),
}

/// The offsets of a pack's parts, in bytes from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    /// The offset of the skeleton frames.
    pub skeleton_at: u64,
    /// The offset of the segments.
    pub tail_at: u64,
    /// The offset of the table.
    pub table_at: u64,
    /// The pack's size in bytes.
    pub bytes: u64,
    tail_hash: [u8; 32],
}

impl Trailer {
    /// Decodes the last [`TRAILER_BYTES`] of a pack of `bytes` bytes.
    pub fn decode(trailer: &[u8], bytes: u64) -> Result<Self, PackError> {
        let trailer: &[u8; TRAILER_BYTES as usize] = trailer.try_into().map_err(|_| PackError::NotAPack)?;
        if trailer[88..] != TRAILER_MAGIC {
            return Err(PackError::NotAPack);
        }
        let u64_at = |at: usize| trailer[at..at + 8].iter().rev().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte));
        let version = (u64_at(64) & 0xffff_ffff) as u32;
        if version != VERSION {
            return Err(PackError::Version(version));
        }
        let mut tail_hash = [0; 32];
        tail_hash.copy_from_slice(&trailer[32..64]);
        let found =
            Self { skeleton_at: u64_at(0), tail_at: u64_at(8), table_at: u64_at(16), bytes: u64_at(24), tail_hash };
        found.check(bytes)
    }

    /// The size of the pack that a trailer states. It is not checked, and `None` if these bytes are not as long as
    /// a trailer.
    #[must_use]
    pub fn stated_bytes(trailer: &[u8]) -> Option<u64> {
        let trailer: &[u8; TRAILER_BYTES as usize] = trailer.try_into().ok()?;
        trailer[24..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
    }

    fn check(self, bytes: u64) -> Result<Self, PackError> {
        let end = self.bytes.checked_sub(TRAILER_BYTES).ok_or(PackError::Damaged("size"))?;
        let ordered = HEADER_BYTES <= self.skeleton_at
            && self.skeleton_at <= self.tail_at
            && self.tail_at <= self.table_at
            && self.table_at < end;
        if self.bytes != bytes || !ordered {
            return Err(PackError::Damaged("offsets in the trailer"));
        }
        if bytes - self.tail_at > MAX_TAIL_BYTES {
            return Err(PackError::Damaged("table of over 64 MiB"));
        }
        Ok(self)
    }
}

/// A frame as a pack's table lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameEntry {
    /// The range of the frame's bytes in the pack.
    pub stored: Range<u64>,
    /// The number of plain bytes, which is the sum of the chunks' lengths.
    pub plain_bytes: u64,
    /// The chunks of the frame, as positions in [`PackTail::records`].
    pub chunks: Range<usize>,
}

/// The decoded end of a pack.
#[derive(Debug, Clone)]
pub struct PackTail {
    /// The offsets of the parts.
    pub trailer: Trailer,
    /// The frames, in the pack's order.
    pub frames: Vec<FrameEntry>,
    /// The chunks of all frames, in order.
    pub records: Vec<Record>,
    /// The segments: id and stored form.
    segments: Vec<(SegmentId, Range<usize>)>,
    tail: Bytes,
}

impl PackTail {
    /// Decodes the end of a pack of `bytes` bytes. `end` begins at [`Trailer::tail_at`] or before it.
    pub fn decode(end: &Bytes, bytes: u64) -> Result<Self, PackError> {
        let split = end.len().checked_sub(TRAILER_BYTES as usize).ok_or(PackError::NotAPack)?;
        let trailer = Trailer::decode(&end[split..], bytes)?;
        let tail_len = (bytes - TRAILER_BYTES - trailer.tail_at) as usize;
        let start = split.checked_sub(tail_len).ok_or(PackError::Damaged("too little of its end was read"))?;
        let tail = end.slice(start..split);
        if blake3::hash(&tail).as_bytes() != &trailer.tail_hash {
            return Err(PackError::Damaged("checksum of the table"));
        }
        let mut table = &tail[(trailer.table_at - trailer.tail_at) as usize..];
        let (frames, records) = decode_frames(&mut table, &trailer)?;
        let segments = decode_segment_list(&mut table, (trailer.table_at - trailer.tail_at) as usize)?;
        if !table.is_empty() {
            return Err(PackError::Damaged("bytes behind the table"));
        }
        Ok(Self { trailer, frames, records, segments, tail })
    }

    /// The ids of the segments.
    pub fn segment_ids(&self) -> impl Iterator<Item = SegmentId> + '_ {
        self.segments.iter().map(|&(id, _)| id)
    }

    /// The id and the records of the segment at this position. The caller must check the records against the id.
    pub fn segment(&self, number: usize) -> Result<(SegmentId, Vec<Record>), PackError> {
        const BAD: PackError = PackError::Damaged("a recipe segment");
        let (id, range) = self.segments.get(number).ok_or(BAD)?;
        let mut stored = &self.tail[range.clone()];
        let mut records = Vec::new();
        while !stored.is_empty() {
            let run = varint::take(&mut stored).ok_or(BAD)?;
            let count = run >> 1;
            if count == 0 || records.len() as u64 + count > MAX_SEGMENT_RECORDS {
                return Err(BAD);
            }
            if run & 1 == 1 {
                let place = usize::try_from(varint::take(&mut stored).ok_or(BAD)?).map_err(|_| BAD)?;
                let end = place.checked_add(count as usize).ok_or(BAD)?;
                records.extend_from_slice(self.records.get(place..end).ok_or(BAD)?);
            } else {
                for _ in 0..count {
                    records.push(take_record(&mut stored)?);
                }
            }
        }
        Ok((*id, records))
    }

    /// The number of segments.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.segments.len()
    }
}

fn decode_frames(table: &mut &[u8], trailer: &Trailer) -> Result<(Vec<FrameEntry>, Vec<Record>), PackError> {
    // A frame takes at least 36 bytes: its kind, two numbers, and one chunk.
    let count = take_count(table, 36)?;
    let (mut frames, mut records) = (Vec::with_capacity(count), Vec::new());
    let (mut at, mut prefixes) = (HEADER_BYTES, Vec::new());
    for _ in 0..count {
        let (&kind, rest) = table.split_first().ok_or(PackError::Damaged("table ends early"))?;
        *table = rest;
        if kind != KIND_ZSTD {
            return Err(PackError::UnknownFrame(kind));
        }
        let stored_bytes = varint::take(table).ok_or(PackError::Damaged("a malformed number"))?;
        let end = at
            .checked_add(stored_bytes)
            .filter(|&end| end <= trailer.tail_at)
            .ok_or(PackError::Damaged("a frame's length"))?;
        let chunks = take_count(table, 33)?;
        let (first, mut plain_bytes) = (records.len(), 0);
        for _ in 0..chunks {
            let record = take_record(table)?;
            plain_bytes += u64::from(record.len);
            records.push(record);
        }
        if chunks == 0 || plain_bytes > MAX_FRAME_BYTES {
            return Err(PackError::Damaged("a frame's chunks"));
        }
        if stored_bytes > bounds::max_stored_frame_bytes(plain_bytes) {
            return Err(PackError::Damaged("a frame is longer than its chunks"));
        }
        if repeats(&records[first..], &mut prefixes) {
            return Err(PackError::Damaged("a chunk is twice in a frame"));
        }
        frames.push(FrameEntry { stored: at..end, plain_bytes, chunks: first..records.len() });
        at = end;
    }
    if at != trailer.tail_at
        || !frames.iter().map(|f| f.stored.end).chain([HEADER_BYTES]).any(|end| end == trailer.skeleton_at)
    {
        return Err(PackError::Damaged("frames do not fill their part"));
    }
    Ok((frames, records))
}

/// Whether a frame names a chunk more than once, which no writer has a reason to do. `prefixes` is room to sort in:
/// numbers sort faster than ids, and hardly ever do two ids begin alike.
fn repeats(records: &[Record], prefixes: &mut Vec<u64>) -> bool {
    prefixes.clear();
    prefixes.extend(records.iter().map(|record| record.id.prefix()));
    prefixes.sort_unstable();
    if prefixes.windows(2).all(|pair| pair[0] != pair[1]) {
        return false;
    }
    let mut ids: Vec<ChunkId> = records.iter().map(|record| record.id).collect();
    ids.sort_unstable();
    ids.windows(2).any(|pair| pair[0] == pair[1])
}

fn decode_segment_list(table: &mut &[u8], bytes: usize) -> Result<Vec<(SegmentId, Range<usize>)>, PackError> {
    let count = take_count(table, 33)?;
    let (mut segments, mut at) = (Vec::with_capacity(count), 0usize);
    for _ in 0..count {
        let id = SegmentId::from_bytes(take_hash(table)?);
        let length = varint::take(table).ok_or(PackError::Damaged("a malformed number"))?;
        let end = usize::try_from(length).ok().and_then(|length| at.checked_add(length)).filter(|&end| end <= bytes);
        let end = end.ok_or(PackError::Damaged("a segment's length"))?;
        segments.push((id, at..end));
        at = end;
    }
    if at != bytes {
        return Err(PackError::Damaged("segments do not fill their part"));
    }
    Ok(segments)
}

/// Takes the count of a list whose elements take at least `each` bytes of the rest.
fn take_count(table: &mut &[u8], each: usize) -> Result<usize, PackError> {
    let count = varint::take(table).ok_or(PackError::Damaged("a malformed number"))?;
    if count > (table.len() / each) as u64 {
        return Err(PackError::Damaged("a count is larger than its list can be"));
    }
    Ok(count as usize)
}

fn take_hash(input: &mut &[u8]) -> Result<[u8; 32], PackError> {
    let (bytes, rest) = input.split_first_chunk::<32>().ok_or(PackError::Damaged("table ends early"))?;
    *input = rest;
    Ok(*bytes)
}

fn take_record(input: &mut &[u8]) -> Result<Record, PackError> {
    let id = ChunkId::from_bytes(take_hash(input)?);
    match varint::take(input) {
        Some(len) if len > 0 && len <= u64::from(MAX_CHUNK_BYTES) => Ok(Record { id, len: len as u32 }),
        _ => Err(PackError::Damaged("a chunk's length")),
    }
}
