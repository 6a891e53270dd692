//! Files of version 2 whose hashes and ids follow from the rest, as far as the rest can be understood.

use regrow_chunker::{ImageId, Params, PartKind, PartPlace, SegmentId, UnitId, varint};
use regrow_index::{
    AnnouncedPatch, BasePart, Claims, CodedFormat, Coding, Head, HeadRead, Index, KeptEntries, MAGIC, MemberCoding,
    Part, Signature, SignatureKind, StreamHead, Unit, UnitStream, Units, VERSION_2,
};

use super::{sample, stream};
use crate::input::Input;

const STATEMENT: u8 = 1;
const BLOCKS: u8 = 3;
const UNITS: u8 = 1;
/// The size in bytes of a statement's label.
const LABEL_BYTES: usize = 28;

/// The first two bytes are the length of the head's sections, the next two that of the codings block. The rest is
/// the sections, the codings block and the recipe block.
pub(super) fn seal(input: &[u8]) -> Vec<u8> {
    let mut input = Input(input);
    let (sections, codings) = (input.number().into(), input.number().into());
    let mut sections = input.take(sections).to_vec();
    let (codings, recipe) = (input.take(codings), input.0);
    // Where anything cannot be understood, it stays as it is.
    let _ = fix_ids(&mut sections, recipe);
    let _ = fix_hashes(&mut sections, codings, recipe);
    let mut file = [MAGIC.as_slice(), &VERSION_2.to_le_bytes(), &(sections.len() as u32).to_le_bytes()].concat();
    file.extend(sections);
    file.extend_from_slice(blake3::hash(&file).as_bytes());
    file.extend_from_slice(codings);
    file.extend_from_slice(recipe);
    file
}

/// The start and end of the section with this tag.
fn section(bytes: &[u8], wanted: u8) -> Option<(usize, usize)> {
    let mut rest = bytes;
    loop {
        let (&tag, after) = rest.split_first()?;
        rest = after;
        let len = usize::try_from(varint::take(&mut rest)?).ok()?;
        let start = bytes.len() - rest.len();
        rest = rest.get(len..)?;
        if tag == wanted {
            return Some((start, start + len));
        }
    }
}

fn fix_hashes(sections: &mut [u8], codings: &[u8], recipe: &[u8]) -> Option<()> {
    let (mut at, end) = section(sections, BLOCKS)?;
    for block in [codings, recipe] {
        let mut rest = &sections[at..end];
        let bytes = varint::take(&mut rest)?;
        at = end - rest.len();
        if bytes > 0 {
            sections.get_mut(at..end)?.get_mut(..32)?.copy_from_slice(blake3::hash(block).as_bytes());
            at += 32;
        }
    }
    Some(())
}

/// A unit of a recipe: the segments' ids of both streams.
type UnitSegments = [Vec<SegmentId>; 2];

/// The wrapper's segments, and those of each part with its place.
fn units(recipe: &[u8]) -> Option<(UnitSegments, Vec<(UnitSegments, PartPlace)>)> {
    let (start, end) = section(recipe, UNITS)?;
    let mut input = &recipe[start..end];
    let wrapper = take_unit(&mut input)?;
    let mut parts = Vec::new();
    while !input.is_empty() {
        let unit = take_unit(&mut input)?;
        let mut number = || u32::try_from(varint::take(&mut input)?).ok();
        parts.push((unit, PartPlace { skeleton_records: number()?, contents_records: number()? }));
    }
    Some((wrapper, parts))
}

fn take_unit(input: &mut &[u8]) -> Option<UnitSegments> {
    let mut found = [Vec::new(), Vec::new()];
    for ids in &mut found {
        varint::take(input)?;
        for _ in 0..varint::take(input)? {
            let (id, rest) = input.get(1..)?.split_first_chunk::<32>()?;
            ids.push(SegmentId::from_bytes(*id));
            *input = rest;
            varint::take(input)?;
        }
    }
    Some(found)
}

/// Writes the ids that follow from the recipe into the statement.
fn fix_ids(sections: &mut [u8], recipe: &[u8]) -> Option<()> {
    let (start, end) = section(sections, STATEMENT)?;
    let statement = &mut sections[start..end];
    let (wrapper, parts) = units(recipe)?;
    let mut rest = statement.get(LABEL_BYTES..)?;
    let bytes = statement.len();
    let channel = usize::try_from(varint::take(&mut rest)?).ok()?;
    rest = rest.get(channel..)?;
    for _ in 0..4 {
        varint::take(&mut rest)?;
    }
    let image_at = bytes - rest.get(64..)?.len();
    rest = rest.get(96..)?;
    varint::take(&mut rest)?;
    let mut number = || varint::take(&mut rest);
    let walk = u32::try_from(number()?).ok()?;
    let params = Params::new(number()?, number()?, number()?).ok()?;
    let wrapper_at = bytes - rest.len();
    rest = rest.get(32..)?;
    for _ in 0..3 {
        varint::take(&mut rest)?;
    }
    let mut ids = Vec::new();
    for ([skeleton, contents], _) in &parts {
        let (&kind, after) = rest.split_first()?;
        rest = after;
        for _ in 0..3 {
            varint::take(&mut rest)?;
        }
        rest = rest.get(32..)?;
        let id = UnitId::of_part(PartKind::from_number(kind)?, &params, skeleton, contents);
        ids.push((bytes - rest.len(), id));
        rest = rest.get(32..)?;
    }
    let places: Vec<_> = parts.iter().map(|(_, place)| *place).collect();
    let wrapper_id = UnitId::of_wrapper(walk, &params, &wrapper[0], &wrapper[1], &places);
    let image_id = ImageId::of_units(wrapper_id, &ids.iter().map(|(_, id)| *id).collect::<Vec<_>>());
    let ids = ids.iter().map(|(at, id)| (*at, id.as_bytes()));
    for (at, id) in ids.chain([(wrapper_at, wrapper_id.as_bytes()), (image_at, image_id.as_bytes())]) {
        statement.get_mut(at..at + 32)?.copy_from_slice(id);
    }
    Some(())
}

