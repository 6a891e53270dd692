//! Decoding of an index. Nothing is believed before it is checked. Nothing is allocated because the input says so:
//! the count of a list is bounded by the bytes that are left for it.

use regrow_chunker::{ImageId, MAX_CHUNK_BYTES, PackId, Params, ReaderLimits, SegmentId, bounds, varint};

use crate::coding::decode_codings;
use crate::encode::{
    CHUNK_RUNS, CODINGS, FRESH_PACKS, IMAGE, PACKS, PARAMETERS, PATCH_BASES, SEGMENT_RUNS, STORE, STREAM_CONTENTS,
    STREAM_SKELETON, STREAMS,
};
use crate::model::runs_total;
use crate::segment::KIND_RECORDS;
use crate::{
    HEAD_BYTES, Index, IndexError, MAGIC, MAX_CHUNKS, MAX_INDEX_BYTES, MAX_PATCH_BASES, MAX_SEGMENT_RECORDS, PackRef,
    Run, SegmentRef, StreamHead, VERSION,
};

const CHECKSUM_BYTES: usize = 32;
/// The largest size of a pack's tail in bytes (FORMAT.md, section 1).
const MAX_TAIL_BYTES: u64 = 64 << 20;
/// The most packs that a hint may name. A reader would fetch no larger number on a guess.
const MAX_FRESH_PACKS: usize = 64;
/// The longest store location in bytes: no file system has longer paths, and URLs are shorter.
const MAX_STORE_BYTES: usize = 4096;
/// The size in bytes of a pack's header and trailer.
const SMALLEST_PACK_BYTES: u64 = 16 + 96;

impl Index {
    /// Decodes the bytes of an index file.
    ///
    /// # Errors
    /// Each variant of [`IndexError`] is one cause.
    pub fn decode(bytes: &[u8]) -> Result<Self, IndexError> {
        let body = open(bytes)?;
        let sections = Sections::read(body)?;
        let (walk_version, params) = decode_parameters(sections.get(PARAMETERS)?)?;
        let (image_bytes, image_digest, image_id) = decode_image(sections.get(IMAGE)?)?;
        let (skeleton, contents) = decode_streams(sections.get(STREAMS)?)?;
        let packs = decode_packs(sections.get(PACKS)?)?;
        let chunk_runs = decode_runs(sections.get(CHUNK_RUNS)?, packs.len())?;
        let segment_runs = decode_runs(sections.get(SEGMENT_RUNS)?, packs.len())?;
        let store = Some(sections.get(STORE)?).filter(|store| store.len() <= MAX_STORE_BYTES);
        let store = store.and_then(|store| std::str::from_utf8(store).ok());
        let store = store.ok_or(IndexError::Malformed("store location"))?;
        let codings = sections.get(CODINGS).map_or_else(|_| Ok(Vec::new()), decode_codings)?;
        let fresh_packs = decode_hint(sections.get(FRESH_PACKS).unwrap_or_default(), packs.len());
        let patch_bases = decode_bases(sections.get(PATCH_BASES).unwrap_or_default());
        let index = Self {
            walk_version,
            params,
            image_bytes,
            image_digest,
            skeleton,
            contents,
            packs,
            chunk_runs,
            segment_runs,
            store: store.to_owned(),
            codings,
            fresh_packs,
            patch_bases,
        };
        index.check_sums(image_id)?;
        Ok(index)
    }

    /// The size in bytes of the index file that begins with this head. The size is not checked; it is `None` if the
    /// head is not an index's.
    #[must_use]
    pub fn stated_bytes(head: &[u8; HEAD_BYTES]) -> Option<u64> {
        let mut length = head.strip_prefix(&MAGIC)?.get(4..)?;
        Some((HEAD_BYTES + CHECKSUM_BYTES) as u64 + u64::from(take_u32(&mut length)?))
    }

    fn check_sums(&self, image_id: ImageId) -> Result<(), IndexError> {
        let segments = self.skeleton.segments.len() + self.contents.segments.len();
        if runs_total(&self.chunk_runs) != Some(self.chunks())
            || runs_total(&self.segment_runs) != Some(segments as u64)
        {
            return Err(IndexError::Malformed("runs do not add up"));
        }
        let plain_bytes =
            self.checked_plain_bytes().ok_or(IndexError::Malformed("coded files larger than the image"))?;
        // Bytes of the image that are not contents stand in the skeleton.
        let literal = plain_bytes.checked_sub(self.contents.bytes);
        if literal.is_none_or(|literal| literal > self.skeleton.bytes) {
            return Err(IndexError::Malformed("the image's size and its streams' do not agree"));
        }
        self.check_bounds(plain_bytes)?;
        if self.image_id() != image_id {
            return Err(IndexError::Malformed("image id does not follow from the recipe"));
        }
        Ok(())
    }

