//! `Index::decode` and `Head::decode` on hostile files. Most inputs are bodies that get correct ids, hashes and
//! checksums, so that the code behind those checks is reached.

mod version_2;

use regrow_chunker::{ChunkId, ImageId, PackId, Params, Record, SegmentId, varint};
use regrow_index::{Head, HeadRead, Index, MAGIC, PackRef, Run, SegmentCutter, SegmentRef, StreamHead, VERSION_1};

const IMAGE: u8 = 2;
const STREAMS: u8 = 3;

/// The first byte says how to take the rest: 0 as a file, 2 as the parts of a file of version 2, any other value as a
/// body of version 1 to seal.
pub fn run(input: &[u8]) {
    let Some((&mode, rest)) = input.split_first() else { return };
    let file = match mode {
        0 => rest.to_vec(),
        2 => version_2::seal(rest),
        _ => seal(fix_image_id(rest.to_vec())),
    };
    if let Ok(HeadRead::Head(head)) = Head::decode(&file) {
        let end = head.codings_block().start as usize;
        assert_eq!(Head::decode(&file[..end]), Ok(HeadRead::Head(head.clone())), "a head is not complete in itself");
        let again = Head::decode(&head.encode());
        let Ok(HeadRead::Head(again)) = again else { panic!("a head that was read cannot be read again: {again:?}") };
        assert_eq!(again.statement.encode(), head.statement.encode());
    }
    let Ok(index) = Index::decode(&file) else { return };
    let again = index.encode();
    assert_eq!(Index::decode(&again).as_ref(), Ok(&index), "an index that was read cannot be read again");
    assert_eq!(index.chunks(), index.chunk_runs.iter().map(|run| run.count).sum::<u64>());
    assert_eq!(index.segments().count() as u64, index.segment_runs.iter().map(|run| run.count).sum::<u64>());
    for (order, chunks) in
        [(index.skeleton_order(), index.skeleton.chunks), (index.contents_order(), index.contents.chunks)]
    {
        assert_eq!(order.iter().map(|range| range.end - range.start).sum::<u64>(), chunks);
    }
    assert!(index.chunk_runs.iter().chain(&index.segment_runs).all(|run| (run.pack as usize) < index.packs.len()));
}

fn seal(body: Vec<u8>) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    file.extend_from_slice(&VERSION_1.to_le_bytes());
    file.extend_from_slice(&(body.len() as u32).to_le_bytes());
    file.extend(body);
    let checksum = blake3::hash(&file);
    file.extend_from_slice(checksum.as_bytes());
    file
}

/// Writes the image id that follows from parameters and streams into the image section, if all three can be found.
fn fix_image_id(mut body: Vec<u8>) -> Vec<u8> {
    let (mut parameters, mut image, mut streams) = (None, None, None);
    let mut rest = body.as_slice();
    while let Some((&tag, after)) = rest.split_first() {
        rest = after;
        let Some(len) = varint::take(&mut rest).and_then(|len| usize::try_from(len).ok()) else { return body };
        let start = body.len() - rest.len();
        let Some((payload, after)) = rest.split_at_checked(len) else { return body };
        match tag {
            1 => parameters = parameters_of(payload),
            IMAGE if len >= 32 => image = Some(start + len - 32),
            STREAMS => streams = segment_ids(payload),
            _ => {}
        }
        rest = after;
    }
    if let (Some((walk, params)), Some(at), Some([skeleton, contents])) = (parameters, image, streams) {
        body[at..at + 32].copy_from_slice(ImageId::of_recipe(walk, &params, &skeleton, &contents).as_bytes());
    }
    body
}

fn parameters_of(mut payload: &[u8]) -> Option<(u32, Params)> {
    let mut number = || varint::take(&mut payload);
    let walk = u32::try_from(number()?).ok()?;
    Some((walk, Params::new(number()?, number()?, number()?).ok()?))
}

fn segment_ids(mut payload: &[u8]) -> Option<[Vec<SegmentId>; 2]> {
    let mut found = [Vec::new(), Vec::new()];
    for ids in &mut found {
        payload = payload.get(1..)?;
        varint::take(&mut payload)?;
        varint::take(&mut payload)?;
        for _ in 0..varint::take(&mut payload)? {
            let (id, rest) = payload.get(1..)?.split_first_chunk::<32>()?;
            ids.push(SegmentId::from_bytes(*id));
            payload = rest;
            varint::take(&mut payload)?;
        }
    }
    Some(found)
}

/// Seeds: small and larger indexes, as files and as bodies.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for chunks in [0, 1, 40, 700] {
        let file = sample(chunks).encode();
        seeds.push([&[0], file.as_slice()].concat());
        seeds.push([&[1], &file[16..file.len() - 32]].concat());
    }
    seeds.extend(version_2::seeds());
    seeds
}

fn sample(chunks: u32) -> Index {
    let (skeleton, contents) = (stream("skeleton", chunks / 4), stream("contents", chunks));
    let run = |count: u64, pack| (count > 0).then_some(Run { count, pack });
    Index {
        walk_version: 1,
        params: Params::default(),
        image_bytes: skeleton.bytes + contents.bytes,
        image_digest: [7; 32],
        packs: (0..2)
            .map(|n| PackRef { id: PackId::from_bytes([n; 32]), bytes: 5000, skeleton_at: 3000, tail_at: 4000 })
            .collect(),
        chunk_runs: run(skeleton.chunks, 0).into_iter().chain(run(contents.chunks, 1)).collect(),
        segment_runs: run((skeleton.segments.len() + contents.segments.len()) as u64, 1).into_iter().collect(),
        skeleton,
        contents,
        codings: Vec::new(),
        fresh_packs: Vec::new(),
        patches: Vec::new(),
        units: None,
        store: "../store".into(),
    }
}

fn stream(name: &str, chunks: u32) -> StreamHead {
    let (mut cutter, mut head) = (SegmentCutter::default(), StreamHead::default());
    for n in 0..chunks {
        let record = Record { id: ChunkId::of(format!("{name}{n}").as_bytes()), len: n % 9000 + 1 };
        head.bytes += u64::from(record.len);
        head.chunks += 1;
        let segment = cutter.push(record);
        head.segments.extend(segment.map(|s| SegmentRef { id: s.id(), records: s.records().len() as u32 }));
    }
    head.segments.extend(cutter.finish().map(|s| SegmentRef { id: s.id(), records: s.records().len() as u32 }));
    head
}
