//! The recipe block: how an image is put together, and where its chunks lie. docs/format/index-2.md, section 7.

use regrow_chunker::{PartKind, PartPlace, SegmentId, UnitId, varint};

use super::{Head, Statement};
use crate::primitives::{
    Sections, check_stream, decode_fresh_packs, decode_packs, decode_runs, end, put_fresh_packs, put_packs, put_runs,
    put_section, put_segment, take, take_segments,
};
use crate::{
    CodedStretch, Index, IndexError, Part, SegmentRef, StatedPart, StatedUnit, StreamHead, Unit, UnitStream, Units,
};

const UNITS: u8 = 1;
const PACKS: u8 = 2;
const CHUNK_RUNS: u8 = 3;
const SEGMENT_RUNS: u8 = 4;
const FRESH_PACKS: u8 = 128;

/// Encodes the block.
pub(super) fn encode(index: &Index, units: &Units) -> Vec<u8> {
    let mut out = Vec::new();
    put_section(&mut out, UNITS, |out| put_units(out, index, units));
    put_section(&mut out, PACKS, |out| put_packs(out, &index.packs));
    put_section(&mut out, CHUNK_RUNS, |out| put_runs(out, &index.chunk_runs));
    put_section(&mut out, SEGMENT_RUNS, |out| put_runs(out, &index.segment_runs));
    if !index.fresh_packs.is_empty() {
        put_section(&mut out, FRESH_PACKS, |out| put_fresh_packs(out, &index.fresh_packs));
    }
    out
}

/// Decodes the block, and puts the index together.
pub(super) fn decode(head: &Head, codings: Vec<CodedStretch>, block: &[u8]) -> Result<Index, IndexError> {
    let sections = Sections::read(block, SEGMENT_RUNS)?;
    let statement = &head.statement;
    let (units, [skeleton, contents]) = decode_units(sections.get(UNITS)?, head)?;
    let packs = decode_packs(sections.get(PACKS)?)?;
    let index = Index {
        walk_version: statement.walk_version,
        params: statement.params,
        image_bytes: statement.image_bytes,
        image_digest: statement.image_digest,
        skeleton,
        contents,
        chunk_runs: decode_runs(sections.get(CHUNK_RUNS)?, packs.len())?,
        segment_runs: decode_runs(sections.get(SEGMENT_RUNS)?, packs.len())?,
        store: head.store.clone(),
        codings,
        fresh_packs: decode_fresh_packs(sections.find(FRESH_PACKS).unwrap_or_default(), packs.len()),
        packs,
        patches: head.patches.clone(),
        units: Some(units),
    };
    index.check(statement.plain_bytes)?;
    Ok(index)
}

fn put_units(out: &mut Vec<u8>, index: &Index, units: &Units) {
    let parts = std::iter::once(None).chain(units.parts.iter().map(|part| Some(part.place)));
    for (number, (unit, place)) in units.iter().zip(parts).enumerate() {
        for (share, segments) in [unit.skeleton, unit.contents].iter().zip(index.unit_segments(number)) {
            varint::put(out, share.chunks);
            varint::put(out, segments.len() as u64);
            segments.iter().for_each(|segment| put_segment(out, segment));
        }
        if let Some(place) = place {
            varint::put(out, u64::from(place.skeleton_records));
            varint::put(out, u64::from(place.contents_records));
        }
    }
}