/// Seeds: files of images without parts, with parts, and with coded files in the head and in a block.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (parts, corrections) in [(0, None), (2, Some(0)), (40, Some(700))] {
        let file = indexed(parts, corrections).encode();
        let HeadRead::Head(head) = Head::decode(&file).expect("a head") else { continue };
        let (codings, recipe) = (head.codings_block(), head.recipe_block());
        let lengths = [codings.start - 16 - 32, codings.end - codings.start].map(|bytes| (bytes as u16).to_le_bytes());
        let parts = [
            lengths.as_flattened(),
            &file[16..codings.start as usize - 32],
            &file[codings.start as usize..recipe.end as usize],
        ]
        .concat();
        assert!(seal(&parts) == file, "a file is not put together as it was");
        seeds.push([&[0], file.as_slice()].concat());
        seeds.push([&[2], parts.as_slice()].concat());
    }
    seeds
}

/// An index with this number of parts, of which every second is a file, and perhaps a coded file with this number of
/// bytes of corrections.
fn indexed(parts: u32, corrections: Option<usize>) -> Index {
    let like = sample(40);
    let (params, mut streams) = (like.params, [like.skeleton, like.contents]);
    let shares = [share(&streams[0]), share(&streams[1])];
    let wrapper_ids = [ids(&streams[0]), ids(&streams[1])];
    let mut found = Vec::new();
    for number in 0..parts {
        let kind = if number % 2 == 0 { PartKind::Tar } else { PartKind::File };
        let skeleton = if kind == PartKind::Tar { stream(&format!("s{number} "), 4) } else { StreamHead::default() };
        let contents = stream(&format!("c{number} "), 9);
        found.push(Part {
            kind,
            name: regrow_chunker::PartName::from_bytes([number as u8; 32]),
            plain_bytes: skeleton.bytes + contents.bytes,
            unit: Unit {
                id: UnitId::of_part(kind, &params, &ids(&skeleton), &ids(&contents)),
                skeleton: share(&skeleton),
                contents: share(&contents),
            },
            place: PartPlace { skeleton_records: if kind == PartKind::Tar { 3 } else { 0 }, contents_records: 7 },
        });
        for (stream, more) in streams.iter_mut().zip([skeleton, contents]) {
            stream.bytes += more.bytes;
            stream.chunks += more.chunks;
            stream.segments.extend(more.segments);
        }
    }
    let [skeleton, contents] = streams;
    let plain_bytes = skeleton.bytes + contents.bytes;
    let places: Vec<_> = found.iter().map(|part| part.place).collect();
    let wrapper = Unit {
        id: UnitId::of_wrapper(3, &params, &wrapper_ids[0], &wrapper_ids[1], &places),
        skeleton: shares[0],
        contents: shares[1],
    };
    let base_parts: Vec<_> = found.iter().map(|part| BasePart::new(&part.unit.id, &part.name)).collect();
    let foreign = BasePart { id: [3; 8], name: [2; 8] };
    let mut index = Index {
        walk_version: 3,
        image_bytes: plain_bytes,
        chunk_runs: vec![regrow_index::Run { count: skeleton.chunks + contents.chunks, pack: 1 }],
        segment_runs: vec![regrow_index::Run {
            count: (skeleton.segments.len() + contents.segments.len()) as u64,
            pack: 0,
        }],
        skeleton,
        contents,
        patches: [base_parts.clone(), Vec::new(), [base_parts, vec![foreign]].concat()]
            .map(|parts| AnnouncedPatch { base: ImageId::from_bytes([parts.len() as u8; 32]), bytes: Some(900), parts })
            .to_vec(),
        units: Some(Units {
            image_sha256: [6; 32],
            plain_bytes,
            claims: Claims { channel: "stable".into(), counter: 3, signed_at: 2, expires_at: 1 },
            wrapper,
            parts: found,
            files: Vec::new(),
            disk: None,
            signatures: vec![Signature { kind: SignatureKind::Pure, key_id: [5; 8], signature: [9; 64] }],
            kept: KeptEntries::default(),
        }),
        ..sample(40)
    };
    if let Some(bytes) = corrections {
        let coding = coding(bytes);
        index.image_bytes = index.image_bytes + coding.stored_bytes() - coding.plain_bytes();
        index.codings = vec![coding.into()];
    }
    index
}

fn coding(corrections: usize) -> Coding {
    let member = MemberCoding {
        header: b"\x1f\x8b\x08\0\0\0\0\0\0\xff".as_slice().into(),
        encoder: [5].as_slice().into(),
        plain_bytes: 200,
        stream_bytes: 180,
        corrections: vec![1; corrections],
    };
    Coding { format: CodedFormat::Gzip, members: vec![member.clone(), member], tail: [0; 3].as_slice().into() }
}

fn ids(stream: &StreamHead) -> Vec<SegmentId> {
    stream.segments.iter().map(|segment| segment.id).collect()
}

fn share(stream: &StreamHead) -> UnitStream {
    UnitStream { bytes: stream.bytes, chunks: stream.chunks, segments: stream.segments.len() as u32 }
}
