//! What the versions of the format have in common: numbers, lists and sections, and the lists of packs and runs.
//!
//! Nothing is allocated because the input says so: the count of a list is bounded by the bytes that are left for it.

use regrow_chunker::{MAX_CHUNK_BYTES, PackId, Params, SegmentId, varint};

use crate::segment::KIND_RECORDS;
use crate::{IndexError, MAGIC, MAX_CHUNKS, MAX_SEGMENT_RECORDS, PackRef, Run, SegmentRef, VERSION_1, VERSION_2};

/// The size in bytes of the checksum behind a body or a head.
pub(crate) const CHECKSUM_BYTES: usize = 32;
/// The first tag of those that a reader skips if it does not know them.
const SKIPPED_TAGS: u8 = 128;
/// The largest size of a pack's tail in bytes (FORMAT.md, section 1).
const MAX_TAIL_BYTES: u64 = 64 << 20;
/// The most packs that a hint may name. A reader would fetch no larger number on a guess.
const MAX_FRESH_PACKS: usize = 64;
/// The longest store location in bytes: no file system has longer paths, and URLs are shorter.
const MAX_STORE_BYTES: usize = 4096;
/// The size in bytes of a pack's header and trailer.
const SMALLEST_PACK_BYTES: u64 = 16 + 96;

/// Returns the version that a file states, and the number in bytes 12 to 15: the length of what comes next.
pub(crate) fn start(bytes: &[u8]) -> Result<(u32, u32), IndexError> {
    let mut rest = bytes.strip_prefix(&MAGIC).ok_or(IndexError::NotAnIndex)?;
    let version = take_u32(&mut rest).ok_or(IndexError::Damaged("cut off"))?;
    if version != VERSION_1 && version != VERSION_2 {
        return Err(IndexError::Version(version));
    }
    Ok((version, take_u32(&mut rest).ok_or(IndexError::Damaged("cut off"))?))
}

/// The payloads of the sections of a body, in order.
pub(crate) struct Sections<'a>(Vec<(u8, &'a [u8])>);

impl<'a> Sections<'a> {
    /// Reads a body whose sections have the tags from 1 up to `last`, and those that are skipped.
    pub(crate) fn read(mut body: &'a [u8], last: u8) -> Result<Self, IndexError> {
        let mut found: Vec<(u8, &[u8])> = Vec::new();
        while let Some((&tag, rest)) = body.split_first() {
            body = rest;
            let length = take_count(&mut body, 1)?;
            let (payload, rest) = body.split_at(length);
            body = rest;
            if found.last().is_some_and(|&(last, _)| last >= tag) {
                return Err(IndexError::Malformed("sections out of order"));
            }
            if tag < SKIPPED_TAGS && !(1..=last).contains(&tag) {
                return Err(IndexError::UnknownKind { what: "a section", kind: u64::from(tag) });
            }
            found.push((tag, payload));
        }
        Ok(Self(found))
    }

    pub(crate) fn get(&self, tag: u8) -> Result<&'a [u8], IndexError> {
        self.find(tag).ok_or(IndexError::Malformed("a section is missing"))
    }

    pub(crate) fn find(&self, tag: u8) -> Option<&'a [u8]> {
        self.0.iter().find(|&&(found, _)| found == tag).map(|&(_, payload)| payload)
    }
}

pub(crate) fn put_section(out: &mut Vec<u8>, tag: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut payload = Vec::new();
    fill(&mut payload);
    out.push(tag);
    put_bytes(out, &payload);
}

/// Appends the number of these bytes, and the bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    varint::put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn put_params(out: &mut Vec<u8>, walk_version: u32, params: &Params) {
    for number in [walk_version, params.min_bytes(), params.avg_bytes(), params.max_bytes()] {
        varint::put(out, u64::from(number));
    }
}

/// Takes the walking rules' version and the chunking parameters.
pub(crate) fn take_params(input: &mut &[u8]) -> Result<(u32, Params), IndexError> {
    let walk_version = u32::try_from(take(input)?).map_err(|_| IndexError::Malformed("walking rules version"))?;
    let (min, avg, max) = (take(input)?, take(input)?, take(input)?);
    let params = Params::new(min, avg, max).map_err(|_| IndexError::Malformed("chunk sizes"))?;
    Ok((walk_version, params))
}

pub(crate) fn put_segment(out: &mut Vec<u8>, segment: &SegmentRef) {
    out.push(KIND_RECORDS);
    out.extend_from_slice(segment.id.as_bytes());
    varint::put(out, u64::from(segment.records));
}

/// Takes a list of segments that have this many records together.
pub(crate) fn take_segments(input: &mut &[u8], chunks: u64) -> Result<Vec<SegmentRef>, IndexError> {
    let count = take_count(input, 34)?;
    let mut segments = Vec::with_capacity(count);
    for _ in 0..count {
        let kind = take_u8(input)?;
        if kind != KIND_RECORDS {
            return Err(IndexError::UnknownKind { what: "a recipe segment", kind: u64::from(kind) });
        }
        let (id, records) = (SegmentId::from_bytes(take_array(input)?), take(input)?);
        if records == 0 || records > MAX_SEGMENT_RECORDS as u64 {
            return Err(IndexError::Malformed("records of a segment"));
        }
        segments.push(SegmentRef { id, records: records as u32 });
    }
    if segments.iter().map(|segment| u64::from(segment.records)).sum::<u64>() != chunks {
        return Err(IndexError::Malformed("segments do not add up"));
    }
    Ok(segments)
}