/// Decodes the units that the statement names, and gives their segments as the two streams.
fn decode_units(mut input: &[u8], head: &Head) -> Result<(Units, [StreamHead; 2]), IndexError> {
    let statement = &head.statement;
    let mut streams = [StreamHead::default(), StreamHead::default()];
    let (wrapper, wrapper_ids) = take_unit(&mut input, &statement.wrapper, &mut streams)?;
    let mut parts = Vec::with_capacity(statement.parts.len());
    for stated in &statement.parts {
        parts.push(take_part(&mut input, stated, statement, &mut streams)?);
    }
    end(input)?;
    check_places(&parts, &wrapper)?;
    streams.iter().try_for_each(|stream| check_stream(stream.bytes, stream.chunks))?;
    let places: Vec<PartPlace> = parts.iter().map(|part| part.place).collect();
    let [skeleton, contents] = &wrapper_ids;
    let id = UnitId::of_wrapper(statement.walk_version, &statement.params, skeleton, contents, &places);
    check_id(id, &statement.wrapper)?;
    let units = Units {
        image_sha256: statement.image_sha256,
        plain_bytes: statement.plain_bytes,
        claims: statement.claims.clone(),
        wrapper,
        parts,
        files: head.files().to_vec(),
        disk: head.disk().cloned(),
        signatures: head.signatures.clone(),
        kept: head.kept().clone(),
    };
    Ok((units, streams))
}

fn take_part(
    input: &mut &[u8],
    stated: &StatedPart,
    statement: &Statement,
    streams: &mut [StreamHead; 2],
) -> Result<Part, IndexError> {
    let (unit, [skeleton, contents]) = take_unit(input, &stated.unit, streams)?;
    let id = UnitId::of_part(stated.kind, &statement.params, &skeleton, &contents);
    check_id(id, &stated.unit)?;
    let mut place = || u32::try_from(take(input)?).map_err(|_| IndexError::Malformed("place of a part"));
    let place = PartPlace { skeleton_records: place()?, contents_records: place()? };
    Ok(Part { kind: stated.kind, name: stated.name, plain_bytes: stated.plain_bytes, unit, place })
}

/// Takes a unit off the input, adds its segments to the streams, and returns the segments' ids too.
fn take_unit(
    input: &mut &[u8],
    stated: &StatedUnit,
    streams: &mut [StreamHead; 2],
) -> Result<(Unit, [Vec<SegmentId>; 2]), IndexError> {
    let [skeleton, contents] = streams;
    let (skeleton, skeleton_ids) = take_share(input, stated.skeleton_bytes, skeleton)?;
    let (contents, contents_ids) = take_share(input, stated.contents_bytes, contents)?;
    Ok((Unit { id: stated.id, skeleton, contents }, [skeleton_ids, contents_ids]))
}

fn take_share(
    input: &mut &[u8],
    bytes: u64,
    stream: &mut StreamHead,
) -> Result<(UnitStream, Vec<SegmentId>), IndexError> {
    let chunks = take(input)?;
    let segments = take_segments(input, chunks)?;
    check_stream(bytes, chunks)?;
    let share = UnitStream { bytes, chunks, segments: segments.len() as u32 };
    let ids = segments.iter().map(|segment: &SegmentRef| segment.id).collect();
    // The statement's bytes add up, and an index of 64 MiB has fewer than 2^21 segments of at most 256 records.
    stream.bytes += bytes;
    stream.chunks += chunks;
    stream.segments.extend(segments);
    Ok((share, ids))
}

fn check_id(id: UnitId, stated: &StatedUnit) -> Result<(), IndexError> {
    if id == stated.id { Ok(()) } else { Err(IndexError::Malformed("a unit's id does not follow from its recipe")) }
}

/// Checks that each part lies behind the one before, and within the wrapper.
fn check_places(parts: &[Part], wrapper: &Unit) -> Result<(), IndexError> {
    let mut last = PartPlace::default();
    for part in parts {
        let place = part.place;
        let skeleton_fits = match part.kind {
            PartKind::Tar => place.skeleton_records >= last.skeleton_records,
            PartKind::File => place.skeleton_records == 0,
        };
        if !skeleton_fits || place.contents_records < last.contents_records {
            return Err(IndexError::Malformed("places of parts out of order"));
        }
        last = PartPlace { skeleton_records: place.skeleton_records.max(last.skeleton_records), ..place };
    }
    let ends = (u64::from(last.skeleton_records), u64::from(last.contents_records));
    if ends.0 > wrapper.skeleton.chunks || ends.1 > wrapper.contents.chunks {
        return Err(IndexError::Malformed("a part lies behind the wrapper's end"));
    }
    Ok(())
}