    /// Refuses counts that no image of this many plain bytes can have. FORMAT.md, section 11.
    fn check_bounds(&self, plain_bytes: u64) -> Result<(), IndexError> {
        if self.codings.len() as u64 > bounds::max_coded_files(plain_bytes) {
            return Err(IndexError::Malformed("more coded files than the image has room for"));
        }
        if self.skeleton.bytes > bounds::max_skeleton_bytes(plain_bytes, self.contents.bytes) {
            return Err(IndexError::Malformed("streams longer than the image"));
        }
        for stream in [&self.skeleton, &self.contents] {
            if stream.chunks > bounds::max_chunks(&self.params, stream.bytes, plain_bytes) {
                return Err(IndexError::Malformed("more chunks than an image of its size has"));
            }
        }
        Ok(())
    }

    /// Refuses an index that is well-formed, but that its reader does not want.
    ///
    /// # Errors
    /// [`IndexError::SmallChunks`] and [`IndexError::LargeImage`].
    pub fn check_limits(&self, limits: &ReaderLimits) -> Result<(), IndexError> {
        let bytes = self.image_bytes.max(self.plain_bytes());
        if bytes > limits.max_image_bytes {
            return Err(IndexError::LargeImage { bytes, limit: limits.max_image_bytes });
        }
        if limits.allows(&self.params) {
            return Ok(());
        }
        let (min, avg) = (self.params.min_bytes(), self.params.avg_bytes());
        Err(IndexError::SmallChunks { min, avg, limit: limits.min_avg_bytes })
    }
}

/// Returns the body, after checking magic, version, length and checksum.
fn open(bytes: &[u8]) -> Result<&[u8], IndexError> {
    if !bytes.starts_with(&MAGIC) {
        return Err(IndexError::NotAnIndex);
    }
    let mut head = &bytes[MAGIC.len()..];
    let version = take_u32(&mut head).ok_or(IndexError::Damaged("cut off"))?;
    if version != VERSION {
        return Err(IndexError::Version(version));
    }
    let length = take_u32(&mut head).ok_or(IndexError::Damaged("cut off"))? as usize;
    if bytes.len() as u64 > MAX_INDEX_BYTES
        || bytes.len() != HEAD_BYTES.saturating_add(length).saturating_add(CHECKSUM_BYTES)
    {
        return Err(IndexError::Damaged("length"));
    }
    let (sealed, checksum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
    if blake3::hash(sealed).as_bytes() != checksum {
        return Err(IndexError::Damaged("checksum"));
    }
    Ok(&sealed[HEAD_BYTES..])
}

/// The payloads of the known tags, in order.
struct Sections<'a>(Vec<(u8, &'a [u8])>);

impl<'a> Sections<'a> {
    fn read(mut body: &'a [u8]) -> Result<Self, IndexError> {
        let mut found: Vec<(u8, &[u8])> = Vec::new();
        while let Some((&tag, rest)) = body.split_first() {
            body = rest;
            let length = take_count(&mut body, 1)?;
            let (payload, rest) = body.split_at(length);
            body = rest;
            if found.last().is_some_and(|&(last, _)| last >= tag) {
                return Err(IndexError::Malformed("sections out of order"));
            }
            if tag < 128 && !(PARAMETERS..=CODINGS).contains(&tag) {
                return Err(IndexError::UnknownKind { what: "a section", kind: u64::from(tag) });
            }
            found.push((tag, payload));
        }
        Ok(Self(found))
    }

    fn get(&self, tag: u8) -> Result<&'a [u8], IndexError> {
        let found = self.0.iter().find(|&&(found, _)| found == tag);
        found.map(|&(_, payload)| payload).ok_or(IndexError::Malformed("a section is missing"))
    }
}

