//! Decoding of an index of version 1. Nothing is believed before it is checked.

use regrow_chunker::ImageId;

use super::codings::decode_codings;
use super::{
    CHUNK_RUNS, CODINGS, FRESH_PACKS, IMAGE, PACKS, PARAMETERS, PATCH_BASES, SEGMENT_RUNS, STORE, STREAM_CONTENTS,
    STREAM_SKELETON, STREAMS, file_bytes,
};
use crate::coding::plain_image_bytes;
use crate::primitives::{
    CHECKSUM_BYTES, Sections, check_stream, decode_fresh_packs, decode_packs, decode_runs, decode_store, end, take,
    take_array, take_params, take_segments, take_u8,
};
use crate::{AnnouncedPatch, HEAD_BYTES, Index, IndexError, MAX_INDEX_BYTES, MAX_PATCHES, StreamHead};

/// Decodes the bytes of an index file that states this length of its body.
pub(crate) fn decode(bytes: &[u8], length: u32) -> Result<Index, IndexError> {
    let sections = Sections::read(open(bytes, length)?, CODINGS)?;
    let mut parameters = sections.get(PARAMETERS)?;
    let (walk_version, params) = take_params(&mut parameters)?;
    end(parameters)?;
    let (image_bytes, image_digest, image_id) = decode_image(sections.get(IMAGE)?)?;
    let (skeleton, contents) = decode_streams(sections.get(STREAMS)?)?;
    let packs = decode_packs(sections.get(PACKS)?)?;
    let index = Index {
        walk_version,
        params,
        image_bytes,
        image_digest,
        skeleton,
        contents,
        chunk_runs: decode_runs(sections.get(CHUNK_RUNS)?, packs.len())?,
        segment_runs: decode_runs(sections.get(SEGMENT_RUNS)?, packs.len())?,
        store: decode_store(sections.get(STORE)?)?,
        codings: sections.find(CODINGS).map_or_else(|| Ok(Vec::new()), decode_codings)?,
        fresh_packs: decode_fresh_packs(sections.find(FRESH_PACKS).unwrap_or_default(), packs.len()),
        packs,
        patches: decode_bases(sections.find(PATCH_BASES).unwrap_or_default()),
        units: None,
    };
    index.check(plain_image_bytes(index.image_bytes, &index.codings)?)?;
    if index.image_id() != image_id {
        return Err(IndexError::Malformed("image id does not follow from the recipe"));
    }
    Ok(index)
}

/// Returns the body, after checking length and checksum.
fn open(bytes: &[u8], length: u32) -> Result<&[u8], IndexError> {
    if bytes.len() as u64 > MAX_INDEX_BYTES || bytes.len() as u64 != file_bytes(length) {
        return Err(IndexError::Damaged("length"));
    }
    let (sealed, checksum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
    if blake3::hash(sealed).as_bytes() != checksum {
        return Err(IndexError::Damaged("checksum"));
    }
    Ok(&sealed[HEAD_BYTES..])
}

/// Decodes the image ids of bases. A list that is cut off or too long counts as empty.
fn decode_bases(input: &[u8]) -> Vec<AnnouncedPatch> {
    let (ids, rest) = input.as_chunks::<32>();
    if rest.is_empty() && ids.len() <= MAX_PATCHES {
        ids.iter().map(|id| AnnouncedPatch { base: ImageId::from_bytes(*id), bytes: None, parts: Vec::new() }).collect()
    } else {
        Vec::new()
    }
}

fn decode_image(mut input: &[u8]) -> Result<(u64, [u8; 32], ImageId), IndexError> {
    let bytes = take(&mut input)?;
    let (digest, id) = (take_array(&mut input)?, ImageId::from_bytes(take_array(&mut input)?));
    end(input)?;
    Ok((bytes, digest, id))
}

fn decode_streams(mut input: &[u8]) -> Result<(StreamHead, StreamHead), IndexError> {
    let skeleton = take_stream(&mut input, STREAM_SKELETON)?;
    let contents = take_stream(&mut input, STREAM_CONTENTS)?;
    end(input)?;
    Ok((skeleton, contents))
}

fn take_stream(input: &mut &[u8], expected: u8) -> Result<StreamHead, IndexError> {
    let kind = take_u8(input)?;
    if kind != expected {
        return Err(IndexError::UnknownKind { what: "a stream", kind: u64::from(kind) });
    }
    let (bytes, chunks) = (take(input)?, take(input)?);
    let segments = take_segments(input, chunks)?;
    check_stream(bytes, chunks)?;
    Ok(StreamHead { bytes, chunks, segments })
}