/// Checks that a stream, or a unit's share of it, can have this many bytes and chunks.
pub(crate) fn check_stream(bytes: u64, chunks: u64) -> Result<(), IndexError> {
    if chunks > MAX_CHUNKS {
        return Err(IndexError::Malformed("more than 2^25 chunks in a stream"));
    }
    if bytes < chunks || bytes > chunks.saturating_mul(u64::from(MAX_CHUNK_BYTES)) {
        return Err(IndexError::Malformed("length of a stream"));
    }
    Ok(())
}

pub(crate) fn put_packs(out: &mut Vec<u8>, packs: &[PackRef]) {
    varint::put(out, packs.len() as u64);
    for pack in packs {
        out.extend_from_slice(pack.id.as_bytes());
        for number in [pack.bytes, pack.skeleton_at, pack.tail_at] {
            varint::put(out, number);
        }
    }
}

pub(crate) fn decode_packs(mut input: &[u8]) -> Result<Vec<PackRef>, IndexError> {
    let count = take_count(&mut input, 35)?;
    let mut packs = Vec::with_capacity(count);
    for _ in 0..count {
        let pack = PackRef {
            id: PackId::from_bytes(take_array(&mut input)?),
            bytes: take(&mut input)?,
            skeleton_at: take(&mut input)?,
            tail_at: take(&mut input)?,
        };
        let ordered = 16 <= pack.skeleton_at && pack.skeleton_at <= pack.tail_at && pack.tail_at < pack.bytes;
        if !ordered || pack.bytes < SMALLEST_PACK_BYTES || pack.bytes - pack.tail_at > MAX_TAIL_BYTES {
            return Err(IndexError::Malformed("offsets of a pack"));
        }
        packs.push(pack);
    }
    end(input)?;
    Ok(packs)
}

pub(crate) fn put_runs(out: &mut Vec<u8>, runs: &[Run]) {
    varint::put(out, runs.len() as u64);
    for run in runs {
        varint::put(out, run.count);
        varint::put(out, u64::from(run.pack));
    }
}

pub(crate) fn decode_runs(mut input: &[u8], packs: usize) -> Result<Vec<Run>, IndexError> {
    let count = take_count(&mut input, 2)?;
    let mut runs = Vec::with_capacity(count);
    for _ in 0..count {
        let (count, pack) = (take(&mut input)?, take(&mut input)?);
        if count == 0 || pack >= packs as u64 {
            return Err(IndexError::Malformed("a run"));
        }
        runs.push(Run { count, pack: pack as u32 });
    }
    end(input)?;
    Ok(runs)
}

pub(crate) fn decode_store(store: &[u8]) -> Result<String, IndexError> {
    let store = Some(store).filter(|store| store.len() <= MAX_STORE_BYTES);
    let store = store.and_then(|store| std::str::from_utf8(store).ok());
    store.map(str::to_owned).ok_or(IndexError::Malformed("store location"))
}

pub(crate) fn put_fresh_packs(out: &mut Vec<u8>, packs: &[u32]) {
    packs.iter().for_each(|&pack| varint::put(out, u64::from(pack)));
}

/// Decodes a list of pack numbers. It is only a hint, so one that makes no sense counts as empty.
pub(crate) fn decode_fresh_packs(mut input: &[u8], packs: usize) -> Vec<u32> {
    let mut found = Vec::new();
    while let Some(pack) = varint::take(&mut input) {
        match u32::try_from(pack) {
            Ok(pack) if (pack as usize) < packs && !found.contains(&pack) && found.len() < MAX_FRESH_PACKS => {
                found.push(pack);
            }
            _ => return Vec::new(),
        }
    }
    found
}

pub(crate) fn take(input: &mut &[u8]) -> Result<u64, IndexError> {
    varint::take(input).ok_or(IndexError::Malformed("a malformed number"))
}

/// Takes the count of a list whose elements take at least `each` bytes of the rest.
pub(crate) fn take_count(input: &mut &[u8], each: usize) -> Result<usize, IndexError> {
    let count = take(input)?;
    if count > (input.len() / each) as u64 {
        return Err(IndexError::Malformed("a count is larger than its list can be"));
    }
    Ok(count as usize)
}

/// Takes bytes and the number of them before.
pub(crate) fn take_bytes<'a>(input: &mut &'a [u8], most: usize, what: &'static str) -> Result<&'a [u8], IndexError> {
    let count = take_count(input, 1)?;
    if count > most {
        return Err(IndexError::Malformed(what));
    }
    let (bytes, rest) = input.split_at(count);
    *input = rest;
    Ok(bytes)
}

pub(crate) fn take_u8(input: &mut &[u8]) -> Result<u8, IndexError> {
    take_array::<1>(input).map(|[byte]| byte)
}

pub(crate) fn take_u32(input: &mut &[u8]) -> Option<u32> {
    let (bytes, rest) = input.split_first_chunk::<4>()?;
    *input = rest;
    Some(u32::from_le_bytes(*bytes))
}

pub(crate) fn take_array<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], IndexError> {
    let (bytes, rest) = input.split_first_chunk::<N>().ok_or(IndexError::Malformed("a section ends early"))?;
    *input = rest;
    Ok(*bytes)
}

pub(crate) fn end(input: &[u8]) -> Result<(), IndexError> {
    if input.is_empty() { Ok(()) } else { Err(IndexError::Malformed("a section is too long")) }
}