/// Decodes a list of pack numbers. It is only a hint, so one that makes no sense counts as empty.
fn decode_hint(mut input: &[u8], packs: usize) -> Vec<u32> {
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

/// Decodes the image ids of bases. A list that is cut off or too long counts as empty.
fn decode_bases(input: &[u8]) -> Vec<ImageId> {
    let (ids, rest) = input.as_chunks::<32>();
    if rest.is_empty() && ids.len() <= MAX_PATCH_BASES {
        ids.iter().map(|id| ImageId::from_bytes(*id)).collect()
    } else {
        Vec::new()
    }
}

fn decode_parameters(mut input: &[u8]) -> Result<(u32, Params), IndexError> {
    let walk_version = u32::try_from(take(&mut input)?).map_err(|_| IndexError::Malformed("walking rules version"))?;
    let (min, avg, max) = (take(&mut input)?, take(&mut input)?, take(&mut input)?);
    let params = Params::new(min, avg, max).map_err(|_| IndexError::Malformed("chunk sizes"))?;
    end(input)?;
    Ok((walk_version, params))
}

fn decode_image(mut input: &[u8]) -> Result<(u64, [u8; 32], ImageId), IndexError> {
    let bytes = take(&mut input)?;
    let (digest, id) = (take_hash(&mut input)?, ImageId::from_bytes(take_hash(&mut input)?));
    end(input)?;
    Ok((bytes, digest, id))
}

fn decode_streams(mut input: &[u8]) -> Result<(StreamHead, StreamHead), IndexError> {
    let skeleton = decode_stream(&mut input, STREAM_SKELETON)?;
    let contents = decode_stream(&mut input, STREAM_CONTENTS)?;
    end(input)?;
    Ok((skeleton, contents))
}

fn decode_stream(input: &mut &[u8], expected: u8) -> Result<StreamHead, IndexError> {
    let kind = take_u8(input)?;
    if kind != expected {
        return Err(IndexError::UnknownKind { what: "a stream", kind: u64::from(kind) });
    }
    let (bytes, chunks) = (take(input)?, take(input)?);
    let count = take_count(input, 34)?;
    let mut segments = Vec::with_capacity(count);
    for _ in 0..count {
        let kind = take_u8(input)?;
        if kind != KIND_RECORDS {
            return Err(IndexError::UnknownKind { what: "a recipe segment", kind: u64::from(kind) });
        }
        let (id, records) = (SegmentId::from_bytes(take_hash(input)?), take(input)?);
        if records == 0 || records > MAX_SEGMENT_RECORDS as u64 {
            return Err(IndexError::Malformed("records of a segment"));
        }
        segments.push(SegmentRef { id, records: records as u32 });
    }
    if segments.iter().map(|segment| u64::from(segment.records)).sum::<u64>() != chunks {
        return Err(IndexError::Malformed("segments do not add up"));
    }
    if chunks > MAX_CHUNKS {
        return Err(IndexError::Malformed("more than 2^25 chunks in a stream"));
    }
    if bytes < chunks || bytes > chunks.saturating_mul(u64::from(MAX_CHUNK_BYTES)) {
        return Err(IndexError::Malformed("length of a stream"));
    }
    Ok(StreamHead { bytes, chunks, segments })
}

fn decode_packs(mut input: &[u8]) -> Result<Vec<PackRef>, IndexError> {
    let count = take_count(&mut input, 35)?;
    let mut packs = Vec::with_capacity(count);
    for _ in 0..count {
        let pack = PackRef {
            id: PackId::from_bytes(take_hash(&mut input)?),
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

fn decode_runs(mut input: &[u8], packs: usize) -> Result<Vec<Run>, IndexError> {
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

fn take_u8(input: &mut &[u8]) -> Result<u8, IndexError> {
    let (&byte, rest) = input.split_first().ok_or(IndexError::Malformed("a section ends early"))?;
    *input = rest;
    Ok(byte)
}

fn take_u32(input: &mut &[u8]) -> Option<u32> {
    let (bytes, rest) = input.split_first_chunk::<4>()?;
    *input = rest;
    Some(u32::from_le_bytes(*bytes))
}

fn take_hash(input: &mut &[u8]) -> Result<[u8; 32], IndexError> {
    let (bytes, rest) = input.split_first_chunk::<32>().ok_or(IndexError::Malformed("a section ends early"))?;
    *input = rest;
    Ok(*bytes)
}

pub(crate) fn end(input: &[u8]) -> Result<(), IndexError> {
    if input.is_empty() { Ok(()) } else { Err(IndexError::Malformed("a section is too long")) }
}

#[cfg(test)]
mod tests;
