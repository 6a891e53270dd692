//! Skeletons and recipes that are wrong from the ground up. Chunks, segments, pack and index are made from them as
//! a maker would, so that nothing gives them away before the image is put together.

use regrow_chunker::{ChunkId, Record};
use regrow_image::{Op, OpDecoder, OpError, OpOrLiteral, Splitter, StreamKind};
use regrow_index::{Index, PackRef, Run, SegmentCutter, SegmentRef, StreamHead};
use regrow_store::{Compressor, PackWriter, Part, PlainFrame, pack_name};

use super::chance::Chance;
use super::index::Site;
use super::judge::Judge;

/// Stores chunks in frames, and their recipe in segments. A chunk is stored once, or as often as it occurs.
fn store(writer: &mut PackWriter<Vec<u8>>, part: Part, chunks: &[Vec<u8>], once: bool) -> StreamHead {
    let (mut cutter, mut head, mut segments) = (SegmentCutter::default(), StreamHead::default(), Vec::new());
    let mut stored = std::collections::HashSet::new();
    for group in chunks.chunks(500) {
        let mut frame = PlainFrame::default();
        for chunk in group {
            let record = Record { id: ChunkId::of(chunk), len: chunk.len() as u32 };
            if stored.insert(record.id) || !once {
                frame.push(record, chunk);
            }
            head.bytes += u64::from(record.len);
            head.chunks += 1;
            segments.extend(cutter.push(record));
        }
        if !frame.is_empty() {
            writer.add_frame(part, frame.compress(&mut Compressor::new(3).unwrap()).unwrap()).unwrap();
        }
    }
    segments.extend(cutter.finish());
    let mut stored = std::collections::HashSet::new();
    for segment in segments {
        let id = segment.id();
        head.segments.push(SegmentRef { id, records: segment.records().len() as u32 });
        if stored.insert(id) {
            writer.add_segment(id, segment.into_records());
        }
    }
    head
}

/// Makes the index of these streams, and the pack that holds them.
fn forge(like: &Index, skeleton: &[Vec<u8>], contents: &[Vec<u8>], once: bool) -> (Index, Vec<u8>) {
    let mut writer = PackWriter::new(Vec::new()).unwrap();
    let contents = store(&mut writer, Part::Contents, contents, once);
    let skeleton = store(&mut writer, Part::Skeleton, skeleton, once);
    let (pack, summary) = writer.finish().unwrap();
    let mut index = Index { skeleton, contents, ..like.clone() };
    let segments = (index.skeleton.segments.len() + index.contents.segments.len()) as u64;
    let run = |count| if count > 0 { vec![Run { count, pack: 0 }] } else { Vec::new() };
    (index.chunk_runs, index.segment_runs) = (run(index.chunks()), run(segments));
    index.packs = vec![PackRef {
        id: summary.id,
        bytes: summary.bytes,
        skeleton_at: summary.skeleton_at,
        tail_at: summary.tail_at,
    }];
    (index.fresh_packs, index.patches) = (Vec::new(), Vec::new());
    (index, pack)
}

/// The numbers of contents bytes and literal bytes that a skeleton asks for, if it is well formed.
fn wanted(skeleton: &[u8]) -> Option<(u64, u64)> {
    let (mut decoder, mut contents, mut literals) = (OpDecoder::default(), 0u64, 0u64);
    let count = |found: OpOrLiteral<'_>| {
        match found {
            OpOrLiteral::Op(Op::Contents(bytes)) => contents = contents.saturating_add(bytes),
            OpOrLiteral::Bytes(bytes) => literals += bytes.len() as u64,
            OpOrLiteral::Op(_) => {}
        }
        Ok::<_, OpError>(())
    };
    decoder.push(skeleton, count).ok()?;
    decoder.finish().ok()?;
    (contents < 40 << 20).then_some((contents, literals))
}

/// Cuts a stream into chunks of one size, which may be small.
fn cut(stream: &[u8], chance: &mut Chance) -> Vec<Vec<u8>> {
    let len = [1, 7, 64, 500, 4096, 40_000][chance.below(6)].max(stream.len() / 3000);
    stream.chunks(len.max(1)).map(<[u8]>::to_vec).collect()
}

/// The skeleton and the contents of an image.
fn streams_of(image: &[u8], index: &Index) -> (Vec<u8>, Vec<u8>) {
    let mut splitter = Splitter::new(index.params);
    splitter.push(bytes::Bytes::copy_from_slice(image));
    let mut chunks = splitter.take();
    chunks.extend(splitter.finish());
    let stream = |kind| {
        let of_kind = chunks.iter().filter(|chunk| chunk.stream == kind);
        of_kind.flat_map(|chunk| chunk.bytes.iter().copied()).collect::<Vec<u8>>()
    };
    (stream(StreamKind::Skeleton), stream(StreamKind::Contents))
}

#[track_caller]
fn try_streams(kind: &'static str, is_coded: bool) {
    let site = Site::new(is_coded);
    let index = Index::decode(&site.env.read("app.rgx")).unwrap();
    let (skeleton, contents) = streams_of(&site.image, &index);
    Judge::all(kind, &site.env, |judge, chance| {
        let (mut skeleton, mut contents) = (skeleton.clone(), contents.clone());
        // Expensive inputs are sound except for the digest; other skeletons usually are not.
        let heavy = chance.below(12);
        match heavy {
            0 => skeleton = [vec![5; 12 << 20], skeleton].concat(),
            1 => {}
            2 => skeleton = [vec![[5, 6, 0, 0x15, 4, 10][chance.below(6)]; 1 << chance.below(19)], skeleton].concat(),
            _ => chance.mutate(&mut skeleton),
        }
        if chance.one_in(4) {
            chance.mutate(&mut contents);
        }
        // The image has the size that the skeleton states, so it only fails at the end, by its digest.
        let sizes = wanted(&skeleton).filter(|_| !chance.one_in(3));
        if let Some((bytes, _)) = sizes {
            contents.resize(bytes as usize, 0);
        }
        let (skeleton, mut contents) = (cut(&skeleton, chance), cut(&contents, chance));
        if heavy == 1 {
            // A few bytes of pack and index stand for a great number of places.
            let bytes = contents.iter().map(Vec::len).sum();
            contents = vec![vec![0]; bytes];
        }
        let (mut forged, pack) = forge(&index, &skeleton, &contents, chance.one_in(2));
        match sizes {
            Some((contents, literals)) => forged.image_bytes = contents + literals,
            None if chance.one_in(2) => chance.change(&mut forged.image_bytes),
            None => {}
        }
        let name = format!("store/{}", pack_name(&forged.packs[0].id));
        site.env.write(&name, &pack);
        site.env.write("app.rgx", &forged.encode());
        site.read_all(judge, chance);
        site.env.remove(&name);
    });
}

#[test]
fn streams_of_tars() {
    try_streams("stream", false);
}

#[test]
fn streams_of_archives_with_gzip_layers() {
    try_streams("coded stream", true);
}
